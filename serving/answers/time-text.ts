/** Parses times as users and programs write them. */

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.(\d{1,6}))?)?(?:Z|[+-]\d\d:\d\d)?)?$/

/** Milliseconds since 1970; null if the text is not a time or is more precise than milliseconds. */
export function timeTextMs(text: string): number | null {
  const us = timeTextUs(text)
  return us === null || us % 1_000n !== 0n ? null : Number(us / 1_000n)
}

/** Microseconds since 1970 for ISO 8601 text (UTC if it has no offset) or an integer of milliseconds; null for anything else. */
export function timeTextUs(text: string): bigint | null {
  if (/^-?\d{1,15}$/.test(text)) return BigInt(text) * 1_000n
  const match = ISO.exec(text)
  if (match === null) return null
  const seconds = text.replace(/\.\d+/, '')
  const zoned = /T.*(Z|[+-]\d\d:\d\d)$/.test(seconds) || !seconds.includes('T') ? seconds : `${seconds}Z`
  const ms = Date.parse(zoned)
  if (Number.isNaN(ms) || !isDay(text.slice(0, 10))) return null
  return BigInt(ms) * 1_000n + BigInt((match[1] ?? '').padEnd(6, '0'))
}

/** Rejects days that do not exist: Date.parse accepts the 31st of every month. */
function isDay(day: string): boolean {
  const parsed = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().slice(0, 10) === day
}
