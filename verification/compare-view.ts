/** Compares two relations of a view's presented rows in SQL: the merged answer and an independent recount. */
import type { CompiledMeasure, CompiledView } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { keyNames } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Parameter } from '#storage/engine/written-statement.ts'

/** room for the rounding of the comparison itself */
const ROUNDING = 1e-9
/** allowed deviation of sketch estimates, in standard deviations */
const SIGMAS_MAX = 5
/** maximum number of differences that a report shows per view */
export const DIFFERENCES_SHOWN_MAX = 10

export interface ViewComparison {
  readonly view: string
  /** rows of the merged answer */
  readonly merged: number
  /** rows of the recount */
  readonly recounted: number
  /** rows that only one side has, or whose measures differ by more than their exactness allows */
  readonly different: number
  /** the first of them as JSON: key, merged and recounted values (null: the side has no such row) */
  readonly first: readonly unknown[]
}

/** A relation that can follow FROM, and the values bound in it. */
export interface Relation {
  readonly sql: string
  readonly parameters?: Record<string, Parameter>
}

/** Relations with the view's pane, dimensions and measures. */
export interface ViewSides {
  readonly merged: Relation
  readonly recounted: Relation
}

/** Those rows of a relation that meet the condition. */
export function rowsWithin({ sql, parameters }: Relation, condition: string): Relation {
  return { sql: condition === 'true' ? sql : `(SELECT * FROM ${sql} WHERE ${condition})`, parameters }
}

/** Reads each side once. The caller ensures that both have the same position. */
export async function compareView(
  connection: EngineConnection,
  view: CompiledView,
  sides: ViewSides,
): Promise<ViewComparison> {
  const tables = { merged: `verify_m_${view.name}`, recounted: `verify_r_${view.name}` }
  try {
    for (const side of ['merged', 'recounted'] as const) {
      const { sql, parameters } = sides[side]
      await connection.run(
        `CREATE OR REPLACE TEMP TABLE ${quoteName(tables[side])} AS SELECT *, 1 AS _here FROM ${sql}`,
        parameters,
      )
    }
    const joined = joinSql(view, tables)
    const [counts] = await connection.rows<{ merged: number; recounted: number; different: number }>(
      `SELECT count(m._here) AS merged, count(r._here) AS recounted, count(*) FILTER (${differsSql(view)}) AS different FROM ${joined}`,
    )
    const first = counts!.different === 0 ? [] : await firstDifferences(connection, view, joined)
    return { view: view.name, ...counts!, first }
  } finally {
    for (const table of Object.values(tables)) await connection.run(`DROP TABLE IF EXISTS ${quoteName(table)}`)
  }
}

async function firstDifferences(connection: EngineConnection, view: CompiledView, joined: string): Promise<unknown[]> {
  const keys = keyNames(view).map((key) => `${quoteText(key)}, coalesce(m.${quoteName(key)}, r.${quoteName(key)})`)
  const values = (side: 'm' | 'r'): string => {
    const members = view.measures.map(
      ({ name, type }) => `${quoteText(name)}, ${shownSql(`${side}.${quoteName(name)}`, type)}`,
    )
    return `CASE WHEN ${side}._here IS NULL THEN NULL ELSE json_object(${members.join(', ')}) END`
  }
  const rows = await connection.rows<{ text: string }>(
    `SELECT json_object('key', json_object(${keys.join(', ')}), 'merged', ${values('m')}, 'recounted', ${values('r')})::VARCHAR AS text
     FROM ${joined} WHERE ${differsSql(view)} ORDER BY text LIMIT ${DIFFERENCES_SHOWN_MAX}`,
  )
  return rows.map((row) => JSON.parse(row.text) as unknown)
}

/** JSON has no infinity: one that should not be there is shown as text. */
function shownSql(value: string, type: string): string {
  return type === 'DOUBLE'
    ? `CASE WHEN isfinite(${value}) THEN to_json(${value}) ELSE to_json(${value}::VARCHAR) END`
    : value
}

/** NULL is a valid key. `_here` makes the join an equality join even for a view without keys. */
function joinSql(view: CompiledView, tables: { merged: string; recounted: string }): string {
  const same = keyNames(view).map((key) => `m.${quoteName(key)} IS NOT DISTINCT FROM r.${quoteName(key)}`)
  return `${quoteName(tables.merged)} AS m FULL OUTER JOIN ${quoteName(tables.recounted)} AS r ON ${['m._here = r._here', ...same].join(' AND ')}`
}

function differsSql(view: CompiledView): string {
  const measures = view.measures.map((measure) => `(${measureDiffersSql(measure)})`)
  return ['m._here IS NULL', 'r._here IS NULL', ...measures].join(' OR ')
}

function measureDiffersSql({ name, exactness }: CompiledMeasure): string {
  const [m, r] = [`m.${quoteName(name)}`, `r.${quoteName(name)}`]
  const distinct = `${m} IS DISTINCT FROM ${r}`
  const beyond = (bound: string): string =>
    `${distinct} AND coalesce(abs(${m}::DOUBLE - ${r}::DOUBLE) > ${bound}, true)`
  switch (exactness.kind) {
    case 'exact':
      return distinct
    case 'float': {
      if (exactness.of === 'value') return beyond(`${exactness.relativeError} * abs(${r}::DOUBLE)`)
      const within = `r.${quoteName(`${name}__within`)}`
      // Infinite: the value is undetermined, and one side may have none.
      return `${distinct} AND NOT coalesce(abs(${m} - ${r}) <= ${within} OR ${within} = 'inf'::DOUBLE, false)`
    }
    case 'bounded':
      return beyond(`${exactness.relativeError} * abs(${r}::DOUBLE) * (1 + ${ROUNDING})`)
    case 'sketch':
      return beyond(
        `CASE WHEN ${r} <= ${exactness.k} THEN 0 ELSE ${SIGMAS_MAX * exactness.relativeSigma} * ${r}::DOUBLE END`,
      )
  }
}
