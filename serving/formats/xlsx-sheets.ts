/** The sheets of a workbook: the rows of an answer, and its provenance. */

import type { SqlColumn } from '#core/compiled.ts'
import { parseWithDigits } from '#core/json-digits.ts'
import { BeyondFormatError } from '../answers/query-error.ts'
import { columnKind } from './column-kinds.ts'
import { booleanCell, type Cell, cellOf, numberCell, STYLE, textCell } from './xlsx-cells.ts'
import { SHEET_NAMESPACE } from './xlsx-parts.ts'

/** rows of a sheet, without the header */
export const XLSX_ROWS_MAX = 1_048_575
/** code points of a text that surely fit into a cell */
const PIECE = /[\s\S]{1,16000}/gu
/** widths in characters: what a moment, and what a name or number needs */
const WIDTH = { moment: 24, other: 16 } as const

/** A row as texts, in the order of the columns. */
export type TextRow = readonly (string | null)[]

/**
 * XML of the rows' sheet, piece by piece.
 * @param batches of rows
 * @throws BeyondFormatError
 */
export async function* rowsXml(
  columns: readonly SqlColumn[],
  batches: Iterable<readonly TextRow[]> | AsyncIterable<readonly TextRow[]>,
): AsyncGenerator<string> {
  const kinds = columns.map(({ type }) => columnKind(type))
  const cells = columns.map(({ name }, index) => cellOf(kinds[index]!, name))
  yield sheetStart(kinds.map(({ kind }) => (kind === 'timestamp' ? WIDTH.moment : WIDTH.other)))
  yield rowXml(1, headerOf(columns.map(({ name }) => name)))
  let rows = 0
  for await (const batch of batches) {
    if (rows + batch.length > XLSX_ROWS_MAX) throw tooManyRows()
    yield batch
      .map((row, at) =>
        rowXml(
          rows + at + 2,
          row.map((text, index) => (text === null ? null : cells[index]!(text))),
        ),
      )
      .join('')
    rows += batch.length
  }
  yield SHEET_END
}

function tooManyRows(): BeyondFormatError {
  return new BeyondFormatError(
    'limit',
    `the answer has more rows than a sheet holds, xlsxRowsMax = ${XLSX_ROWS_MAX}; request fewer rows, a shorter range or another format`,
  )
}

/** XML of the provenance's sheet: a row per member of `meta`; lists and objects as JSON, which goes on in the next cell where it is long. */
export function provenanceXml(metaJson: string): string {
  const meta = parseWithDigits(metaJson) as Record<string, unknown>
  const rows = Object.entries(meta).map(([name, value]) => [textCell(name), ...valueCells(value)])
  const all = [headerOf(['name', 'value']), ...rows]
  return `${sheetStart([WIDTH.moment, WIDTH.moment])}${all.map((row, at) => rowXml(at + 1, row)).join('')}${SHEET_END}`
}

function valueCells(value: unknown): (Cell | null)[] {
  if (value === null) return [null]
  if (typeof value === 'boolean') return [booleanCell(value)]
  if (typeof value === 'string') return piecesOf(value)
  const json = JSON.stringify(value)
  return /^[-\d]/.test(json) ? [numberCell(json, STYLE.plain)] : piecesOf(json)
}

function piecesOf(text: string): Cell[] {
  return (text.match(PIECE) ?? ['']).map((piece) => textCell(piece))
}

const SHEET_END = '</sheetData></worksheet>'

/** The header stays where it is when the rows are scrolled. */
function sheetStart(widths: readonly number[]): string {
  const columns = widths.map((width, at) => `<col min="${at + 1}" max="${at + 1}" width="${width}" customWidth="1"/>`)
  const pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
  return [
    `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="${SHEET_NAMESPACE}">`,
    `<sheetViews><sheetView workbookViewId="0">${pane}</sheetView></sheetViews>`,
    columns.length === 0 ? '' : `<cols>${columns.join('')}</cols>`,
    '<sheetData>',
  ].join('')
}

function headerOf(names: readonly string[]): Cell[] {
  return names.map((name) => textCell(name, STYLE.header))
}

function rowXml(row: number, cells: readonly (Cell | null)[]): string {
  const each = cells.map((cell, index) =>
    cell === null ? '' : `<c r="${letters(index)}${row}" s="${cell.style}" t="${cell.type}">${cell.content}</c>`,
  )
  return `<row r="${row}">${each.join('')}</row>`
}

const NAMES: string[] = []

/** A to Z, AA to ZZ and so on. */
function letters(index: number): string {
  NAMES[index] ??= (index < 26 ? '' : letters(Math.floor(index / 26) - 1)) + String.fromCharCode(65 + (index % 26))
  return NAMES[index]
}
