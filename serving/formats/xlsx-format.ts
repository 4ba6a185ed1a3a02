/** XLSX: a workbook with the rows in one sheet and the provenance in another, for spreadsheets. */
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { ZipFile } from 'yazl'
import { type AnswerFormat, type Framed, type ShownAnswer, UNFRAMED, type WrittenRows } from './answer-format.ts'
import { columnKind } from './column-kinds.ts'
import { rowValues } from './row-values.ts'
import { textOfKind, textSql } from './value-texts.ts'
import { FIXED_PARTS, sheetPath } from './xlsx-parts.ts'
import { provenanceXml, rowsXml, type TextRow } from './xlsx-sheets.ts'

/** Files of equal rows and provenance are equal: none has the time of its making. A zip file knows no earlier time. More compression makes an export
 * a seventh smaller, and takes a third longer. */
const ENTRY = { compressionLevel: 1, mtime: new Date(1980, 0, 1), forceDosTimestamp: true } as const

/** rows whose XML is made without a pause, in which short queries would wait */
const TURN_ROWS = 256

export const XLSX_FORMAT: AnswerFormat = {
  name: 'xlsx',
  extension: 'xlsx',
  contentType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  alsoKnownAs: [],
  encode: encodeXlsx,
  write: writeXlsx,
}

async function encodeXlsx({ columns, rowsJson, metaJson }: ShownAnswer): Promise<Buffer> {
  const texts = columns.map(({ type }) => textOfKind(columnKind(type)))
  const rows = rowValues(rowsJson, columns).map((row) =>
    row.map((value, index) => (value === null ? null : texts[index]!(value))),
  )
  return zipped(rowsXml(columns, [rows]), metaJson, buffer)
}

async function writeXlsx(rows: WrittenRows, file: string): Promise<Framed> {
  const sheet = rowsXml(rows.columns, textBatches(rows))
  await zipped(sheet, rows.metaJson, (bytes) => pipeline(bytes, createWriteStream(file)))
  return UNFRAMED
}

async function* textBatches({ sql, bound, columns, connection }: WrittenRows): AsyncGenerator<TextRow[]> {
  const values = columns.map((column) => `CAST(${textSql(column)} AS VARCHAR)`)
  for await (const chunk of connection.chunks(`SELECT ${values.join(', ')} FROM (${sql})`, bound.parameters)) {
    const texts = columns.map((_, index) => chunk.values(index) as (string | null)[])
    for (let from = 0; from < chunk.rows; from += TURN_ROWS)
      yield Array.from({ length: Math.min(TURN_ROWS, chunk.rows - from) }, (_, row) =>
        texts.map((column) => column[from + row]!),
      )
  }
}

/** Compresses as fast as the bytes are taken. @throws what the sheet throws */
async function zipped<T>(
  sheet: AsyncIterable<string>,
  metaJson: string,
  take: (bytes: Readable) => Promise<T>,
): Promise<T> {
  const zip = new ZipFile()
  const bytes = zip.outputStream as Readable
  zip.on('error', (error: Error) => bytes.destroy(error))
  const rows = Readable.from(sheet, { objectMode: false })
  // The library looks after neither the errors of what it reads, nor those of who takes.
  rows.on('error', (error) => bytes.destroy(error))
  try {
    for (const [path, text] of Object.entries(FIXED_PARTS)) zip.addBuffer(Buffer.from(text), path, ENTRY)
    zip.addBuffer(Buffer.from(provenanceXml(metaJson)), sheetPath('provenance'), ENTRY)
    zip.addReadStream(rows, sheetPath('rows'), ENTRY)
    zip.end()
    return await take(bytes)
  } finally {
    // Who takes no more, closes the rows too.
    rows.destroy()
  }
}
