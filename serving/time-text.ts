/** Moments as people and programs write them. */

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/

/** Milliseconds since 1970 of ISO 8601 text (UTC where it names no offset) or of a whole number of milliseconds; null for anything else. */
export function timeTextMs(text: string): number | null {
  if (/^-?\d{1,15}$/.test(text)) return Number(text)
  if (!ISO.test(text)) return null
  const zoned = /T.*(Z|[+-]\d\d:\d\d)$/.test(text) || !text.includes('T') ? text : `${text}Z`
  const ms = Date.parse(zoned)
  return Number.isNaN(ms) || !isDay(text.slice(0, 10)) ? null : ms
}

/** Date.parse takes the 31st of every month. */
function isDay(day: string): boolean {
  const parsed = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().slice(0, 10) === day
}
