/** The number at a JSON path of a record, found without parsing the record where the path has one step. */
import { type JsonPath, parseJsonPath, valueAt } from '#core/json-path.ts'

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

export type PositionOf = (record: Buffer) => number | null

/** @throws RangeError if the text is no path */
export function positionAt(text: string): PositionOf {
  const path = parseJsonPath(text)
  if (path === null || path.element !== null) throw new RangeError(`'${text}' is not a JSON path of one value`)
  const [only] = path.members
  if (path.members.length > 1 || only === undefined) return (record) => parsedNumber(record, path)
  const name = Buffer.from(JSON.stringify(only))
  return (record) => {
    const at = memberAt(record, name)
    if (at === null) return null
    const digits = /^\s*(-?\d{1,20})(?=[\s,}])/.exec(record.toString('latin1', at, at + 32))
    return digits === null ? parsedNumber(record, path) : usable(Number(digits[1]))
  }
}

function parsedNumber(record: Buffer, path: JsonPath): number | null {
  try {
    const value = valueAt(JSON.parse(record.toString()), path)
    return typeof value === 'number' ? usable(value) : null
  } catch {
    return null
  }
}

function usable(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/** The place behind the colon of the outermost object's member; null: there is none. @param name with its quotes */
function memberAt(record: Buffer, name: Buffer): number | null {
  let depth = 0
  let atName = false
  for (let at = 0; at < record.length; at++) {
    const byte = record[at]!
    if (byte === QUOTE) {
      const end = stringEnd(record, at)
      if (end === -1) return null
      if (atName && depth === 1 && end - at === name.length && record.compare(name, 0, name.length, at, end) === 0)
        return colonEnd(record, end)
      at = end - 1
      atName = false
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      depth++
      atName = byte === OPEN_OBJECT
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
    else if (byte === COMMA) atName = true
  }
  return null
}

/** The place behind the quote that closes the string at `from`; -1: it is not closed. */
function stringEnd(record: Buffer, from: number): number {
  for (let at = record.indexOf(QUOTE, from + 1); at !== -1; at = record.indexOf(QUOTE, at + 1)) {
    let escapes = 0
    while (record[at - 1 - escapes] === BACKSLASH) escapes++
    if (escapes % 2 === 0) return at + 1
  }
  return -1
}

function colonEnd(record: Buffer, from: number): number | null {
  const colon = record.indexOf(COLON, from)
  return colon === -1 ? null : colon + 1
}

/** The bytes of the value at the path, as they are in the text; null: there is none. The text is valid JSON. */
export function valueIn(text: Buffer, members: readonly string[]): Buffer | null {
  let value = text
  for (const member of members) {
    const at = memberAt(value, Buffer.from(JSON.stringify(member)))
    if (at === null) return null
    value = value.subarray(at, valueEnd(value, at))
  }
  return value
}

/** The place behind the value that begins at or after `from`, inside an object. */
function valueEnd(text: Buffer, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const byte = text[at]!
    if (byte === QUOTE) at = Math.max(stringEnd(text, at), at + 1) - 1
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
    else if (byte === COMMA && depth === 0) return at
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && depth-- === 0) return at
  }
  return text.length
}
