/** Reads a Parquet file as lines of JSON. It is read from its end, so that it must be a file and not a pipe. */
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { DOUBLE_DIGITS } from '../number-digits.ts'

const NOT_FINITE_TYPES = new Set(['DOUBLE', 'FLOAT'])

/**
 * One line per row, in the file's order. Big integers keep their digits, and so do decimals: those of a column with more than 15 digits
 * are texts, which are converted digit by digit; within a list or struct they are numbers, as in any JSON. JSON has no NaN and no infinity: in a column of
 * doubles they become the texts "NaN", "Infinity" and "-Infinity"; within a list or struct they make the row's JSON invalid.
 * @param path absolute
 */
export function parquetLines(path: string): Readable {
  return Readable.from(linesOf(path), { objectMode: false })
}

async function* linesOf(path: string): AsyncGenerator<Buffer> {
  const engine = await DuckDbEngine.open({ threads: 1, memoryLimit: '1GB', folders: [dirname(path)] })
  const connection = await engine.connect()
  try {
    for await (const [lines] of connection.stream(await selectOf(connection, path))) {
      if (lines!.length > 0) yield Buffer.from(`${lines!.join('\n')}\n`)
    }
  } finally {
    connection.close()
    engine.close()
  }
}

async function selectOf(connection: EngineConnection, path: string): Promise<string> {
  const from = `FROM read_parquet(${quoteText(path)})`
  const columns = await connection.describe(`SELECT * ${from}`)
  const fields = columns.map(({ name, type }) => {
    const column = quoteName(name)
    if (Number(/^DECIMAL\((\d+),/.exec(type)?.[1]) > DOUBLE_DIGITS) return decimalSql(column)
    if (!NOT_FINITE_TYPES.has(type)) return column
    return `CASE WHEN ${column} IS NULL OR isfinite(${column}) THEN to_json(${column}) ELSE to_json(CASE WHEN isnan(${column}) THEN 'NaN' WHEN ${column} > 0 THEN 'Infinity' ELSE '-Infinity' END) END AS ${column}`
  })
  return `SELECT to_json(event)::VARCHAR FROM (SELECT ${fields.join(', ')} ${from}) AS event`
}

/** As `decimalJson`. */
function decimalSql(column: string): string {
  const digits = `length(ltrim(translate(${column}::VARCHAR, '-.', ''), '0'))`
  return `CASE WHEN ${column} IS NULL OR ${digits} <= ${DOUBLE_DIGITS} THEN to_json(${column}) ELSE to_json(${column}::VARCHAR) END AS ${column}`
}
