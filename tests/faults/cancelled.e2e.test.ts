/** Queries whose clients hang up stop, whether they run or wait for their turn, and delay nobody. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { RunningPlatform, watershed } from './watershed.ts'

const KEYS = 60_000
const SLOW = 20

const folder = mkdtempSync(join(tmpdir(), 'watershed-cancelled-'))
let platform: RunningPlatform | null = null
afterAll(async () => {
  await platform?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const definition = join(folder, 'hits.ts')
writeFileSync(
  definition,
  `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: 'hits', time: 'at', key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  },
  views: {
    // Evaluated for every key: far longer than a query may take.
    slow: { dimensions: { id: 'id' }, measures: { n: count() }, rank: { by: 'n', limit: 10, having: "NOT regexp_matches(repeat('ab', 20000 + n), '(a|b)*c')" } },
    total: { dimensions: {}, measures: { n: count() } },
  },
})
`,
)

test('20 slow queries whose clients hang up stop, and the next query is answered', async () => {
  const file = join(folder, 'hits.ndjson')
  writeFileSync(file, Array.from({ length: KEYS }, (_, id) => JSON.stringify({ id, at: id })).join('\n'))
  const data = join(folder, 'data')
  const dataset = ['--dataset', definition]
  expect((await watershed(['ingest', 'hits', file, ...dataset], data)).code).toBe(0)
  expect((await watershed(['batch', 'run', ...dataset], data)).code).toBe(0)
  platform = await RunningPlatform.start(data, dataset)

  const slow = '/v1/datasets/hits/views/slow'
  const alone = await platform.get(`${slow}?limit=100`)
  expect(JSON.parse(alone.body)).toMatchObject({ type: 'urn:watershed:problem:query-timeout' })

  const clients = Array.from({ length: SLOW }, () => new AbortController())
  const asked = clients.map(({ signal }, n) => platform!.get(`${slow}?limit=${n + 1}`, { signal }))
  const ends = Promise.allSettled(asked)
  expect((await platform.get('/livez')).status).toBe(200)
  for (const client of clients) client.abort()
  expect((await ends).map(({ status }) => status)).toEqual(clients.map(() => 'rejected'))

  // While one of them ran or waited, this one would wait for longer than its limit.
  expect((await platform.answer('/v1/datasets/hits/views/total')).data).toEqual([{ n: KEYS }])
  const { body } = await platform.get('/metrics')
  expect(body).toContain('watershed_answers_total{dataset="hits",source="computed"} 1\n')
}, 120_000)
