/**
 * Cells of a sheet. A spreadsheet keeps 15 digits of a number, moments to the millisecond from March 1900 on, and 32,767 characters of a
 * text: what it would change is a text, with everything that JSON has.
 */
import { BeyondFormatError } from '../answers/query-error.ts'
import type { ColumnKind } from './column-kinds.ts'

/** characters of a text in a cell, in UTF-16 units */
export const XLSX_TEXT_MAX = 32_767
const DIGITS_MAX = 15
/** smallest double that is not taken for 0 */
const DOUBLE_MIN = 2.2250738585072014e-308
const DAY_MS = 86_400_000
/** 1970-01-01 as days since the origin of the calendar of spreadsheets, in which 1900 has a February 29 */
const EPOCH_DAYS = 25_569
const [TIME_MIN, TIME_MAX] = [Date.UTC(1900, 2, 1), Date.UTC(9999, 11, 31, 23, 59, 59, 999)]

/** Numbers of the styles in `STYLES_XML`. */
export const STYLE = { plain: 0, header: 1, text: 2, time: 3, date: 4, whole: 5 } as const
/** decimal places that have a style: number `whole + places` */
export const PLACES_MAX = 15

/** Everything of a cell but its place. */
export interface Cell {
  readonly type: 'n' | 'b' | 'inlineStr'
  readonly style: number
  /** XML */
  readonly content: string
}

/** A cell for the text of a value. @param name of the column, for errors */
export function cellOf(kind: ColumnKind, name: string): (text: string) => Cell {
  switch (kind.kind) {
    case 'integer':
      return (text) => numberCell(text, STYLE.whole)
    case 'decimal':
      return (text) => numberCell(text, STYLE.whole + Math.min(kind.scale, PLACES_MAX))
    case 'double':
      return doubleCell
    case 'boolean':
      return (text) => booleanCell(text === 'true')
    case 'timestamp':
      return (text) => momentCell(text, STYLE.time)
    case 'date':
      return (text) => momentCell(text, STYLE.date)
    default:
      return (text) => textCell(bounded(text, name))
  }
}

/** A number cell, where a spreadsheet keeps all digits. @param text of a whole number or a decimal */
export function numberCell(text: string, style: number): Cell {
  const digits = (text.includes('.') ? text.replace(/0+$/, '') : text).replace(/^[-0.]+|\./g, '')
  return digits.length <= DIGITS_MAX ? valueCell(Number(text), style) : textCell(text)
}

/** Spreadsheets store doubles whole, although they show 15 digits of them. */
function doubleCell(text: string): Cell {
  const value = Number(text)
  return value !== 0 && Math.abs(value) < DOUBLE_MIN ? textCell(text) : valueCell(value, STYLE.plain)
}

function momentCell(text: string, style: number): Cell {
  // Microseconds are there only where they are not 0; years have more than four digits only where no spreadsheet has a date.
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{3}Z)?$/.test(text)
  const ms = isDate ? Date.parse(text) : Number.NaN
  return ms >= TIME_MIN && ms <= TIME_MAX ? valueCell(ms / DAY_MS + EPOCH_DAYS, style) : textCell(text)
}

export function booleanCell(value: boolean): Cell {
  return { type: 'b', style: STYLE.plain, content: `<v>${value ? 1 : 0}</v>` }
}

/** The style says that it is a text, so that it stays one when somebody edits it: nothing becomes a formula. */
export function textCell(text: string, style: number = STYLE.text): Cell {
  return { type: 'inlineStr', style, content: `<is><t xml:space="preserve">${xmlText(text)}</t></is>` }
}

function valueCell(value: number, style: number): Cell {
  return { type: 'n', style, content: `<v>${value}</v>` }
}

function bounded(text: string, name: string): string {
  if (text.length <= XLSX_TEXT_MAX) return text
  throw new BeyondFormatError(
    name,
    `a text has ${text.length} characters, and a cell of a spreadsheet at most xlsxTextMax = ${XLSX_TEXT_MAX}; request another format, or leave the column out`,
  )
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML cannot hold, or changes
const NOT_XML = /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g
/** An underscore that could be taken for the begin of an escape, also of one that is put behind it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const LIKE_ESCAPE = /_(?=x[0-9A-Fa-f]{4}[_\u0000-\u0008\u000b-\u001f\ufffe\uffff])/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const CHANGED = /[_&<>\u0000-\u0008\u000b-\u001f\ufffe\uffff]/
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** The text as XML; a character that XML cannot hold as `_xHHHH_` (ECMA-376, ST_Xstring). */
export function xmlText(text: string): string {
  if (!CHANGED.test(text)) return text
  return text
    .replace(LIKE_ESCAPE, '_x005F_')
    .replace(NOT_XML, (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`)
    .replace(/[&<>]/g, (character) => ENTITIES[character]!)
}
