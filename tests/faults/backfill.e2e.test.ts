/**
 * A user's definition file changes: until its history is recomputed the changed view is answered by its earlier definition, never mixed; then
 * it is the recount.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../until.ts'
import { byTopic, DATASET, linesOf, type Note, notes, notesDefinition } from './notes.ts'
import { type Answer, RunningPlatform, watershed } from './watershed.ts'

const BY_TOPIC = `/v1/datasets/${DATASET}/views/by_topic`
const ALL = `/v1/datasets/${DATASET}/views/all`
const DEFINITION = 65
const BEHIND = 3
/** the batch role stays quiet: the command is tested */
const NO_BATCH = { WATERSHED_BATCH_INCREMENTAL_CRON: '0 0 1 1 *', WATERSHED_BATCH_FULL_CRON: '0 0 1 1 *' }

let folder: string
let data: string
let definition: string
const kept: Note[] = []
const long = (some: readonly Note[]): Note[] => some.filter(({ words }) => words > 20)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-backfill-'))
  data = join(folder, 'data')
  definition = join(folder, 'my-dataset.ts')
  await writeFile(definition, notesDefinition('watershed'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const command = (words: readonly string[]) => watershed([...words, '--dataset', definition], data)
const start = () => RunningPlatform.start(data, ['--dataset', definition], NO_BATCH)

/** Appends and waits until everything is in closed segments. */
async function take(platform: RunningPlatform, from: number, to: number): Promise<void> {
  expect((await platform.post(DATASET, linesOf(notes(from, to)))).status).toBe(202)
  kept.push(...notes(from, to))
  await until('all segments are closed', async () => {
    const { meta } = await platform.answer(ALL)
    return meta.behind === 0 && meta.rows.open === 0 ? meta : null
  })
}

/** Of the changed view, counting all that was taken: an answer that was given before may be given again for a moment, at its own position. */
async function byTopicOf(platform: RunningPlatform): Promise<Answer> {
  return until('the view counts everything', async () => {
    const answer = await platform.answer(BY_TOPIC)
    return answer.meta.position.reduce((sum, position) => sum + position, 0) === kept.length ? answer : null
  })
}

async function counted(platform: RunningPlatform): Promise<Answer> {
  return until('all is counted', async () => {
    const answer = await platform.answer(ALL)
    return answer.meta.behind === 0 ? answer : null
  })
}

test('a changed view is answered by its earlier definition until its backfill, the others go on, and then it equals a recount', async () => {
  const first = await start()
  try {
    await take(first, 0, 300)
    expect((await command(['batch', 'run', '--full'])).code).toBe(0)
    await take(first, 300, 400)
    expect((await byTopicOf(first)).data).toEqual(byTopic(kept))
  } finally {
    expect(await first.stop()).toBe(0)
  }

  await writeFile(definition, notesDefinition('watershed', "where: 'words > 20',"))
  const second = await start()
  try {
    const earlier = await byTopicOf(second)
    expect(earlier.data).toEqual(byTopic(kept))
    expect(earlier.meta).toMatchObject({ outdated: { changes: ['where'] }, behind: 0 })
    const refused = await second.get(`${BY_TOPIC}?require=current`)
    expect(refused.status).toBe(409)
    expect(JSON.parse(refused.body)).toMatchObject({
      type: 'urn:watershed:problem:needs-backfill',
      retryable: false,
      detail: expect.stringContaining(`run \`watershed backfill ${DATASET}\``),
    })
    expect((await counted(second)).data).toEqual([{ notes: kept.length }])
    const asked = await command(['query', DATASET, 'by_topic'])
    expect(asked.stderr).toMatch(/answered by the earlier definition.* where; run `watershed backfill/)
    const strict = await command(['query', DATASET, 'by_topic', '--require-current'])
    expect(strict).toMatchObject({ code: DEFINITION, stderr: expect.stringContaining('watershed backfill') })
    const doctor = await command(['doctor'])
    expect(doctor).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/changed since .*by_topic.*watershed backfill/),
    })
    // New events are folded by the new definition; the earlier one counts them from their rows.
    await take(second, 400, 500)
    expect((await byTopicOf(second)).data).toEqual(byTopic(kept))

    const asking = askAll(second)
    const backfill = await command(['backfill', DATASET, '--json'])
    expect(backfill.code, backfill.stderr).toBe(0)
    expect(JSON.parse(backfill.stdout)).toMatchObject([{ dataset: DATASET, mode: 'incremental', rows: 500 }])
    expect(backfill.stderr).toContain(`{"event":"progress","dataset":"${DATASET}","name":"by_topic","done":0`)
    expect(backfill.stderr).toContain(`${DATASET}: computed from raw events: by_topic`)
    const during = await asking.stop()
    const expected = [byTopic(kept), byTopic(long(kept))].map((rows) => JSON.stringify(rows))
    expect(during.filter((answer) => !expected.includes(answer))).toEqual([])
    expect((await byTopicOf(second)).data).toEqual(byTopic(long(kept)))
    await take(second, 500, 600)
    expect((await byTopicOf(second)).data).toEqual(byTopic(long(kept)))
    expect((await second.answer(ALL)).data).toEqual([{ notes: kept.length }])
  } finally {
    expect(await second.stop()).toBe(0)
  }
  expect((await command(['verify'])).code).toBe(0)
  expect((await command(['doctor'])).code).toBe(0)
})

test('going back to the old definition is a change like any other', async () => {
  await writeFile(definition, notesDefinition('watershed'))
  expect((await command(['query', DATASET, 'by_topic', '--require-current'])).code).toBe(DEFINITION)
  expect((await command(['backfill', DATASET])).code).toBe(0)
  const { stdout } = await command(['query', DATASET, 'by_topic', '--json'])
  expect((JSON.parse(stdout) as Answer).data).toEqual(byTopic(kept))
  expect((await command(['verify'])).code).toBe(0)
})

test('what only an open segment holds, folded by the old definition, is never taken for counted by the new one', async () => {
  const words = ['--dataset', definition]
  const open = { ...NO_BATCH, WATERSHED_SEGMENT_AGE_MS_MAX: '600000' }
  const [fresh, before] = [join(folder, 'open'), notes(0, 200)]
  await writeFile(definition, notesDefinition('watershed'))
  const first = await RunningPlatform.start(fresh, words, open)
  expect((await first.post(DATASET, linesOf(before))).status).toBe(202)
  expect((await counted(first)).meta.rows).toEqual({ batch: 0, closed: 0, open: 200 })
  expect(await first.stop()).toBe(0)

  await writeFile(definition, notesDefinition('watershed', "where: 'words > 20',"))
  const asked = ['query', DATASET, 'by_topic', '--json', '--no-catch-up', ...words]
  const { stdout, code } = await watershed(asked, fresh)
  const { data, meta } = JSON.parse(stdout) as Answer
  expect(code).toBe(BEHIND)
  expect({ data, position: meta.position, behind: meta.behind }).toEqual({ data: [], position: [0, 0], behind: 200 })
  expect((await watershed(['verify', ...words], fresh)).code).toBe(0)
  const second = await RunningPlatform.start(fresh, words, open)
  try {
    const answer = await until('all is counted', async () => {
      const found = await second.answer(BY_TOPIC)
      const places = found.meta.position.reduce((sum, position) => sum + position, 0)
      if (places < 200) expect(found.data).toEqual([])
      return places === 200 ? found : null
    })
    expect(answer.data).toEqual(byTopic(long(before)))
  } finally {
    expect(await second.stop()).toBe(0)
  }
  expect((await watershed(['verify', ...words], fresh)).code).toBe(0)
})

/** Asks for the changed view all the time; the statuses, or the rows of the answers. */
function askAll(platform: RunningPlatform): { stop(): Promise<readonly string[]> } {
  const seen: string[] = []
  let over = false
  const asking = (async () => {
    while (!over) {
      const { status, body } = await platform.get(BY_TOPIC)
      seen.push(status === 200 ? JSON.stringify((JSON.parse(body) as Answer).data) : String(status))
    }
  })()
  return {
    stop: async () => {
      over = true
      await asking
      expect(seen.length).toBeGreaterThan(0)
      return seen
    },
  }
}
