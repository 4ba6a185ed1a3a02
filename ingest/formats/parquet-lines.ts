/** Reads a Parquet file as lines of JSON. It is read from its end, so that it must be a file and not a pipe. */
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { DuckDbEngine, type EngineConnection } from '#storage/engine/duckdb-engine.ts'

const NOT_FINITE_TYPES = new Set(['DOUBLE', 'FLOAT'])

/**
 * One line per row, in the file's order. Decimals and big integers keep their digits. JSON has no NaN and no infinity: in a column of
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
    if (!NOT_FINITE_TYPES.has(type)) return column
    return `CASE WHEN ${column} IS NULL OR isfinite(${column}) THEN to_json(${column}) ELSE to_json(CASE WHEN isnan(${column}) THEN 'NaN' WHEN ${column} > 0 THEN 'Infinity' ELSE '-Infinity' END) END AS ${column}`
  })
  return `SELECT to_json(event)::VARCHAR FROM (SELECT ${fields.join(', ')} ${from}) AS event`
}
