/**
 * Reads a user's own dictionary from a file:
 *   .ndjson, .jsonl  one entry per line: {"key": "de", "name": "Germany"} or {"key": "de", "attributes": {"name": "Germany"}}
 *   .csv             a header with a column `key`; every other column is an attribute; empty cells are none
 *   .json            an array of such entries, or an object: {"de": {"name": "Germany"}}
 * Attributes are texts; numbers and booleans become their text.
 */
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { CsvError, csvRows } from './csv-rows.ts'
import type { DictionaryEntry } from './dictionary-entry.ts'

export const DICTIONARY_FILE_LIMITS = {
  fileBytesMax: 64 * 1024 * 1024,
  entriesMax: 500_000,
  attributesMax: 64,
  keyCharsMax: 1_024,
  valueCharsMax: 4_096,
} as const

/** What is wrong with a dictionary file, with its line (or entry) and what to do. */
export class DictionaryFileError extends Error {
  readonly file: string
  /** 'line 3', 'entry 3' (of a JSON array, 1 is the first) or 'key "de"'; null: the file as a whole */
  readonly place: string | null
  constructor(file: string, place: string | null, message: string, cause?: unknown) {
    super(`dictionary ${file}${place === null ? '' : `, ${place}`}: ${message}`, { cause })
    this.name = 'DictionaryFileError'
    this.file = file
    this.place = place
  }
}

interface PlacedEntry {
  readonly place: string
  /** undefined: the entry names its key itself */
  readonly key?: string
  readonly value: unknown
}

/**
 * All entries of a dictionary file, in its order. Whole or not at all.
 * @throws DictionaryFileError that names the file and the line of the first invalid entry
 */
export async function loadDictionaryFile(path: string): Promise<readonly DictionaryEntry[]> {
  const text = await textOf(path)
  const entries: DictionaryEntry[] = []
  const places = new Map<string, string>()
  for (const placed of placedEntries(path, text)) {
    const entry = entryOf(path, placed)
    const { entriesMax } = DICTIONARY_FILE_LIMITS
    if (entries.length === entriesMax)
      throw new DictionaryFileError(path, placed.place, `more than entriesMax = ${entriesMax} entries`)
    const earlier = places.get(entry.key)
    if (earlier !== undefined) {
      const message = `the key ${JSON.stringify(entry.key)} occurs twice (first at ${earlier}); keep one of them`
      throw new DictionaryFileError(path, placed.place, message)
    }
    places.set(entry.key, placed.place)
    entries.push(entry)
  }
  if (entries.length === 0) throw new DictionaryFileError(path, null, 'it has no entries')
  return entries
}

async function textOf(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    const { fileBytesMax } = DICTIONARY_FILE_LIMITS
    if (size > fileBytesMax)
      throw new DictionaryFileError(
        path,
        null,
        `the file has ${size} bytes, but the limit fileBytesMax is ${fileBytesMax}`,
      )
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    if (error instanceof DictionaryFileError) throw error
    const message = error instanceof TypeError ? 'it is not UTF-8 text; save it as UTF-8' : (error as Error).message
    throw new DictionaryFileError(path, null, message, error)
  }
}

function placedEntries(path: string, text: string): Iterable<PlacedEntry> {
  switch (extname(path).toLowerCase()) {
    case '.ndjson':
    case '.jsonl':
      return ofLines(path, text)
    case '.csv':
      return ofCsv(path, text)
    case '.json':
      return ofJson(path, text)
    default:
      throw new DictionaryFileError(path, null, 'the name must end in .ndjson, .jsonl, .csv or .json')
  }
}

function* ofLines(path: string, text: string): Generator<PlacedEntry> {
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const place = `line ${index + 1}`
    yield { place, value: parsed(path, place, line) }
  }
}

function* ofCsv(path: string, text: string): Generator<PlacedEntry> {
  let header: readonly string[] | null = null
  try {
    for (const { line, fields } of csvRows(text)) {
      const place = `line ${line}`
      if (header === null) {
        header = fields
        const problem = headerProblem(header)
        if (problem) throw new DictionaryFileError(path, place, problem)
        continue
      }
      if (fields.length !== header.length) {
        const message = `the row has ${fields.length} fields, but the header has ${header.length}; put fields with commas in double quotes`
        throw new DictionaryFileError(path, place, message)
      }
      const cells = header.map((name, index) => [name, fields[index]!] as const)
      yield { place, value: Object.fromEntries(cells.filter(([name, value]) => name === 'key' || value !== '')) }
    }
  } catch (error) {
    if (error instanceof CsvError) throw new DictionaryFileError(path, `line ${error.line}`, error.message, error)
    throw error
  }
}

function headerProblem(header: readonly string[]): string | null {
  if (!header.includes('key')) return `the header has no column 'key'; it has ${header.join(', ')}`
  const twice = header.find((name, index) => header.indexOf(name) !== index)
  if (twice !== undefined) return `the header has the column '${twice}' twice`
  return header.includes('') ? 'the header has a column without a name' : null
}

function* ofJson(path: string, text: string): Generator<PlacedEntry> {
  const whole = parsed(path, null, text)
  if (Array.isArray(whole)) {
    for (const [index, value] of whole.entries()) yield { place: `entry ${index + 1}`, value }
  } else if (isObject(whole)) {
    for (const [key, value] of Object.entries(whole)) yield { place: `key ${JSON.stringify(key)}`, key, value }
  } else throw new DictionaryFileError(path, null, 'it is neither an array of entries nor an object of keys')
}

function parsed(path: string, place: string | null, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const { message } = error as Error
    const at = /at position (\d+)/.exec(message)
    const line = at ? `line ${text.slice(0, Number(at[1])).split('\n').length}` : null
    throw new DictionaryFileError(path, place ?? line, `not valid JSON: ${message}`, error)
  }
}

function entryOf(path: string, { place, key: givenKey, value }: PlacedEntry): DictionaryEntry {
  const fail = (message: string): never => {
    throw new DictionaryFileError(path, place, message)
  }
  if (!isObject(value)) return fail('an entry must be an object, for example {"key": "de", "name": "Germany"}')
  const { key: ownKey, ...others } = value
  const key = givenKey ?? ownKey
  const { keyCharsMax, attributesMax } = DICTIONARY_FILE_LIMITS
  if (typeof key !== 'string' || key === '') return fail('its key is missing or not a string')
  if (key.length > keyCharsMax)
    return fail(`its key has ${key.length} characters, but the limit keyCharsMax is ${keyCharsMax}`)
  const from = givenKey === undefined ? (isObject(others.attributes) ? others.attributes : others) : value
  const attributes = Object.entries(from).filter(([, attribute]) => attribute !== null)
  if (attributes.length === 0) return fail('it has no attributes')
  if (attributes.length > attributesMax)
    return fail(`${attributes.length} attributes, but the limit attributesMax is ${attributesMax}`)
  const texts = attributes.map(([name, attribute]) => [name, attributeText(attribute, name, fail)])
  return { key, attributes: Object.fromEntries(texts) }
}

function attributeText(value: unknown, name: string, fail: (message: string) => never): string {
  const { valueCharsMax } = DICTIONARY_FILE_LIMITS
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    return fail(`attribute '${name}' is not a string, number or boolean`)
  }
  const text = String(value)
  if (text.length > valueCharsMax)
    return fail(`attribute '${name}' has ${text.length} characters, but the limit valueCharsMax is ${valueCharsMax}`)
  return text
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
