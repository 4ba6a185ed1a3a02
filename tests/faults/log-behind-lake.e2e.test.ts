/** The log is put back to an older copy under a lake that has counted more: refused until doctor lifts it, and nothing acknowledged is lost. */
import { cp, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../until.ts'
import { byTopic, DATASET, linesOf, notes, notesDefinition } from './notes.ts'
import { RunningPlatform, watershed } from './watershed.ts'

const BY_TOPIC = `/v1/datasets/${DATASET}/views/by_topic`
const STORAGE = 74
const SELDOM = { WATERSHED_BATCH_INCREMENTAL_CRON: '0 0 1 1 *' }
/** of 2 partitions */
const EACH = 50

let folder: string
let data: string
let definition: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-behind-'))
  data = join(folder, 'data')
  definition = join(folder, 'notes.ts')
  await writeFile(definition, notesDefinition('watershed'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const command = (...words: string[]) => watershed([...words, '--dataset', definition], data)
const start = () => RunningPlatform.start(data, ['--dataset', definition], SELDOM)

async function logFile(): Promise<string> {
  const paths = await readdir(data, { recursive: true })
  return join(data, paths.find((path) => /log.*\.sqlite$/.test(path))!)
}

/** Posts notes and waits until all of them are in closed segments. */
async function closed(platform: RunningPlatform, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += EACH)
    expect((await platform.post(DATASET, linesOf(notes(at, Math.min(to, at + EACH))))).status).toBe(202)
  await until('all segments are closed', async () => {
    const { meta } = await platform.answer(BY_TOPIC)
    return meta.rows.open === 0 && meta.rows.batch + meta.rows.closed === to
  })
}

/** A lake that counts the notes before 600, and the log as it was after 200. */
async function restored(): Promise<void> {
  const first = await start()
  await closed(first, 0, 200)
  expect(await first.stop()).toBe(0)
  const log = await logFile()
  await cp(log, join(folder, 'older.sqlite'))
  const second = await start()
  await closed(second, 200, 600)
  expect(await second.stop()).toBe(0)
  for (const suffix of ['-wal', '-shm', '']) await rm(`${log}${suffix}`, { force: true })
  await rename(join(folder, 'older.sqlite'), log)
}

test('a platform on it takes no events and gives no answers until doctor has lifted the refusal, and then loses none', async () => {
  await restored()
  const platform = await start()
  try {
    const ready = await until('it is not ready, and says why', async () => {
      const reply = await platform.get('/readyz')
      return reply.status === 503 && /refused.*the lake ends at offset/.test(reply.body) ? reply : null
    })
    expect(ready.body).toMatch(/doctor --repair --accept-log-loss/)
    const posted = await platform.post(DATASET, linesOf(notes(600, 700)))
    expect([posted.status, posted.body]).toEqual([503, expect.stringMatching(/the lake ends at offset.*doctor/)])
    await until('queries are refused', async () => (await platform.get(BY_TOPIC)).status === 503)
    const ingested = join(folder, 'more.ndjson')
    await writeFile(ingested, linesOf(notes(600, 700)).join('\n'))
    const ingest = await command('ingest', DATASET, ingested)
    expect([ingest.code, ingest.stderr]).toEqual([STORAGE, expect.stringMatching(/the lake ends at offset/)])
    const batch = await command('batch', 'run', '--full')
    expect([batch.code, batch.stderr]).toEqual([STORAGE, expect.stringMatching(/the lake ends at offset/)])
  } finally {
    expect(await platform.stop()).toBe(0)
  }
  const found = await command('doctor')
  expect(found.code).toBe(1)
  expect(found.stdout).toMatch(/the log was cut, re-created or replaced.*lost with the log are records from offset/)
  expect((await command('doctor', '--repair')).code).toBe(1)
  const repaired = await command('doctor', '--repair', '--accept-log-loss')
  expect(repaired.stderr).toMatch(
    /repaired: partition 0: the log goes on at offset \d+, where the lake ends; 0 records/,
  )
  const again = await start()
  try {
    await closed(again, 600, 900)
    expect((await again.answer(BY_TOPIC)).data).toEqual(byTopic(notes(0, 900)))
  } finally {
    expect(await again.stop()).toBe(0)
  }
  const verified = await command('verify')
  expect(verified.code, verified.stdout).toBe(0)
  expect((await command('doctor', '--deep')).code).toBe(0)
})
