/** Parquet, written by the engine: columns with their types, the provenance in the file's metadata. */
import { readFile } from 'node:fs/promises'
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { valueSql } from '../answers/answer-columns.ts'
import { type AnswerFormat, type EncodeOptions, META_KEY, type ShownAnswer, UNFRAMED } from './answer-format.ts'
import { type ColumnKind, columnKind, engineType } from './column-kinds.ts'
import { copyRows } from './copied-rows.ts'
import { type RowValue, rowValues } from './row-values.ts'
import { withScratchFile } from './scratch-files.ts'

export const PARQUET_FORMAT: AnswerFormat = {
  name: 'parquet',
  extension: 'parquet',
  contentType: 'application/vnd.apache.parquet',
  alsoKnownAs: ['application/x-parquet'],
  encode: encodeParquet,
  write: async (rows, file) => {
    const values = rows.columns.map((column) => `${typedSql(column)} AS ${quoteName(column.name)}`)
    await copyRows(rows, values, file, parquetOptions(rows.metaJson))
    return UNFRAMED
  },
}

/** Options of COPY. */
export function parquetOptions(metaJson: string): string {
  return `FORMAT parquet, COMPRESSION zstd, KV_METADATA {${META_KEY}: ${quoteText(metaJson)}}`
}

function typedSql(column: SqlColumn): string {
  const { name, type } = column
  const kind = columnKind(type)
  if (kind.kind === 'double') return `CASE WHEN isfinite(${quoteName(name)}) THEN ${quoteName(name)}::DOUBLE END`
  return `${valueSql(column)}::${engineType(kind)}`
}

async function encodeParquet(
  { columns, rowsJson, metaJson }: ShownAnswer,
  { engine, scratchFolder }: EncodeOptions,
): Promise<Buffer> {
  return withScratchFile(scratchFolder, 'parquet', async (file) => {
    const connection = await engine.connect()
    try {
      const texts = JSON.stringify(rowValues(rowsJson, columns).map((row) => row.map(textOf)))
      const sql = `COPY (${typedRowsSql(columns)}) TO ${quoteText(file)} (${parquetOptions(metaJson)})`
      await connection.run(sql, { rows: texts })
    } finally {
      connection.close()
    }
    return readFile(file)
  })
}

/** What the engine casts to the column's type: every value as text, so that no number passes through a double. */
function textOf(value: RowValue): RowValue {
  return typeof value === 'boolean' ? String(value) : Array.isArray(value) ? value.map(textOf) : value
}

/** SELECT of the rows in `$rows`, a JSON array of arrays of texts. */
function typedRowsSql(columns: readonly SqlColumn[]): string {
  const values = columns.map(({ name, type }, index) => {
    const kind = columnKind(type)
    return `${castSql(kind, `_row->${index}`, `_row->>${index}`)} AS ${quoteName(name)}`
  })
  return `SELECT ${values.join(', ')} FROM (SELECT unnest(from_json($rows::VARCHAR, '["JSON"]')) AS _row)`
}

function castSql(kind: ColumnKind, json: string, text: string): string {
  if (kind.kind !== 'list') return `CAST((${text}) AS ${engineType(kind)})`
  return `CAST(from_json((${json}), '["VARCHAR"]') AS ${engineType(kind)})`
}
