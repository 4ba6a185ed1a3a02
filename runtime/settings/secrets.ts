/** Masks secrets in settings, messages and logs. */
import type { Setting } from './setting-names.ts'
import { ALL_SETTINGS } from './setting-names.ts'
import type { Configuration } from './settings.ts'

export const MASK = '***'

/** shorter secrets would mask ordinary words in a log */
const SECRET_CHARS_MIN = 6

const PASSWORD = /(?<=:\/\/[^/?#@]*:)[^/@]+(?=@)/g
const QUERY_PAIR = /(?<=[?&])[^=&#\s]+=[^&#\s]+/g
const QUERY_VALUE = /(?<=[?&][^=&#\s]+=)[^&#\s]+/g

/** The value with secrets masked, for display. */
export function shownValue(setting: Setting | undefined, value: unknown): unknown {
  if (setting === undefined || value === undefined || setting.secrecy === 'none') return value
  if (Array.isArray(value)) return value.map(() => MASK)
  if (setting.secrecy === 'whole') return MASK
  if (typeof value === 'string') return shownAddresses(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, shownValue(setting, own)]))
}

/** The text with a mask for each secret in it. */
export function masked(text: string, secrets: readonly string[]): string {
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, MASK), text)
}

/** Texts that must not appear in a log: secrets, and the passwords and query values in addresses. */
export function secretsOf(configuration: Configuration): readonly string[] {
  const found: string[] = []
  for (const { name, secrecy } of ALL_SETTINGS.values()) {
    if (secrecy === 'none') continue
    const [section, own] = name.split('.') as [keyof Configuration, string?]
    const value = own === undefined ? configuration[section] : (configuration[section] as Record<string, unknown>)[own]
    for (const text of textsOf(value))
      for (const secret of secrecy === 'url' ? secretsIn(text) : [text, ...text.split(' ')])
        found.push(secret, decoded(secret))
  }
  return [...new Set(found)].filter((secret) => secret.length >= SECRET_CHARS_MIN)
}

/** By dataset; several are separated by spaces. */
export function webhookSecretsOf({
  webhookSecrets,
}: Pick<Configuration, 'webhookSecrets'>): Map<string, readonly string[]> {
  return new Map(Object.entries(webhookSecrets).map(([dataset, secrets]) => [dataset, secrets.split(' ')]))
}

/** The environment without the variables of settings that hold secrets. */
export function withoutSecretVariables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret = new Set<string>()
  for (const { variable, secrecy } of ALL_SETTINGS.values()) if (secrecy !== 'none') secret.add(variable)
  return Object.fromEntries(Object.entries(environment).filter(([variable]) => !secret.has(variable)))
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

function shownAddresses(text: string): string {
  return text.replace(PASSWORD, MASK).replace(QUERY_VALUE, (value) => (value.includes('{') ? value : MASK))
}

/** In the form of the address, which may be percent-encoded. Query values include their names: alone they could be ordinary words. */
function secretsIn(address: string): string[] {
  const named = address.match(QUERY_PAIR) ?? []
  return [...(address.match(PASSWORD) ?? []), ...named.filter((pair) => !pair.includes('{'))]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
