/** The Delta tables of a lake in a folder as Spark reads them: the events that were sent, the rows of REST, earlier versions, and a stream. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { provisionSpark, whyNoSpark } from '#tests/servers/spark-provision.ts'
import {
  conditions,
  EXTREMES,
  extremes,
  openTableLake,
  sorted,
  type TableLake,
  type TextRow,
  textOf,
} from './table-lake.ts'

const script = join(import.meta.dirname, 'read_with_spark.py')
/** of files only, after a compaction and with a checkpoint */
const VERSIONS = [2, 13, 20]
const SPARK_MS_MAX = 280_000

type Row = Readonly<Record<string, unknown>>

interface Read {
  readonly rows: Readonly<Record<'events' | 'sales' | 'by_product', readonly Row[]>>
  readonly counts: readonly Row[]
  readonly extremes: readonly Row[]
  readonly versions: readonly Row[]
  readonly history: readonly Readonly<Record<string, string | number>>[]
  readonly properties: Readonly<Record<string, string>>
  readonly streamed: readonly Row[]
}

describe.skipIf(whyNoSpark() !== null)('tables that Spark reads', () => {
  let lake: TableLake
  let asked: ReturnType<typeof conditions>
  let read: Read

  beforeAll(async () => {
    const { python, env } = await provisionSpark()
    lake = await openTableLake()
    asked = conditions(lake.events, (text) => `TIMESTAMP_NTZ '${text}'`)
    const table = (name: string): string => lake.platform.lake.tables().nameOf(name)
    const work = {
      tables: { events: table(''), sales: table('tables/sales'), by_product: table('tables/by_product') },
      conditions: asked.map(([condition]) => condition),
      extremes: EXTREMES,
      versions: VERSIONS,
    }
    const options = { env: { ...process.env, ...env }, timeout: SPARK_MS_MAX, maxBuffer: 64 * 1024 * 1024 }
    const reading = promisify(execFile)(python, [script], options)
    reading.child.stdin!.end(JSON.stringify(work))
    read = JSON.parse((await reading).stdout) as Read
  }, 400_000)
  afterAll(() => lake?.close())

  const textRows = (rows: readonly Row[]): TextRow[] =>
    rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])))

  test('the events are those that were sent, with every digit', () => {
    expect(sorted(textRows(read.rows.events).map(({ _arrival, ...row }) => row))).toEqual(sorted(lake.events))
  })

  test('the tables of views are the answers of REST', async () => {
    const sales = textRows(read.rows.sales).map(({ pane, people__estimated, ...row }) => ({ time: pane!, ...row }))
    expect(sorted(sales)).toEqual(sorted(await lake.answer('sales', 'grain=hour')))
    expect(sorted(textRows(read.rows.by_product))).toEqual(sorted(await lake.answer('by_product')))
  })

  test('no row is lost by bounds in the log', () => {
    const counts = new Map(read.counts.map(({ i, n }) => [Number(i), Number(n)]))
    expect(asked.map(([condition], index) => [condition, counts.get(index)])).toEqual(asked)
    expect(read.extremes).toEqual([extremes(lake.events)])
  })

  test('earlier versions have the events up to their boundary, which the history and the properties say', () => {
    const ends = (rows: readonly Row[], version: number): unknown[] =>
      rows
        .filter((row) => row.version === String(version))
        .toSorted((a, b) => Number(a._partition) - Number(b._partition))
        .map(({ n, different, last }) => [Number(n), Number(different), Number(last) + 1])
    for (const version of VERSIONS)
      expect(ends(read.versions, version)).toEqual(lake.versions[version]!.boundary.map((end) => [end, end, end]))
    const history = read.history.map((row) => [row.version, row['watershed.generation'], row['watershed.boundary']])
    expect(history.toReversed()).toEqual(
      lake.versions.map(({ generation, boundary }, version) => [version, generation, JSON.stringify(boundary)]),
    )
    expect(read.properties).toMatchObject({ 'watershed.boundary': JSON.stringify(lake.versions.at(-1)!.boundary) })
  })

  test('a stream has each event once, whatever was compacted since', () => {
    const places = (rows: readonly Row[]): string[] =>
      rows.map(({ _partition, _offset }) => `${_partition}:${_offset}`).toSorted()
    expect(places(read.streamed)).toEqual(places(lake.events))
  })
})
