/**
 * A recount of what a panel asks, from the events as they were sent and the texts of the definition: one plain statement over all rows,
 * without panes, partials, segments or batches.
 */
import { tmpdir } from 'node:os'
import type {
  ColumnDefinition,
  DatasetDefinition,
  GroupingDefinition,
  MeasureDefinition,
  ViewDefinition,
} from '#core/definition-parts.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'

export type Counted = Readonly<Record<string, unknown>>

/** What of a question decides its numbers. */
export interface Question {
  readonly dimensions: readonly string[]
  readonly grain: string | null
  /** dimension → values */
  readonly filter: ReadonlyMap<string, readonly (string | null)[]>
  /** event times, ISO 8601, half open */
  readonly from: string | null
  readonly to: string | null
}

type Counting = Pick<ViewDefinition | GroupingDefinition, 'unnest' | 'dimensions' | 'where' | 'measures' | 'rank'>

export class PlainRecount {
  readonly #engine: DuckDbEngine
  readonly #connection: EngineConnection
  #tables = 0

  static async open(): Promise<PlainRecount> {
    const engine = await DuckDbEngine.open({ folders: [tmpdir()], threads: 1 })
    return new PlainRecount(engine, await engine.connect())
  }

  private constructor(engine: DuckDbEngine, connection: EngineConnection) {
    this.#engine = engine
    this.#connection = connection
  }

  /** @returns a table with the columns of the definition */
  async rows({ columns }: DatasetDefinition, lines: readonly string[]): Promise<string> {
    const table = `events_${++this.#tables}`
    const selected = Object.entries(columns).map(([name, column]) => `${columnSql(column)} AS "${name}"`)
    await this.#connection.rows('CREATE OR REPLACE TABLE lines AS SELECT unnest($lines::JSON::VARCHAR[]) AS line', {
      lines: JSON.stringify(lines),
    })
    await this.#connection.rows(`CREATE TABLE ${table} AS SELECT ${selected.join(', ')} FROM lines`)
    return table
  }

  /** Every group that the view's ranking lets pass, with all measures, in no order. @param timeColumn null: the rows are of a view, and have no time */
  async groups(view: Counting, table: string, timeColumn: string | null, asked: Question): Promise<readonly Counted[]> {
    const passing = view.rank?.having === undefined ? '' : ` WHERE ${view.rank.having}`
    const groups = `SELECT * FROM (${countingSql(view, table, timeColumn, asked)})${passing}`
    const texts = `SELECT to_json(counted)::VARCHAR AS text FROM (${groups}) counted`
    const found = await this.#connection.rows<{ text: string }>(texts)
    return found.map(({ text }) => JSON.parse(text) as Counted)
  }

  /** The rows of a view, of which a grouping makes groups. @returns a table */
  async merged(view: ViewDefinition, table: string, timeColumn: string): Promise<string> {
    const merged = `merged_${++this.#tables}`
    const all = { dimensions: Object.keys(view.dimensions), grain: null, filter: new Map(), from: null, to: null }
    await this.#connection.rows(`CREATE TABLE ${merged} AS ${countingSql(view, table, timeColumn, all)}`)
    return merged
  }

  close(): void {
    this.#connection.close()
    this.#engine.close()
  }
}

function columnSql(column: ColumnDefinition): string {
  if (column.path === undefined) return `(${column.as})::${column.type}`
  const text = `json_extract_string(line, '${column.path}')`
  const value = { ms: `make_timestamp(${text}::BIGINT * 1000)`, iso: `${text}::TIMESTAMPTZ AT TIME ZONE 'UTC'` }
  const read = column.type === 'TIMESTAMP' ? value[(column.unit ?? 'iso') as 'ms' | 'iso'] : `${text}::${column.type}`
  return column.default === undefined ? read : `coalesce(${read}, '${column.default}'::${column.type})`
}

function countingSql(view: Counting, table: string, timeColumn: string | null, asked: Question): string {
  const { dimensions, grain, filter, from, to } = asked
  const unnested = Object.entries(view.unnest ?? {}).map(([name, list], nth) => `unnest(${list}) u${nth}("${name}")`)
  const keys = Object.entries(view.dimensions).map(([name, sql]) => `(${sql}) AS "by ${name}"`)
  const buckets = grain === null ? [] : [`date_trunc('${grain}', "${timeColumn}") AS "by time"`]
  const inner = `SELECT ${['*', ...keys, ...buckets].join(', ')} FROM ${[table, ...unnested].join(', ')}`
  const conditions = [
    ...(view.where === undefined ? [] : [`(${view.where})`]),
    ...[...filter].map(([name, values]) => `(${values.map((value) => isValueSql(name, value)).join(' OR ')})`),
    ...(from === null ? [] : [`"${timeColumn}" >= '${from}'::TIMESTAMPTZ AT TIME ZONE 'UTC'`]),
    ...(to === null ? [] : [`"${timeColumn}" < '${to}'::TIMESTAMPTZ AT TIME ZONE 'UTC'`]),
  ]
  const by = [...(grain === null ? [] : ['time']), ...dimensions].map((name) => `"by ${name}" AS "${name}"`)
  const counted = Object.entries(view.measures).map(
    ([name, measure]) => `${measureSql(measure, timeColumn)} AS "${name}"`,
  )
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  return `SELECT ${[...by, ...counted].join(', ')} FROM (${inner}) ${where} GROUP BY ALL`
}

function isValueSql(name: string, value: string | null): string {
  return value === null ? `"by ${name}" IS NULL` : `"by ${name}"::VARCHAR = '${value}'`
}

function measureSql(measure: MeasureDefinition, timeColumn: string | null): string {
  const { kind, expression = '', denominator = '', where, q = 0, bounds = [] } = measure
  const of = where === undefined ? '' : ` FILTER (WHERE ${where})`
  switch (kind) {
    case 'count':
      return `count(*)${of}`
    case 'countDistinct':
      return `count(DISTINCT ${expression})${of}`
    case 'ratio':
      return `sum(${expression})${of} / nullif(sum(${denominator})${of}, 0)`
    case 'quantile':
      return `quantile_disc(${expression}, ${q})${of}`
    case 'first':
      return `arg_min_null(${expression}, "${timeColumn}")${of}`
    case 'latest':
      return `arg_max_null(${expression}, "${timeColumn}")${of}`
    case 'histogram': {
      const ends = ['-inf', ...bounds, 'inf'].map((bound) => `'${bound}'::DOUBLE`)
      const bin = (nth: number): string =>
        `count(*) FILTER (WHERE ${expression} > ${ends[nth]} AND ${expression} <= ${ends[nth + 1]})`
      return `[${bounds.map((_, nth) => bin(nth)).join(', ')}, ${bin(bounds.length)}]`
    }
    case 'sum':
    case 'min':
    case 'max':
    case 'avg':
      return `${kind}(${expression})${of}`
    default:
      throw new Error(`a recount of '${kind}' is not written yet`)
  }
}
