/** For tests of measures: their values over a column, merged from segments as the layers do it, and recounted. */
import { compileDataset } from '../compile-dataset.ts'
import type { CompiledView } from '../compiled.ts'
import { type ColumnType, defineDataset, type MeasureDefinition } from '../definition.ts'
import type { SqlDialect } from '../dialect.ts'

interface Connection extends SqlDialect {
  run(sql: string): Promise<unknown>
  rows<T>(sql: string): Promise<T[]>
}

/** A column's values in the order of their offsets; numbers as doubles, texts as SQL literals. */
export type Values = readonly (string | number | null)[]
export type Presented = Readonly<Record<string, number | string | null>>

export class MeasuredColumn {
  readonly view: CompiledView
  readonly #connection: Connection
  readonly #type: string

  private constructor(view: CompiledView, connection: Connection, type: string) {
    this.view = view
    this.#connection = connection
    this.#type = type
  }

  /** @param measures of the column `v` */
  static async of(
    connection: Connection,
    type: ColumnType,
    measures: Readonly<Record<string, MeasureDefinition<'v'>>>,
  ): Promise<MeasuredColumn> {
    const definition = defineDataset({
      name: 'measured',
      time: 'at',
      key: 'id',
      columns: {
        id: { type: 'BIGINT', path: '$.id', required: true },
        at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
        v: { type, path: '$.v' },
      },
      views: { all: { dimensions: {}, measures } },
    })
    const dataset = await compileDataset(definition, connection)
    return new MeasuredColumn(dataset.views.get('all')!, connection, type)
  }

  /** Each segment's partial is added to what was merged before it. */
  async merged(segments: readonly Values[]): Promise<Presented> {
    const [first, ...later] = segments.map((values) => this.view.partialSql(this.#rows(values)))
    await this.#keep(first!)
    for (const next of later)
      await this.#keep(this.view.mergeSql(`(SELECT * FROM measured UNION ALL SELECT * FROM (${next}))`))
    return (await this.#connection.rows<Presented>(this.view.presentSql('measured', [])))[0]!
  }

  async recounted(values: Values): Promise<Presented> {
    return (await this.#connection.rows<Presented>(this.view.recountSql(this.#rows(values))))[0]!
  }

  async #keep(states: string): Promise<void> {
    await this.#connection.run(`CREATE OR REPLACE TABLE measured AS ${states}`)
  }

  #rows(values: Values): string {
    // With an exponent a literal is a double; without, it is a decimal with less range.
    const literal = (value: Values[number]): string =>
      typeof value === 'number' ? value.toExponential() : (value ?? 'NULL')
    const list = `[${values.map(literal).join(', ')}]::${this.#type}[]`
    return `(SELECT 0::INTEGER AS _partition, o AS _offset, 0::BIGINT AS _time, 0::BIGINT AS _arrival, o AS id, epoch_ms(0) AS at, v
      FROM (SELECT unnest(range(${values.length})) AS o, unnest(${list}) AS v))`
  }
}

/** The values in segments that end before these places. */
export function cut<T>(values: readonly T[], places: readonly number[]): T[][] {
  const ends = [...new Set([...places, values.length])].sort((a, b) => a - b)
  return ends.map((end, index) => values.slice(index === 0 ? 0 : ends[index - 1], end))
}

/** The double as a multiple of the smallest one, 2^-1074. */
export function exactly(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const exponent = Number((bits.getBigUint64(0) >> 52n) & 0x7ffn)
  const fraction = bits.getBigUint64(0) & (2n ** 52n - 1n)
  const magnitude = exponent === 0 ? fraction : (fraction + 2n ** 52n) << BigInt(exponent - 1)
  return value < 0 ? -magnitude : magnitude
}
