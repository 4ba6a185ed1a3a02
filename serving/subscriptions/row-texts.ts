/** The rows of an answer as JSON texts: changes are found without parsing values, so every number keeps all of its digits. */

export interface RowText {
  /** JSON object of the members that tell the row from all others */
  readonly key: string
  /** JSON object */
  readonly text: string
}

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const [OPEN_LIST, CLOSE_LIST] = [0x5b, 0x5d]
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d]
/** of the members of a row, inside the list of rows */
const ROW_DEPTH = 2

/**
 * Splits a JSON array of objects.
 *
 * ```ts
 * rowTexts('[{"page":"/","n":3}]', 1) // [{ key: '{"page":"/"}', text: '{"page":"/","n":3}' }]
 * ```
 * @param keyMembers so many members at the front of each row are its key
 */
export function rowTexts(rowsJson: string, keyMembers: number): RowText[] {
  const rows: RowText[] = []
  let [depth, start, members, keyEnd] = [0, 0, 0, 0]
  for (let at = 0; at < rowsJson.length; at++) {
    switch (rowsJson.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(rowsJson, at)
        break
      case OPEN_LIST:
      case OPEN_OBJECT:
        if (++depth === ROW_DEPTH) [start, members, keyEnd] = [at, 0, keyMembers === 0 ? at + 1 : 0]
        break
      case COMMA:
        if (depth === ROW_DEPTH && ++members === keyMembers) keyEnd = at
        break
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        if (depth-- === ROW_DEPTH)
          rows.push({ key: `${rowsJson.slice(start, keyEnd || at)}}`, text: rowsJson.slice(start, at + 1) })
        break
    }
  }
  return rows
}

/** @param from where the opening quote is. @returns where the closing one is */
function stringEnd(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at
    while (text.charCodeAt(before - 1) === BACKSLASH) before--
    if ((at - before) % 2 === 0) return at
  }
  return text.length
}
