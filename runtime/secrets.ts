/** Secrets in settings: what is shown instead of them, and what must not be in a log. */
import type { Setting } from './setting-names.ts'
import { ALL_SETTINGS } from './setting-names.ts'
import type { Configuration } from './settings.ts'

export const MASK = '***'

/** shorter ones would mask ordinary words in a log */
const SECRET_CHARS_MIN = 6

/** The value as people may see it. */
export function shownValue(setting: Setting | undefined, value: unknown): unknown {
  if (setting === undefined || value === undefined || setting.secrecy === 'none') return value
  if (Array.isArray(value)) return value.map(() => MASK)
  if (setting.secrecy === 'whole') return MASK
  const password = typeof value === 'string' ? passwordOf(value) : null
  return password === null ? value : (value as string).replace(password, MASK)
}

/** Texts that must not appear in a log: secrets, and the passwords in addresses. */
export function secretsOf(configuration: Configuration): readonly string[] {
  const found: string[] = []
  for (const { name, secrecy } of ALL_SETTINGS.values()) {
    if (secrecy === 'none') continue
    const [section, own] = name.split('.') as [keyof Configuration, string?]
    const value = own === undefined ? configuration[section] : (configuration[section] as Record<string, unknown>)[own]
    for (const text of [value].flat()) {
      if (typeof text !== 'string') continue
      const secret = secrecy === 'url' ? passwordOf(text) : text
      if (secret !== null) found.push(secret, decoded(secret))
    }
  }
  return [...new Set(found)].filter((secret) => secret.length >= SECRET_CHARS_MIN)
}

/** As it stands in the address, which may be encoded; null where there is none. */
function passwordOf(url: string): string | null {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/@]*?:([^/@]+)@/i.exec(url)?.[1] ?? null
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
