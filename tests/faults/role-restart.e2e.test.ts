/** A role's thread or process dies of a fault that nothing caught: the platform says so, goes on taking events and answering, and starts it again; nothing is lost. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../until.ts'
import { byTopic, DATASET, linesOf, type Note, notes, notesDefinition } from './notes.ts'
import { type Answer, RunningPlatform, watershed } from './watershed.ts'

const BY_TOPIC = `/v1/datasets/${DATASET}/views/by_topic`
const ALL = `/v1/datasets/${DATASET}/views/all`

let folder: string
let data: string
let definition: string
let platform: RunningPlatform
const kept: Note[] = []

/** Code of a user's own: in the thread or process of a role, it throws from a timer when there is a file of the role's name. */
const FUSE = (folder: string) => `
import { existsSync, rmSync } from 'node:fs'
import { isMainThread, threadName } from 'node:worker_threads'
const role = isMainThread ? /(\\w+)-thread\\.ts$/.exec(process.argv[2])?.[1] : threadName
const fuse = ${JSON.stringify(folder)} + '/fuse-' + role
if (role !== undefined) setInterval(() => {
  if (!existsSync(fuse)) return
  rmSync(fuse)
  throw new Error('the fuse of the ' + role + ' role was lit')
}, 20).unref()
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-restart-'))
  data = join(folder, 'data')
  definition = join(folder, 'my-dataset.ts')
  await writeFile(definition, `${FUSE(folder)}${notesDefinition('watershed')}`)
  platform = await RunningPlatform.start(data, ['--dataset', definition])
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function take(from: number, to: number): Promise<void> {
  expect((await platform.post(DATASET, linesOf(notes(from, to)))).status).toBe(202)
  kept.push(...notes(from, to))
}

const counted = (): Promise<Answer> =>
  until('all is counted', async () => {
    const answer = await platform.answer(BY_TOPIC)
    return answer.meta.behind === 0 ? answer : null
  })

/** Whatever is counted, it is counted as the answer says. */
async function exact(): Promise<void> {
  const { data: rows, meta } = await platform.answer(ALL)
  const places = meta.position.reduce((sum, position) => sum + position, 0)
  expect(rows).toEqual(places === 0 ? [] : [{ notes: places }])
}

interface Readiness {
  readonly parts: readonly {
    readonly name: string
    readonly ready: boolean
    readonly state: string
    readonly detail: string
  }[]
}

async function role(name: string): Promise<{ status: number; ready: boolean; state: string; detail: string }> {
  const { status, body } = await platform.get('/readyz')
  const { ready, state, detail } = (JSON.parse(body) as Readiness).parts.find((part) => part.name === `${name} role`)!
  return { status, ready, state, detail }
}

async function lightFuse(name: string): Promise<void> {
  const fuse = join(folder, `fuse-${name}`)
  await writeFile(fuse, '')
  await until('the fuse has burnt', () => !existsSync(fuse))
}

test('the stream role', async () => {
  await take(0, 200)
  expect((await counted()).data).toEqual(byTopic(kept))
  for (const restarts of [1, 2]) {
    await lightFuse('stream')
    const down = await until('it is not ready', async () => {
      const seen = await role('stream')
      return seen.ready ? null : seen
    })
    expect(down).toMatchObject({
      status: 503,
      state: 'restarting',
      detail: expect.stringContaining('fuse of the stream'),
    })
    await take(200 * restarts, 200 * restarts + 200)
    await exact()
    const up = await until('it is ready', async () => {
      const seen = await role('stream')
      return seen.ready && seen.status === 200 ? seen : null
    })
    expect(up).toMatchObject({ state: 'running', detail: `${restarts} restarts` })
    expect((await counted()).data).toEqual(byTopic(kept))
  }
})

test('the batch role', async () => {
  await lightFuse('batch')
  const down = await until('it is not ready', async () => {
    const seen = await role('batch')
    return seen.ready ? null : seen
  })
  expect(down.status).toBe(503)
  await take(600, 800)
  await exact()
  await until('it is ready', async () => (await role('batch')).ready)
  await until('a generation counts everything', async () => {
    const { meta } = await platform.answer(ALL)
    return meta.rows.batch === kept.length ? meta : null
  })
  expect((await counted()).data).toEqual(byTopic(kept))
})

test('the intake role', async () => {
  await lightFuse('intake')
  const down = await until('it is not ready', async () => {
    const seen = await role('intake')
    return seen.ready ? null : seen
  })
  expect(down).toMatchObject({ status: 503, state: 'restarting' })
  const { status } = await platform.post(DATASET, linesOf(notes(800, 810)))
  // It may be back by now.
  expect([202, 503]).toContain(status)
  if (status === 202) kept.push(...notes(800, 810))
  await exact()
  await until('it is ready', async () => (await role('intake')).ready)
  await take(810, 1_000)
  expect((await counted()).data).toEqual(byTopic(kept))
})

test('all of it is there afterwards, once', async () => {
  // verify compares closed segments.
  await until('all segments are closed', async () => (await counted()).meta.rows.open === 0)
  expect(await platform.stop()).toBe(0)
  const { code, stdout } = await watershed(['verify', '--json', '--dataset', definition], data)
  expect(code).toBe(0)
  const [report] = JSON.parse(stdout) as { partitions: { rows: number }[] }[]
  expect(report!.partitions.reduce((sum, { rows }) => sum + rows, 0)).toBe(kept.length)
})
