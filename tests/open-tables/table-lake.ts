/** For tests of readers: a lake with Delta tables of many versions, and what each of them holds in plain code and by REST. */
import { compactSegments } from '#batch-layer/compact.ts'
import {
  avg,
  count,
  countDistinct,
  defineDataset,
  first,
  histogram,
  latest,
  max,
  min,
  quantile,
  sum,
} from '#core/definition.ts'
import { type OwnPlatform, type OwnPlatformOptions, openOwn } from '#tests/generated-definitions/own-platform.ts'
import { until } from '#tests/until.ts'

/** A key of each partition. */
export const SHOPS = ['harbour', 'station'] as const
const PARTITIONS = SHOPS.length
const SEGMENT = 6
/** Segments of each partition in a generation: none is open when it is published, so that REST has the rows of the tables. */
const SEGMENTS = [2, 1] as const
/** one more than a checkpoint is behind */
export const GENERATIONS = 22
const COMPACTED_AFTER = [4, 12]
/** So small that the view by product has several files, of which a run writes only touched ones again. */
const STATE_FILE_BYTES = 1_000
const START_US = 1_700_000_000_000_000n
/** About the first and the last moment that there is, by the number of the event that has it. */
const EXTREMES_US: Readonly<Record<number, bigint>> = { 30: -62_135_596_800_000_000n, 31: 253_402_300_798_000_001n }
const EXTREME_DAYS: Readonly<Record<number, string>> = { 30: '0001-01-01', 31: '9999-12-31' }

export const tablesDefinition = defineDataset({
  name: 'shop',
  time: 'at',
  accept: { from: '0001-01-01', until: '9999-12-31T23:59:59.999Z' },
  key: 'shop',
  tables: 'delta',
  columns: {
    shop: { type: 'VARCHAR', path: '$.shop', required: true },
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'us', required: true },
    paid: { type: 'BOOLEAN', path: '$.paid' },
    pieces: { type: 'INTEGER', path: '$.pieces' },
    price: { type: 'DECIMAL(12,2)', path: '$.price' },
    share: { type: 'DECIMAL(38,9)', path: '$.share' },
    weight: { type: 'DOUBLE', path: '$.weight' },
    day: { type: 'DATE', path: '$.day' },
    seen: { type: 'TIMESTAMP', path: '$.seen', unit: 'us' },
    origin: { type: 'JSON', path: '$.origin' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
    codes: { type: 'BIGINT[]', path: '$.codes' },
  },
  views: {
    sales: {
      dimensions: { shop: 'shop', paid: 'paid' },
      time: ['hour'],
      measures: {
        orders: count(),
        ids: sum('id'),
        turnover: sum('price'),
        mean: avg('weight'),
        people: countDistinct('id'),
        last_seen: max('seen'),
        first_day: min('day'),
        tags: latest('tags'),
      },
    },
    by_product: {
      dimensions: {
        product: 'CAST(id % 400 AS USMALLINT)',
        half: 'CAST(pieces // 2 AS TINYINT)',
        big: 'CAST(id AS UBIGINT)',
        day: 'day',
      },
      measures: {
        orders: count(),
        pieces: sum('pieces'),
        share: max('share'),
        bins: histogram('pieces', [-1, 1]),
        middle: quantile('pieces', 0.5),
        least: min('id'),
        codes: first('codes'),
        origin: latest('origin'),
      },
    },
  },
})

/** Column → value as text, `null` where there is none, lists as JSON of such texts: the same for each reader. */
export type TextRow = Readonly<Record<string, string | null>>

export interface TableVersion {
  /** of each partition, exclusive */
  readonly boundary: readonly number[]
  readonly generation: string
}

export interface TableLake {
  readonly platform: OwnPlatform
  /** of the table of events, from version 0 on */
  readonly versions: readonly TableVersion[]
  /** the events that the last version holds, by code and place */
  readonly events: readonly TextRow[]
  /** the rows of a view by REST at the position of the last version */
  answer(view: string, query?: string): Promise<readonly TextRow[]>
  close(): Promise<void>
}

interface Answer {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly meta: {
    readonly generation: { readonly id: string }
    readonly boundary: readonly number[]
    readonly position: readonly number[]
    readonly rows: { readonly open: number; readonly batch: number; readonly closed: number }
  }
}

/** A value of any reader as a text; fractions without zeros at their end. */
export function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return JSON.stringify(value.map(textOf))
  const text = String(value)
  const isMoment = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d/.test(text)
  if (!isMoment && !/^-?\d+\.\d+$/.test(text)) return text
  return text.replace('T', ' ').replace(/(\.0*|(\.\d*?)0+)?Z?$/, '$2')
}

/** Conditions at the bounds of files, and how many events meet each: a reader leaves files out by bounds in the log. */
export function conditions(
  events: readonly TextRow[],
  momentOf: (text: string) => string,
): readonly (readonly [string, number])[] {
  const countOf = (meets: (event: TextRow) => boolean): number => events.filter(meets).length
  // The last event of a segment has more digits than the bounds in the log. Years have four, so that the order of texts is that of moments.
  const [last, next, first, latest] = [SEGMENT - 1, SEGMENT, 30, 31].map((index) => events[index]!.at!) as [
    string,
    string,
    string,
    string,
  ]
  const offset = Math.max(...events.map(({ _offset }) => Number(_offset)))
  return [
    [`at = ${momentOf(last)}`, countOf(({ at }) => at === last)],
    [`at >= ${momentOf(last)}`, countOf(({ at }) => at! >= last)],
    [`at < ${momentOf(next)}`, countOf(({ at }) => at! < next)],
    [`at <= ${momentOf(first)}`, 1],
    [`at >= ${momentOf(latest)}`, 1],
    ['_partition = 1 AND at IS NOT NULL', countOf(({ _partition }) => _partition === '1')],
    [`_partition = 0 AND _offset BETWEEN ${SEGMENT - 1} AND ${SEGMENT}`, 2],
    [`_offset = ${offset}`, 1],
    ['day IS NULL', countOf(({ day }) => day === null)],
    ['price < 0 AND share > 0', countOf(({ price, share }) => price?.startsWith('-') === true && share !== null)],
  ]
}

/** What readers may answer by bounds in the log alone. */
export function extremes(
  events: readonly TextRow[],
): Readonly<Record<'n' | 'first' | 'last' | 'low' | 'high', string>> {
  const offsets = events.map(({ _offset }) => Number(_offset))
  return {
    n: String(events.length),
    first: String(Math.min(...offsets)),
    last: String(Math.max(...offsets)),
    low: '0',
    high: String(PARTITIONS - 1),
  }
}
export const EXTREMES =
  'count(*) AS n, min(_offset) AS first, max(_offset) AS last, min(_partition) AS low, max(_partition) AS high'

/** The rows in an order that depends on their values alone. */
export function sorted(rows: readonly TextRow[]): readonly string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)))).toSorted()
}

/** An event as it is sent; each of its columns is null now and then, and some values need all digits of their type. */
function eventOf(shop: string, number: number): Readonly<Record<string, unknown>> {
  const every = (n: number, value: unknown): unknown => (number % n === 0 ? null : value)
  return {
    shop,
    id: String(9_007_199_254_740_993n + BigInt(number)),
    at: String(EXTREMES_US[number] ?? START_US + BigInt(number) * 61_000_001n),
    paid: every(3, number % 2 === 0),
    pieces: every(5, (number % 7) - 3),
    price: every(4, `${number % 2 ? '' : '-'}${number}.${10 + (number % 90)}`),
    share: every(6, `${'1234567890'.repeat(2)}${number}.000000${100 + (number % 900)}`),
    weight: every(7, number / 8 - 3),
    day: every(8, EXTREME_DAYS[number] ?? `1969-12-${10 + (number % 22)}`),
    seen: every(9, String(EXTREMES_US[number] ?? -1_000_000 * number + 1)),
    origin: every(5, { city: `é${number}` }),
    tags: every(4, number % 5 === 1 ? [] : [`t${number % 4}`, null, '"']),
    codes: every(5, [number, null, '9223372036854775807']),
  }
}

/** What a reader must find of it. */
function rowOf(
  event: Readonly<Record<string, unknown>>,
  place: { readonly partition: number; readonly offset: number },
): TextRow {
  const moment = (us: unknown): string | null => {
    if (us === null) return null
    const micros = ((BigInt(us as string) % 1_000_000n) + 1_000_000n) % 1_000_000n
    const seconds = new Date(Number((BigInt(us as string) - micros) / 1_000n)).toISOString().slice(0, 19)
    return textOf(`${seconds}.${String(micros).padStart(6, '0')}`)
  }
  const texts = Object.entries(event).map(([name, value]) => [name, textOf(value)])
  return {
    ...Object.fromEntries(texts),
    at: moment(event.at),
    seen: moment(event.seen),
    origin: event.origin === null ? null : JSON.stringify(event.origin),
    _time: String((BigInt(event.at as string) - (((BigInt(event.at as string) % 1_000n) + 1_000n) % 1_000n)) / 1_000n),
    _partition: String(place.partition),
    _offset: String(place.offset),
  }
}

/** Whole numbers that a double cannot hold stay as they are written. Node passes the source; TypeScript does not know it yet. */
function withDigits(_: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? source : value
}

/** Takes events of each partition, publishes, and compacts now and then. */
export async function openTableLake(openLake?: OwnPlatformOptions['openLake']): Promise<TableLake> {
  const platform = await openOwn({ definition: tablesDefinition, segmentRecordsMax: SEGMENT, openLake })
  const ends = SHOPS.map(() => 0)
  const events: TextRow[] = []
  const versions: TableVersion[] = []
  const ask = async (view: string, query: string): Promise<Answer> => {
    const { statusCode, body } = await platform.app.inject(`/v1/datasets/shop/views/${view}?${query}`)
    if (statusCode !== 200) throw new Error(body)
    return JSON.parse(body, withDigits as Parameters<typeof JSON.parse>[1]) as Answer
  }
  try {
    for (let generation = 0; generation < GENERATIONS; generation++) {
      const shops = SHOPS.flatMap((shop, partition) =>
        new Array<readonly [string, number]>(SEGMENTS[partition]! * SEGMENT).fill([shop, partition]),
      )
      const taken = shops.map(([shop, partition]) => {
        const event = eventOf(shop, events.length)
        events.push(rowOf(event, { partition, offset: ends[partition]!++ }))
        return JSON.stringify(event)
      })
      const position = await platform.take(taken)
      if (position !== ends.map((end, partition) => `${partition}:${end}`).join(','))
        throw new Error(`an event was refused: ${position} instead of ${ends}`)
      await until(
        'no segment is open',
        async () => (await ask('sales', `atLeast=${position}&limit=1`)).meta.rows.open === 0,
        { everyMs: 150 },
      )
      await platform.publish(generation % 7 === 0 ? 'full' : 'incremental', { stateFileBytes: STATE_FILE_BYTES })
      versions.push({ boundary: [...ends], generation: `g${String(generation + 1).padStart(6, '0')}` })
      if (COMPACTED_AFTER.includes(generation))
        await compactSegments({ lake: platform.lake, engine: platform.engine, partitions: PARTITIONS })
    }
  } catch (error) {
    await platform.close()
    throw error
  }
  return {
    platform,
    versions,
    events,
    answer: async (view, query = '') => {
      const { data, meta } = await ask(view, `limit=10000&${query}`)
      const { generation, boundary } = versions.at(-1)!
      if (JSON.stringify([meta.position, meta.generation.id]) !== JSON.stringify([boundary, generation]))
        throw new Error(`the answer is not at the position of the last version: ${JSON.stringify(meta)}`)
      return data.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])))
    },
    close: () => platform.close(),
  }
}
