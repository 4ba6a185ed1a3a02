/** Runs the SQL of presented rows and gives them in batches: the result is kept by the engine, not in this process's memory. */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { PresentedRow } from '#storage/presented-store/presented-store.ts'
import type { BoundValues } from '../answers/bound-values.ts'
import { objectSql, type PresentedMember } from './presented-fields.ts'

export interface RowSource {
  /** a SELECT */
  readonly sql: string
  readonly bound: BoundValues
  readonly members: readonly PresentedMember[]
  /** SQL expressions whose values are the row's identity */
  readonly identity: readonly string[]
  /** SQL of the moment that decides a daily row's day, epoch ms */
  readonly dayMs?: string
  readonly version: number
}

export const PRESENTED_LIMITS = {
  /** of one filling of one index */
  rowsMax: 5_000_000,
  batchRows: 5_000,
} as const

const TABLE = 'presented_rows'

/** Fixes the rows of `source` at this moment. @throws RangeError past rowsMax: nothing is cut off silently */
export async function settleRows(connection: EngineConnection, source: RowSource): Promise<number> {
  const { sql, bound, members, identity, dayMs = 'NULL::BIGINT' } = source
  const columns = [
    `md5(json_array(${identity.join(', ')})::VARCHAR) AS id`,
    `${dayMs} AS day_ms`,
    `${objectSql(members)} AS json`,
  ]
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${TABLE} (i BIGINT, id VARCHAR, day_ms BIGINT, json VARCHAR)`)
  const rows = await connection.run(
    `INSERT INTO ${TABLE} SELECT row_number() OVER () - 1, * FROM (SELECT ${columns.join(', ')} FROM (${sql}))`,
    bound.parameters,
  )
  if (rows <= PRESENTED_LIMITS.rowsMax) return rows
  throw new RangeError(`${rows} rows exceed the limit of one update (rowsMax = ${PRESENTED_LIMITS.rowsMax})`)
}

/** The rows fixed last on this connection. */
export async function* settledRows(
  connection: EngineConnection,
  version: number,
): AsyncGenerator<readonly PresentedRow[]> {
  const { batchRows } = PRESENTED_LIMITS
  for (let from = 0; ; from += batchRows) {
    const [ids, days, texts] = await connection.columns(
      `SELECT id, day_ms, json FROM ${TABLE} WHERE i >= ${from} AND i < ${from + batchRows} ORDER BY i`,
    )
    if (ids!.length === 0) return
    yield (ids as string[]).map((id, at) => {
      const day = days![at]
      return { id, json: texts![at] as string, version, ...(day === null ? {} : { dayMs: Number(day) }) }
    })
  }
}
