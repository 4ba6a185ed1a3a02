/** Commands without a running `start`: they count what is in the log, or say with an exit code of their own that they could not. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { until } from '../until.ts'
import { byTopic, DATASET, linesOf, notes, notesDefinition } from './notes.ts'
import { type Answer, type Ran, RunningPlatform, watershed } from './watershed.ts'

const BEHIND = 3
const STORAGE = 74

let folder: string
let data: string
let definition: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-no-start-'))
  data = join(folder, 'data')
  definition = join(folder, 'notes.ts')
  await writeFile(definition, notesDefinition('watershed'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const command = (words: readonly string[]): Promise<Ran> => watershed([...words, '--dataset', definition], data)
const query = (...words: string[]): Promise<Ran> => command(['query', DATASET, 'by_topic', '--json', ...words])
const answerOf = ({ stdout }: Ran): Answer => JSON.parse(stdout) as Answer
const rowsOf = ({ stdout }: Ran): number[] => (JSON.parse(stdout) as { rows: number }[]).map(({ rows }) => rows)

async function ingest(from: number, to: number): Promise<void> {
  const file = join(folder, `${from}.ndjson`)
  await writeFile(file, linesOf(notes(from, to)).join('\n'))
  expect((await command(['ingest', DATASET, file])).code).toBe(0)
}

async function streamLockIsHeld(): Promise<boolean> {
  const lock = await (await LocalLake.open({ folder: join(data, 'lake'), dataset: DATASET })).tryLock('stream')
  await lock?.release()
  return lock === null
}

test('query counts what was ingested, and says so', async () => {
  await ingest(0, 40)
  const first = await query()
  expect(first.code, first.stderr).toBe(0)
  expect(first.stderr).toBe(
    'notes: no stream role is running; folding 40 events of the log\nthe answer includes every event of the log\n',
  )
  expect(answerOf(first)).toMatchObject({ data: byTopic(notes(0, 40)), meta: { behind: 0, gapFree: true } })
  const again = await query()
  expect(again.stderr).toBe('the answer includes every event of the log\n')
  expect(answerOf(again).data).toEqual(byTopic(notes(0, 40)))
  await ingest(40, 60)
  expect(answerOf(await query())).toMatchObject({ data: byTopic(notes(0, 60)), meta: { behind: 0 } })
  expect((await command(['verify'])).code).toBe(0)
})

test('batch run and backfill publish what was ingested', async () => {
  await ingest(0, 40)
  const first = await command(['batch', 'run', '--json'])
  expect([first.code, rowsOf(first)]).toEqual([0, [40]])
  await ingest(40, 60)
  expect((await query()).code).toBe(0)
  // What the query folded is in an open segment.
  const second = await command(['batch', 'run', '--json'])
  expect([second.code, rowsOf(second)]).toEqual([0, [60]])
  await ingest(60, 65)
  await writeFile(definition, notesDefinition('watershed', "where: 'words > 20',"))
  const third = await command(['backfill', DATASET, '--json'])
  expect([third.code, rowsOf(third)]).toEqual([0, [65]])
  expect(answerOf(await query()).data).toEqual(byTopic(notes(0, 65).filter(({ words }) => words > 20)))
  expect((await command(['verify'])).code).toBe(0)
})

test('a query that must not fold ends with an exit code of its own when it lacks events', async () => {
  await ingest(0, 40)
  const asked = await query('--no-catch-up')
  expect([asked.code, asked.stderr]).toEqual([
    BEHIND,
    '40 events of the log are not included yet: no stream role is running\n',
  ])
  expect(answerOf(asked)).toMatchObject({ data: [], meta: { behind: 40 } })
  expect((await query()).code).toBe(0)
  expect((await query('--no-catch-up')).code).toBe(0)
})

test('what keeps events from being folded is said, with the same exit code', async () => {
  await ingest(0, 40)
  const asked = await query('--no-catch-up')
  expect(asked.code).toBe(BEHIND)
  await writeFile(join(data, 'lake', DATASET, 'stream.lock.sqlite'), 'overwritten by another program')
  const failed = await query()
  expect(failed.code).toBe(BEHIND)
  expect(failed.stderr).toMatch(/^40 events of the log are not included yet: .*stream\.lock\.sqlite' was overwritten/)
  expect(answerOf(failed)).toMatchObject({ data: [], meta: { behind: 40 } })
  const run = await command(['batch', 'run', '--json'])
  expect([run.code, rowsOf(run)]).toEqual([BEHIND, [0]])
  expect(run.stderr).toMatch(/^notes: the generation does not include every event of the log: .*stream\.lock\.sqlite'/m)
})

test('without its speed store a query counts what is closed, says what is missing, and fails where that is required', async () => {
  await ingest(0, 40)
  expect((await command(['batch', 'run'])).code).toBe(0)
  await ingest(40, 60)
  expect((await query()).code).toBe(0)
  const file = join(data, 'speed', `${DATASET}.sqlite`)
  for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true })
  await mkdir(file)
  const missing = expect.stringContaining('the speed store cannot be read: ')
  const asked = await query()
  expect(asked.code).toBe(BEHIND)
  expect(asked.stderr).toMatch(
    /^20 events of the log are not included yet: the speed store cannot be read: .*notes\.sqlite/m,
  )
  expect(answerOf(asked)).toMatchObject({ data: byTopic(notes(0, 40)), meta: { behind: 20, liveMissing: missing } })
  const required = await query('--require-live')
  expect([required.code, required.stdout]).toEqual([STORAGE, ''])
  expect(required.stderr).toMatch(/the speed store cannot be read: .*; retry, or ask without requiring the live part/)
  await rm(file, { recursive: true })
  const whole = await query('--require-live')
  expect(whole.code, whole.stderr).toBe(0)
  expect(answerOf(whole)).toMatchObject({ data: byTopic(notes(0, 60)), meta: { behind: 0, liveMissing: null } })
})

test('beside a running stream role, nothing is folded twice, and it is said what is not counted yet', async () => {
  const seldom = {
    WATERSHED_FLUSH_EVERY_MS: '3600000',
    WATERSHED_SEGMENT_AGE_MS_MAX: '3600000',
    WATERSHED_BATCH_INCREMENTAL_CRON: '0 0 1 1 *',
    WATERSHED_BATCH_FULL_CRON: '0 0 1 1 *',
  }
  const platform = await RunningPlatform.start(data, ['--dataset', definition], seldom)
  try {
    await until('its stream role holds the lock', streamLockIsHeld)
    await ingest(0, 40)
    const asked = await query()
    expect([asked.code, asked.stderr]).toEqual([
      0,
      '40 events of the log are not included yet: a stream role is folding them, query again\n',
    ])
    expect(answerOf(asked)).toMatchObject({ data: [], meta: { behind: 40 } })
    const run = await command(['batch', 'run', '--json'])
    expect([run.code, rowsOf(run)]).toEqual([0, [0]])
    expect(JSON.parse(run.stdout)).toMatchObject([{ uncounted: 40 }])
    expect(run.stderr).toMatch(
      /^notes: 40 events are not in the generation: the running stream role has them in open segments\. It closes one after [\d.]+ s \(segmentAgeMsMax\) or \d+ events \(segmentRecordsMax\); the next run after that counts them$/m,
    )
    const verified = await command(['verify', '--slices', '2', '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject([{ equal: true, behind: 40 }])
    expect(verified.code).toBe(0)
  } finally {
    expect(await platform.stop()).toBe(0)
  }
  expect(answerOf(await query())).toMatchObject({ data: byTopic(notes(0, 40)), meta: { behind: 0 } })
})
