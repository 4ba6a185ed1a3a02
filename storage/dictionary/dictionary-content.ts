/** Canonical rows of a dictionary's content, and the version derived from them: the same for every driver. */
import { createHash } from 'node:crypto'
import type { DictionaryEntry } from './dictionary.ts'

/** versions kept per dictionary */
export const DICTIONARY_VERSIONS_MAX = 10
/** entries of one version */
export const DICTIONARY_ENTRIES_MAX = 1_000_000

/** key and attributes as JSON text */
export type DictionaryRow = readonly [key: string, attributes: string]

/**
 * Returns the same rows for the same content, whatever its order.
 * @throws RangeError if a key occurs twice with different attributes, or there are too many entries
 */
export function sortedRows(dictionary: string, entries: Iterable<DictionaryEntry>): DictionaryRow[] {
  const rows = new Map<string, string>()
  for (const { key, attributes } of entries) {
    const text = JSON.stringify(Object.fromEntries(Object.entries(attributes).sort(byName)))
    const before = rows.get(key)
    if (before !== undefined && before !== text)
      throw new RangeError(
        `dictionary '${dictionary}': key '${key}' occurs twice, with ${before} and ${text}; keep one of them`,
      )
    rows.set(key, text)
    if (rows.size > DICTIONARY_ENTRIES_MAX)
      throw new RangeError(`dictionary '${dictionary}': more than DICTIONARY_ENTRIES_MAX = ${DICTIONARY_ENTRIES_MAX}`)
  }
  return [...rows].sort(byName)
}

/** The version of sorted rows: the sha-256 of their JSON text. */
export function versionOf(rows: readonly DictionaryRow[]): string {
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex')
}

export function entryOf([key, attributes]: DictionaryRow): DictionaryEntry {
  return { key, attributes: JSON.parse(attributes) as Record<string, string> }
}

/** The requested version no longer exists. */
export class VersionGoneError extends Error {
  constructor(dictionary: string, version: string) {
    super(
      `dictionary '${dictionary}': version ${version} is no longer kept (only the newest ${DICTIONARY_VERSIONS_MAX} are); use the newest version`,
    )
    this.name = 'VersionGoneError'
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : Number(a > b)
}
