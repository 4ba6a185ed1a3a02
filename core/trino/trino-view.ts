/**
 * A view's states on Trino: statements over typed rows, whose rows travel as text, and DuckDB's SQL that makes state rows of them. They are states of parts:
 * one key can have several rows, with NULL for what a row says nothing of, and the view's own `mergeSql` makes one of them.
 */
import type { CompiledDataset, CompiledView, SqlColumn } from '../compiled.ts'
import type { MeasureDefinition, ViewDefinition } from '../definition-parts.ts'
import type { SqlDialect } from '../dialect.ts'
import { trinoExpression } from '../dialects/trino-expression.ts'
import { quoteName } from '../sql-names.ts'
import { storedValue } from '../stored-value.ts'
import { keyNames } from '../view-time.ts'
import { receivedSql, receivedType, sentSql, storedSql, whyNoType } from './transport.ts'
import type { Sent, TrinoMeasure } from './trino-measure.ts'
import { inTurn, trinoMeasure } from './trino-measures.ts'
import { orderSql } from './trino-order.ts'

export interface TrinoStatement {
  /** Trino's SQL. @param rows what follows FROM: relation with the columns of typed rows */
  sql(rows: string): string
  /** what travels, in order: names, and DuckDB's types before `statesSql` */
  readonly columns: readonly SqlColumn[]
  /** DuckDB's SQL: state rows. @param received relation with `columns` */
  statesSql(received: string): string
}

export interface TrinoView {
  readonly view: CompiledView
  readonly statements: readonly TrinoStatement[]
}

/** Why a view cannot be computed on Trino: a sentence for each part of it. */
export interface RefusedView {
  readonly refused: readonly string[]
}

interface Measure {
  readonly name: string
  readonly x: Part | null
  readonly y: Part | null
  readonly where: string | null
  readonly made: TrinoMeasure
}

/** An expression: Trino's SQL, and the stored type. */
interface Part {
  readonly sql: string
  readonly type: string
}

/**
 * @param dialect DuckDB's, which reads the expressions and types them
 * @throws RangeError for a dataset without its definition
 */
export async function trinoView(
  dataset: CompiledDataset,
  view: CompiledView,
  dialect: SqlDialect,
): Promise<TrinoView | RefusedView> {
  const definition = dataset.definition?.views[view.name]
  if (definition === undefined) throw new RangeError(`view '${view.name}' has no definition that could be translated`)
  const translation = new Translation(dataset, dialect)
  const lists: (readonly [string, string])[] = []
  for (const [name, list] of Object.entries(definition.unnest ?? {})) {
    const sql = await translation.list(name, list)
    if (sql !== null) lists.push([name, sql])
  }
  translation.show(lists.map(([name]) => name))
  const where = definition.where === undefined ? null : await translation.part('where', definition.where)
  const dimensions: (Part & { readonly name: string })[] = []
  for (const { name, type } of view.dimensions) {
    const part = await translation.part(`dimension '${name}'`, definition.dimensions[name]!, type)
    if (part !== null) dimensions.push({ name, ...part })
  }
  const measures: Measure[] = []
  for (const [name, measure] of Object.entries(definition.measures)) {
    const made = await translation.measure(name, measure, lists.length > 0)
    if (made !== null) measures.push(made)
  }
  if (translation.refused.length > 0) return { refused: translation.refused }
  const parts = { dataset, view, definition, lists, where: where?.sql ?? null, dimensions, measures }
  return { view, statements: statementsOf(parts) }
}

class Translation {
  readonly refused: string[] = []
  readonly #dialect: SqlDialect
  readonly #known: Map<string, string>
  readonly #elements = new Map<string, string>()

  constructor(dataset: CompiledDataset, dialect: SqlDialect) {
    this.#dialect = dialect
    this.#known = new Map(dataset.columns.map(({ name, type }) => [name, type]))
  }

  /** From now on, elements of lists can be used under their names. */
  show(names: readonly string[]): void {
    for (const name of names) this.#known.set(name, this.#elements.get(name)!)
  }

  async list(name: string, text: string): Promise<string | null> {
    const found = await trinoExpression(this.#dialect, text, this.#known, { anyOrder: true })
    if ('refused' in found) return this.#refuse(`unnest '${name}'`, found.refused)
    this.#elements.set(name, found.type.slice(0, -2))
    return found.sql
  }

  /** @param stored its type in the view's states, if it is known */
  async part(place: string, text: string, stored?: string): Promise<Part | null> {
    const found = await trinoExpression(this.#dialect, text, this.#known)
    if ('refused' in found) return this.#refuse(place, found.refused)
    const value = storedValue('x', found.type)
    // What a view cannot store, for example a TIMESTAMP with a zone, the definition's check has refused.
    const type = stored ?? (typeof value === 'string' ? found.type : value.type)
    const why = whyNoType(type)
    return why === null ? { sql: found.sql, type } : this.#refuse(place, why)
  }

  async measure(name: string, definition: MeasureDefinition, unnested: boolean): Promise<Measure | null> {
    const place = `measure '${name}'`
    const before = this.refused.length
    const part = async (text: string | undefined): Promise<Part | null> =>
      text === undefined ? null : this.part(place, text)
    const isCountWhere = definition.kind === 'count' && definition.where !== undefined
    const x = isCountWhere ? { sql: '1', type: 'INTEGER' } : await part(definition.expression)
    const y = await part(definition.denominator ?? definition.second)
    const where = await part(definition.where)
    if (this.refused.length > before) return null
    const made = trinoMeasure({
      ...{ definition, unnested, type: x?.type ?? '', second: y?.type ?? '' },
      x: quoteName(`${name}#x`),
      y: quoteName(`${name}#y`),
    })
    if ('refused' in made) return this.#refuse(place, made.refused)
    return { name, x, y, where: where?.sql ?? null, made }
  }

  #refuse(place: string, why: string): null {
    this.refused.push(`${place}: ${why}`)
    return null
  }
}

interface Parts {
  readonly dataset: CompiledDataset
  readonly view: CompiledView
  readonly definition: ViewDefinition
  readonly lists: readonly (readonly [string, string])[]
  readonly where: string | null
  readonly dimensions: readonly (Part & { readonly name: string })[]
  readonly measures: readonly Measure[]
}

function statementsOf(parts: Parts): TrinoStatement[] {
  const lists = parts.measures.filter(({ made }) => made.list !== null)
  return [scalarStatement(parts), ...lists.map((measure) => listStatement(parts, measure))]
}

/** One row per key: all scalar states. */
function scalarStatement(parts: Parts): TrinoStatement {
  const { view, measures } = parts
  const keys = keyNames(view).map(quoteName)
  const aggregates = measures.map(({ name, made }) =>
    made.aggregates.map((sql, at) => [quoteName(`${name}#${at}`), sql] as const),
  )
  const sent = measures.map(({ made }, at) => made.sent(aggregates[at]!.map(([name]) => name)))
  const columns = columnsOf([...keysOf(view), ...sent.flat()])
  return {
    columns: columns.map(({ name, type }) => ({ name, type: receivedType(type) })),
    sql: (rows) => {
      const grouped = `SELECT ${[...keys, ...aggregates.flat().map(([name, sql]) => `${sql} AS ${name}`)].join(', ') || '1'} FROM (${preparedSql(parts, rows)}) ${groupBy(keys)}`
      return `SELECT ${sentItems(columns, [...keys, ...sent.flat().map(({ sql }) => sql)])} FROM (${grouped})`
    },
    statesSql: (received) => {
      const values = columns.map(({ name, type }) => receivedSql(name, type))
      const own = inTurn(
        values.slice(keys.length),
        sent.map(({ length }) => length),
      )
      const scalars = measures.flatMap(({ name, made }, at) =>
        made.states(own[at]!).map((sql, place): [string, string] => [stateNames(view, name)[place]!, sql]),
      )
      return stateRowsSql(view, values, new Map(scalars), received)
    },
  }
}

/** One row per key and element: a list state. */
function listStatement(parts: Parts, { name, made }: Measure): TrinoStatement {
  const { view } = parts
  const list = made.list!
  const keys = keyNames(view).map(quoteName)
  const elements = list.sent.map((_, at) => `_e${at}`)
  const counted = list.kind === 'counted' ? [{ sql: '_n', type: 'BIGINT' }] : []
  const columns = columnsOf([...keysOf(view), ...list.sent, ...counted])
  return {
    columns: columns.map(({ name: column, type }) => ({ name: column, type: receivedType(type) })),
    sql: (rows) => {
      const items = [...keys, ...list.sent.map(({ sql }, at) => `${sql} AS ${elements[at]}`)]
      const exploded = `SELECT ${items.join(', ')} FROM (${preparedSql(parts, rows)}) WHERE ${quoteName(`${name}#x`)} IS NOT NULL`
      const all = [...keys, ...elements].join(', ')
      const grouped =
        list.kind === 'counted'
          ? `SELECT ${all}, count(*) AS _n FROM (${exploded}) GROUP BY ${all}`
          : `SELECT DISTINCT ${all} FROM (${exploded})`
      const kept = list.keep === null ? grouped : smallestSql(grouped, keys, elements[0]!, list.keep)
      return `SELECT ${sentItems(columns, [...keys, ...elements, ...counted.map(({ sql }) => sql)])} FROM (${kept})`
    },
    statesSql: (received) => {
      const values = columns.map(({ name: column, type }) => receivedSql(column, type))
      const element = list.element(values.slice(keys.length, keys.length + elements.length))
      const item = list.kind === 'counted' ? `struct_pack(b := ${element}, n := ${values.at(-1)})` : element
      // One row per key: merging those of single elements, with all their other states, costs ten times as much.
      const rows = stateRowsSql(view, values, new Map([[stateNames(view, name).at(-1)!, `list(${item})`]]), received)
      return `${rows} ${groupBy(keys.map((_, at) => String(at + 1)))}`
    },
  }
}

function smallestSql(rows: string, keys: readonly string[], element: string, keep: number): string {
  const by = keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')} `
  return `SELECT * FROM (SELECT *, row_number() OVER (${by}ORDER BY ${element}) AS _place FROM (${rows})) WHERE _place <= ${keep}`
}

/** Every state column of the view, NULL where the rows say nothing of it. */
function stateRowsSql(
  view: CompiledView,
  values: readonly string[],
  states: ReadonlyMap<string, string>,
  received: string,
): string {
  const keys = keyNames(view)
  const items = view.stateColumns.map(({ name, type }, at) => {
    const sql = at < keys.length ? values[at]! : (states.get(name) ?? 'NULL')
    return `(${sql})::${type} AS ${quoteName(name)}`
  })
  return `SELECT ${items.join(', ')} FROM ${received}`
}

/** Typed rows with the view's keys and the measures' values, as they are stored. */
function preparedSql({ dataset, view, lists, where, dimensions, measures }: Parts, rows: string): string {
  let source = `(SELECT * FROM ${rows})`
  for (const [name, list] of lists)
    source = `(SELECT _rows.*, _list.${quoteName(name)} FROM ${source} AS _rows CROSS JOIN UNNEST(${list}) AS _list (${quoteName(name)}))`
  if (where !== null) source = `(SELECT * FROM ${source} WHERE ${where})`
  const values = measures.flatMap(({ name, x, y, where: only }) =>
    (
      [
        ['x', x],
        ['y', y],
      ] as const
    ).flatMap(([axis, part]) =>
      part === null
        ? []
        : [
            {
              name: `${name}#${axis}`,
              type: part.type,
              sql: only === null ? part.sql : `CASE WHEN ${only} THEN ${part.sql} END`,
            },
          ],
    ),
  )
  const named = [...dimensions.map(({ name, type, sql }) => ({ name, type, sql })), ...values]
  const raw = named.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`)
  const usesOrder = measures.some(({ made }) => made.aggregates.some((sql) => sql.includes('_order')))
  const system = ['_time AS _at', ...(usesOrder ? [`${orderSql(dataset.timeColumn)} AS _order`] : [])]
  const stored = named.map(({ name, type }) => `${storedSql(quoteName(name), type)} AS ${quoteName(name)}`)
  const items = [...paneItems(view), ...stored, ...(usesOrder ? ['_order'] : [])]
  const prepared = `SELECT ${items.join(', ') || '1 AS _one'} FROM (SELECT ${[...system, ...raw].join(', ')} FROM ${source})`
  return withSteps(measures, prepared)
}

/** Prepared rows with the columns that measures add step by step. */
function withSteps(measures: readonly Measure[], prepared: string): string {
  const steps = measures.map(({ made }) => made.steps ?? [])
  const depth = Math.max(0, ...steps.map(({ length }) => length))
  return Array.from({ length: depth }).reduce((inner: string, _, at) => {
    const columns = steps.flatMap((own) => own[at] ?? []).map(({ name, sql }) => `${sql} AS ${name}`)
    return `SELECT *, ${columns.join(', ')} FROM (${inner})`
  }, prepared)
}

function paneItems({ time }: CompiledView): string[] {
  if (time.kind === 'all-time') return []
  const { paneMs } = time
  return [`_at - ((_at % ${paneMs}) + ${paneMs}) % ${paneMs} AS "pane"`]
}

function groupBy(keys: readonly string[]): string {
  return keys.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${keys.join(', ')}`
}

function keysOf(view: CompiledView): readonly Omit<Sent, 'sql'>[] {
  const types = view.dimensions.map(({ type }) => ({ type }))
  return view.time.kind === 'panes' ? [{ type: 'BIGINT' }, ...types] : types
}

function columnsOf(sent: readonly Omit<Sent, 'sql'>[]): SqlColumn[] {
  return sent.map(({ type }, at) => ({ name: `c${at}`, type }))
}

/** A row says at least that it is there. */
function sentItems(columns: readonly SqlColumn[], values: readonly string[]): string {
  const items = columns.map(({ name, type }, at) => `${sentSql(values[at]!, type)} AS ${name}`)
  return items.join(', ') || '1 AS _one'
}

function stateNames(view: CompiledView, measure: string): string[] {
  return view.measures.find(({ name }) => name === measure)!.state.map(({ name }) => name)
}
