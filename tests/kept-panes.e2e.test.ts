/** A user keeps minutes for three days only: the command line and HTTP answer hours before that, say what is gone, and count late events. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { type Answer, type Ran, RunningPlatform, watershed } from './faults/watershed.ts'

const [HOUR, DAY] = [3_600_000, 86_400_000]
const FIRST = Date.UTC(2026, 0, 1)
const DAYS = 10
/** of a day, one every ten minutes */
const VISITS = 144
const SETTINGS = ['--set', 'partitions=1', '--set', `segmentRecordsMax=${VISITS}`]
/** the newest arrival, three days before */
const HORIZON = FIRST + (DAYS - 3) * DAY

let folder: string
let data: string
let definition: string

const textOf = (minutes: string): string => `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: 'visits', time: 'at', key: 'id', keep: { panes: { minute: '${minutes}' } },
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
  },
  views: { by_page: { dimensions: { page: 'page' }, time: ['minute', 'hour', 'day'], measures: { visits: count() } } },
})
`
const lineOf = (id: number, at: number): string => JSON.stringify({ id, at, page: `/p${id % 3}` })

const run = (...words: string[]): Promise<Ran> => watershed([...words, '--dataset', definition, ...SETTINGS], data)
async function asked(...words: string[]): Promise<Answer & { readonly said: string }> {
  const { code, stdout, stderr } = await run('query', 'visits', 'by_page', '--limit', '10000', '--json', ...words)
  expect(code, stderr).toBe(0)
  return { ...(JSON.parse(stdout) as Answer), said: stderr }
}
const visits = ({ data: rows }: Answer): number => rows.reduce((sum, row) => sum + Number(row.visits), 0)
const iso = (ms: number): string => new Date(ms).toISOString()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-panes-'))
  data = join(folder, 'data')
  definition = join(folder, 'visits.ts')
  await writeFile(definition, textOf('3d'))
  await writeFile(join(folder, 'none.ndjson'), '')
  expect((await run('ingest', 'visits', join(folder, 'none.ndjson'))).code).toBe(0)
  // Each day's events arrived at its end.
  let nowMs = FIRST
  const file = join(data, 'log', 'visits.sqlite')
  const log = await SqliteLog.open({ file, dataset: 'visits', partitions: 1, clock: () => nowMs })
  for (let day = 0; day < DAYS; day++) {
    nowMs = FIRST + (day + 1) * DAY
    const lines = Array.from(
      { length: VISITS },
      (_, at) => `${lineOf(day * VISITS + at, FIRST + day * DAY + at * 600_000)}\n`,
    )
    await log.append([{ partition: 0, lines: Buffer.from(lines.join('')), count: VISITS }])
  }
  await log.close()
  expect((await run('batch', 'run')).code).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('before the horizon hours are answered, minutes are not, and each answer says so', async () => {
  const minutes = await asked('--grain', 'minute')
  expect(visits(minutes)).toBe(3 * VISITS)
  const removed = { before: iso(HORIZON), grain: 'hour', from: iso(HORIZON), to: null }
  const policy = {
    view: 'by_page',
    panes: 'minute',
    kept: '3d',
    become: 'hour',
    before: iso(HORIZON),
    nextBefore: iso(HORIZON),
  }
  expect(JSON.parse((await run('retention', '--json')).stdout).panes).toMatchObject([
    { ...policy, movesAt: iso(HORIZON + 3 * DAY + HOUR) },
  ])
  expect(minutes.meta).toMatchObject({ exact: false, removed })
  const shown = await run('query', 'visits', 'by_page', '--grain', 'minute', '--limit', '1')
  expect(shown.stderr).toContain(
    `panes of the view that begin before ${iso(HORIZON)} were merged into panes of one hour`,
  )
  expect(shown.stderr).toContain('before that, --grain hour or a longer one is answered')
  const server = await RunningPlatform.serve(data, ['--dataset', definition, ...SETTINGS], {})
  try {
    const path = '/v1/datasets/visits/views/by_page?limit=10000&grain='
    const answer = await server.answer(`${path}minute&explain=true`)
    expect([visits(answer), answer.meta.removed]).toEqual([3 * VISITS, minutes.meta.removed])
    expect(JSON.stringify(answer)).toContain('ask for grain=hour or a longer one')
    const csv = await server.get(`${path.replace('?', '.csv?')}minute`)
    expect(csv.body.trim().split('\n')).toHaveLength(1 + 3 * VISITS)
    for (const grain of ['hour', 'day']) {
      const whole = await server.answer(`${path}${grain}`)
      expect([visits(whole), whole.meta.removed, whole.meta.exact]).toEqual([DAYS * VISITS, null, true])
    }
  } finally {
    await server.stop()
  }
})

test('late events are counted in merged panes, verify agrees, and a longer policy brings minutes back with a full run', async () => {
  const file = join(folder, 'late.ndjson')
  await writeFile(file, `${lineOf(9_000, FIRST + 5 * HOUR)}\n${lineOf(9_001, FIRST + 5 * HOUR + 60_000)}\n`)
  expect((await run('ingest', 'visits', file)).code).toBe(0)
  const hour = ['--from', iso(FIRST + 5 * HOUR), '--to', iso(FIRST + 6 * HOUR)]
  expect(visits(await asked(...hour))).toBe(8)
  expect((await run('batch', 'run')).code).toBe(0)
  expect(visits(await asked(...hour))).toBe(8)
  const verified = await run('verify')
  expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining('visits: equal')])
  await writeFile(definition, textOf('365d'))
  expect((await run('batch', 'run', '--full')).code).toBe(0)
  const minutes = await asked('--grain', 'minute')
  expect([visits(minutes), minutes.meta.removed]).toEqual([DAYS * VISITS + 2, null])
})
