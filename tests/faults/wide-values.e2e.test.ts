/** Values within every limit that together would exhaust the engines: each is refused, or costs only the request that asks for too much. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { type Answer, RunningPlatform, watershed } from './watershed.ts'

const folder = mkdtempSync(join(tmpdir(), 'watershed-wide-'))
const running: RunningPlatform[] = []
afterAll(async () => {
  await Promise.all(running.map((platform) => platform.stop()))
  rmSync(folder, { recursive: true, force: true })
})

const definition = join(folder, 'notes.ts')
writeFileSync(
  definition,
  `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: 'notes', time: 'at', key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    place: { type: 'VARCHAR', path: '$.place' },
    body: { type: 'VARCHAR', path: '$.body' },
  },
  views: {
    by_place: { dimensions: { place: 'place' }, measures: { n: count() } },
    total: { dimensions: {}, measures: { n: count() } },
  },
})
`,
)

const NOTES = '/v1/datasets/notes'
const event = (id: number, more: object): string => JSON.stringify({ id, at: 1_700_000_000_000 + id, ...more })

async function started(data: string, environment: Readonly<Record<string, string>> = {}): Promise<RunningPlatform> {
  const platform = await RunningPlatform.start(data, ['--dataset', definition], environment)
  running.push(platform)
  return platform
}

test('a dimension beyond its limit is refused with field, size and limit; large other values are counted', async () => {
  const platform = await started(join(folder, 'refused'))
  const wide = 'x'.repeat(900_000)
  for (let post = 0; post < 20; post++) {
    const rows = Array.from({ length: 15 }, (_, row) => event(post * 15 + row, { place: `${post}-${row}-${wide}` }))
    const { status, body } = await platform.post('notes', rows)
    expect(status).toBe(400)
    expect(body).toMatch(/place \(\$\.place\): has 9\d{5} bytes, but the limit dimensionBytesMax is 8192/)
  }
  for (let post = 0; post < 5; post++) {
    const rows = Array.from({ length: 15 }, (_, row) => event(post * 15 + row, { place: `${row}`, body: wide }))
    expect((await platform.post('notes', rows)).status).toBe(202)
  }
  const all = await counted(platform, 'by_place?limit=10000')
  expect(all.data).toEqual(Array.from({ length: 15 }, (_, row) => ({ place: `${row}`, n: 5 })).toSorted(byPlace))
  expect((await platform.get('/readyz')).status).toBe(200)
}, 120_000)

test('an answer beyond its limit, and a query beyond the memory of the engine, cost nothing but themselves', async () => {
  const data = join(folder, 'memory')
  const file = join(folder, 'notes.ndjson')
  const places = Array.from({ length: 9_000 }, (_, id) => event(id, { place: randomBytes(4_000).toString('hex') }))
  writeFileSync(file, places.join('\n'))
  const dataset = ['--dataset', definition]
  expect((await watershed(['ingest', 'notes', file, ...dataset], data)).code).toBe(0)
  expect((await watershed(['batch', 'run', ...dataset], data)).code).toBe(0)

  const platform = await started(data)
  const large = await platform.get(`${NOTES}/views/by_place?limit=9000`)
  expect(JSON.parse(large.body)).toMatchObject({
    type: 'urn:watershed:problem:answer-too-large',
    status: 413,
    detail: expect.stringContaining('answerBytesMax = 16777216 bytes'),
  })
  expect((await platform.answer(`${NOTES}/views/by_place?limit=1000`)).data).toHaveLength(1_000)
  await platform.stop()

  const small = await started(data, { WATERSHED_SERVE_MEMORY_MB: '64', WATERSHED_SPILL_MB: '64' })
  const answers = await Promise.all([
    small.get(`${NOTES}/views/by_place?limit=1000`),
    small.answer(`${NOTES}/views/total`),
  ])
  expect(JSON.parse(answers[0].body)).toMatchObject({
    type: 'urn:watershed:problem:out-of-memory',
    status: 503,
    retryable: true,
    detail: expect.stringContaining('serveMemoryMb = 64, spillMb = 64'),
  })
  expect(answers[1].data).toEqual([{ n: 9_000 }])
  expect((await small.post('notes', [event(9_000, { place: 'here' })])).status).toBe(202)
  const total = await counted(small, 'total')
  expect(total.data).toEqual([{ n: 9_001 }])
  await until('every role is ready', async () => (await small.get('/readyz')).status === 200)
}, 120_000)

/** The answer once it counts every event. */
function counted(platform: RunningPlatform, view: string): Promise<Answer> {
  return until('every event is counted', async () => {
    const answer = await platform.answer(`${NOTES}/views/${view}`)
    return answer.meta.behind === 0 && answer
  })
}

function byPlace(a: { place: string }, b: { place: string }): number {
  return a.place < b.place ? -1 : 1
}
