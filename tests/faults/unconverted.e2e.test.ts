/** Values that do not convert are counted and shown: to the sender, in the lake, in answers, by doctor and in metrics, and all agree. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { until } from '../until.ts'
import { type Answer, RunningPlatform, watershed } from './watershed.ts'

const DEFINITION = `import { count, defineDataset, sum } from 'watershed'
export default defineDataset({
  name: 'shop',
  time: 'ts',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    ts: { type: 'TIMESTAMP', path: '$.ts', required: true },
    course: { type: 'VARCHAR', path: '$.course.slug' },
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
  },
  views: {
    sales: { dimensions: { course: 'course' }, time: ['hour', 'day'], measures: { n: count(), revenue: sum('price') } },
    visits: { dimensions: {}, measures: { n: count() } },
  },
})
`
const sale = (id: number, rest: object): string => JSON.stringify({ id, ts: '2026-11-26T01:00:00Z', ...rest })
const LINES = [
  sale(1, { course: { slug: 'sql-101' }, price: '1,234.50' }),
  sale(2, { course: { slug: 'sql-101' }, price: '$19.99' }),
  sale(3, { course: 'sql-101', price: '19.99' }),
  sale(4, { course: { slug: 'sql-101' }, price: 19.5 }),
]
const COUNTS = { price: 2, course: 1 }

let folder: string
let definition: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-unconverted-'))
  definition = join(folder, 'shop.ts')
  await writeFile(definition, DEFINITION)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function closedCounts(): Promise<Record<string, number>> {
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'shop' })
  const segments = (await lake.chains(2)).flatMap((chain) => chain.segments)
  const sum: Record<string, number> = {}
  for (const { unconverted = {} } of segments)
    for (const [column, events] of Object.entries(unconverted)) sum[column] = (sum[column] ?? 0) + events
  return sum
}

test('the acknowledgement, segments, answers and metrics count the same failed conversions', async () => {
  const platform = await RunningPlatform.start(folder, ['--dataset', definition])
  try {
    const { status, body } = await platform.post('shop', LINES)
    expect([status, JSON.parse(body)]).toMatchObject([
      202,
      {
        accepted: 4,
        rejected: 0,
        warnings: [
          {
            column: 'price',
            events: 2,
            examples: [
              { index: 0, value: '"1,234.50"' },
              { index: 1, value: '"$19.99"' },
            ],
          },
          { column: 'course', events: 1, examples: [{ index: 2, value: '"sql-101"' }] },
        ],
      },
    ])
    const unconverted = await until('every event is in a closed segment', async () => {
      const { meta } = await platform.answer('/v1/datasets/shop/views/sales')
      return meta.rows.open === 0 && meta.rows.closed + meta.rows.batch === 4 ? meta.unconverted : null
    })
    expect(unconverted).toEqual(COUNTS)
    expect((await platform.answer('/v1/datasets/shop/views/visits')).meta.unconverted).toEqual({})
    const { body: metrics } = await platform.get('/metrics')
    expect(metrics).toContain('watershed_unconverted_values{dataset="shop",column="price"} 2')
    expect(metrics).toContain('watershed_unconverted_values{dataset="shop",column="course"} 1')
    const ordinary = JSON.parse((await platform.post('shop', [sale(5, { price: '7.50' })])).body) as object
    expect(ordinary).not.toHaveProperty('warnings')
  } finally {
    await platform.stop()
  }
  expect(await closedCounts()).toEqual(COUNTS)
})

test('commands report them, before and after a batch run', async () => {
  const command = (...words: string[]) => watershed([...words, '--dataset', definition], folder)
  const file = join(folder, 'shop.ndjson')
  await writeFile(file, LINES.join('\n'))
  const ingested = await command('ingest', 'shop', file)
  expect([ingested.code, ingested.stderr]).toEqual([
    0,
    "shop: 4 events ingested, 0 lines rejected\nvalues that could not be converted, stored as NULL or the column's default: price 2, course 1\n",
  ])
  expect((await command('batch', 'run')).code).toBe(0)
  const { meta } = JSON.parse((await command('query', 'shop', 'sales', '--json')).stdout) as Answer
  expect([meta.rows.batch, meta.unconverted]).toEqual([4, COUNTS])
  const [report] = JSON.parse((await command('doctor', '--json')).stdout) as { findings: object[] }[]
  expect(report!.findings).toContainEqual(expect.objectContaining({ part: 'lake', state: 'note', numbers: COUNTS }))
})
