/** What only the schedule on Redis can meet: workers that are killed, a Redis that is down or was emptied, and many at once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { batchQueueName } from './bullmq-queue.ts'
import { BullMqSchedule, type BullMqTimes } from './bullmq-schedule.ts'
import type { WorkerOptions } from './bullmq-worker-fixture.ts'
import { publishEmpty } from './empty-generation-fixture.ts'
import type { BatchScheduleOptions } from './schedule.ts'

const FIXTURE = fileURLToPath(new URL('./bullmq-worker-fixture.ts', import.meta.url))
const TIMES: BullMqTimes = { lookEveryMs: 300, workerSilentMsMax: 1_000, postponeMs: 100, retryMs: 100 }
const WAIT = { timeout: 60_000, interval: 20 }
const DAY_MS = 86_400_000

describe.skipIf(whyNoRedis() !== null)('the schedule on Redis', () => {
  let server: RedisServer
  let folder: string
  let lake: LocalLake
  let queue: Queue
  const children: ChildProcess[] = []
  const schedules: BullMqSchedule[] = []
  const events: PlatformEvent[] = []

  beforeAll(async () => {
    server = await startRedis()
    const { hostname, port } = new URL(server.url)
    const connection = { host: hostname, port: Number(port), retryStrategy: () => 50 }
    queue = new Queue(batchQueueName('d'), { connection, prefix: 'watershed' })
    queue.on('error', () => {})
  })
  afterAll(async () => {
    await queue?.close()
    await server?.stop()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'watershed-schedule-'))
    lake = await LocalLake.open({ folder, dataset: 'd' })
    events.length = 0
  })
  afterEach(async () => {
    for (const schedule of schedules.splice(0)) await schedule.stop()
    for (const child of children.splice(0)) await kill(child)
    await server.flushAll()
    await rm(folder, { recursive: true })
  })

  /** A real process, and the words that its runs have said. */
  function worker(deed: WorkerOptions['deed']): { readonly child: ChildProcess; readonly said: string[] } {
    const options: WorkerOptions = { url: server.url, folder, dataset: 'd', times: TIMES, deed }
    const child = spawn(process.execPath, [FIXTURE, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    const said: string[] = []
    createInterface({ input: child.stdout! }).on('line', (line) => said.push(line))
    return { child, said }
  }

  async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  function schedule(options: Partial<BatchScheduleOptions> = {}): BullMqSchedule {
    const run = async () => publishEmpty(lake, 'incremental', Date.now(), Date.now())
    const emit = (event: PlatformEvent): void => void events.push(event)
    const made = new BullMqSchedule({ url: server.url, lake, run, emit, times: TIMES, ...options })
    schedules.push(made)
    made.start()
    return made
  }

  const patterns = async () => (await queue.getJobSchedulers()).map(({ key, pattern, tz }) => [key, pattern, tz]).sort()
  const published = async () => (await lake.generations()).length

  test('a job whose workers are killed again and again is made by the next one', async () => {
    const ids: (string | undefined)[] = []
    for (let deaths = 0; deaths < 3; deaths++) {
      const { child, said } = worker('hang')
      await expect.poll(() => said, WAIT).toContain('began')
      ids.push((await queue.getJobs(['active']))[0]?.id)
      await kill(child)
    }
    expect(await published()).toBe(0)
    const { said } = worker('publish')
    await expect.poll(() => said, WAIT).toContain('published')
    // It was one job all the time, which each of them took up.
    expect(new Set(ids).size).toBe(1)
    await expect.poll(() => queue.getJobState(ids[0]!), WAIT).toBe('completed')
    expect(await queue.getJobCountByTypes('failed')).toBe(0)
    expect(await published()).toBe(1)
  })

  test('one run at a time: a job that finds the lock held is postponed, not failed', async () => {
    const slow = worker('hang')
    await expect.poll(() => slow.said, WAIT).toContain('began')
    // As if the first worker's job had been lost while its run goes on.
    await server.flushAll()
    const other = worker('publish')
    await expect.poll(() => other.said.filter((word) => word === 'locked').length, WAIT).toBeGreaterThanOrEqual(2)
    expect(other.said).not.toContain('began')
    expect(await queue.getJobCountByTypes('failed')).toBe(0)
    await kill(slow.child)
    await expect.poll(() => other.said, WAIT).toContain('published')
    expect(await published()).toBe(1)
  })

  test('a worker that stops hands its job over', async () => {
    const first = worker('hang')
    await expect.poll(() => first.said, WAIT).toContain('began')
    const [job] = await queue.getJobs(['active'])
    await kill(first.child, 'SIGTERM')
    expect(['delayed', 'waiting']).toContain(await queue.getJobState(job!.id!))
    const second = worker('publish')
    await expect.poll(() => second.said, WAIT).toContain('published')
    await expect.poll(() => queue.getJobState(job!.id!), WAIT).toBe('completed')
  })

  test('its schedules come back by themselves when Redis was emptied', async () => {
    schedule({ incrementalPattern: '*/7 * * * *' })
    const wanted = [
      ['full', '0 2 * * *', 'UTC'],
      ['incremental', '*/7 * * * *', 'UTC'],
    ]
    await expect.poll(patterns, WAIT).toEqual(wanted)
    await expect.poll(published, WAIT).toBe(1)
    await server.flushAll()
    await expect.poll(patterns, WAIT).toEqual(wanted)
  })

  test('a schedule that is changed or dropped is so in Redis, too', async () => {
    const before = schedule({ incrementalPattern: '*/7 * * * *' })
    await expect.poll(patterns, WAIT).toHaveLength(2)
    await before.stop()
    schedule({ incrementalPattern: '*/9 * * * *', fullPattern: null })
    await expect.poll(patterns, WAIT).toEqual([['incremental', '*/9 * * * *', 'UTC']])
  })

  test('a schedule that waits for a time that a wrong clock gave it is set right', async () => {
    const startDate = Date.now() + 400 * DAY_MS
    await queue.upsertJobScheduler('full', { pattern: '0 2 * * *', tz: 'UTC', startDate }, { name: 'full' })
    const untilNextMs = async () => (await queue.getJobScheduler('full'))!.next! - Date.now()
    expect(await untilNextMs()).toBeGreaterThan(399 * DAY_MS)
    schedule({ incrementalPattern: null })
    await expect.poll(untilNextMs, WAIT).toBeLessThanOrEqual(DAY_MS)
  })

  test('starts while Redis is away, says so, and works as soon as it is there', async () => {
    await server.kill9()
    const made = schedule()
    await expect.poll(() => made.state().asleep, WAIT).toMatch(/Redis at .* connecting/)
    expect(await published()).toBe(0)
    await server.restart()
    await expect.poll(published, WAIT).toBe(1)
    await expect.poll(() => made.state().asleep, WAIT).toBeNull()
    expect(events.filter(({ message }) => message.includes('no batch run is triggered'))).toHaveLength(1)
  })

  test.each(['killed', 'emptied'])('a run goes on while Redis is %s, and the schedule after it', async (fault) => {
    const release = Promise.withResolvers<void>()
    let runs = 0
    const made = schedule({
      incrementalPattern: '* * * * * *',
      run: async () => {
        if (runs++ === 0) await release.promise
        return publishEmpty(lake, 'incremental', Date.now(), Date.now())
      },
    })
    await expect.poll(() => runs, WAIT).toBe(1)
    if (fault === 'killed') await server.kill9()
    else await server.flushAll()
    release.resolve()
    await expect.poll(published, WAIT).toBe(1)
    if (fault === 'killed') await server.restart()
    await expect.poll(published, WAIT).toBeGreaterThanOrEqual(3)
    expect(made.state()).toMatchObject({ fault: null, asleep: null })
    expect(events.filter(({ name }) => name === 'batch-failed')).toEqual([])
  })

  test('shows how far a run is', async () => {
    const release = Promise.withResolvers<void>()
    schedule({
      run: async (_mode, _signal, onProgress) => {
        onProgress({ name: 'by_country', done: 1, total: 4, bytesDone: 1, bytesTotal: 4, leftMs: null })
        await release.promise
        return publishEmpty(lake, 'full', Date.now(), Date.now())
      },
    })
    const progress = async () => (await queue.getJobs(['active']))[0]?.progress
    await expect.poll(progress, WAIT).toEqual({ name: 'by_country', done: 1, total: 4 })
    release.resolve()
    const results = async () => (await queue.getJobs(['completed'])).map((job) => job.returnvalue)
    await expect.poll(results, WAIT).toContainEqual(expect.stringMatching(/^generation .* is current$/))
  })

  test('a run that fails is retried, and one that failed for good is no end of it', async () => {
    let failures = 0
    const made = schedule({
      incrementalPattern: '*/2 * * * * *',
      run: async () => {
        if (failures++ < 7) throw new Error('disk full')
        return publishEmpty(lake, 'full', Date.now(), Date.now())
      },
      fullPattern: null,
    })
    await expect.poll(() => made.state().fault, WAIT).toBe('disk full')
    await expect.poll(published, WAIT).toBeGreaterThanOrEqual(1)
    await expect.poll(() => made.state().fault, WAIT).toBeNull()
  })

  test('stops in bounded time while Redis is away', async () => {
    const made = schedule()
    await expect.poll(published, WAIT).toBe(1)
    await server.kill9()
    await made.stop()
    await server.restart()
    expect(await published()).toBe(1)
  })
})
