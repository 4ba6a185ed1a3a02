/** Groups of a recount on a real Redis: other processes compute them, die, hang, and have other definitions. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count } from '#core/definition.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { BatchFixture, definition, PARTITIONS } from './batch-fixture.ts'
import { RecountQueue, type RecountQueueOptions, RecountWorker } from './recount-queue.ts'
import type { RecountWorkerFixture } from './recount-worker-fixture.ts'

const FIXTURE = fileURLToPath(new URL('./recount-worker-fixture.ts', import.meta.url))
const WAIT = { timeout: 60_000, interval: 20 }
const SILENT_MS = 1_000
const GROUPS = 3

describe.skipIf(whyNoRedis() !== null)('groups of a recount on Redis', () => {
  let server: RedisServer
  let batch: BatchFixture
  let queue: RecountQueue | null = null
  const here: RecountWorker[] = []
  const children: ChildProcess[] = []

  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())
  beforeEach(async () => {
    batch = await BatchFixture.open()
    for (let each = 0; each < GROUPS; each++)
      for (let partition = 0; partition < PARTITIONS; partition++) await batch.land(partition, 300, 1)
  })
  afterEach(async () => {
    for (const worker of here.splice(0)) await worker.stop()
    for (const child of children.splice(0)) await kill(child)
    await queue?.close()
    queue = null
    await server.flushAll()
    await batch.close()
  })

  function worker(hangs: boolean): { readonly child: ChildProcess; readonly said: string[] } {
    const options: RecountWorkerFixture = { url: server.url, folder: batch.folder, workerSilentMsMax: SILENT_MS, hangs }
    const child = spawn(process.execPath, [FIXTURE, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    const said: string[] = []
    createInterface({ input: child.stdout! }).on('line', (line) => said.push(line))
    return { child, said }
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  const shared = (): RecountQueueOptions => ({
    dataset: batch.dataset,
    lake: batch.lake,
    url: server.url,
    workerSilentMsMax: SILENT_MS,
  })

  function fullRun(groupMsMax = 60_000, groupRows = 600): ReturnType<BatchFixture['run']> {
    queue = new RecountQueue({ ...shared(), groupMsMax })
    return batch.run({ mode: 'full', recount: { groupRows, workers: queue } })
  }

  const toldHere = (): string[] =>
    batch.events.filter(({ name }) => name === 'group-recounted-here').map(({ message }) => message)

  async function unfinished(): Promise<string[]> {
    const names = await readdir(join(batch.folder, batch.dataset.name), { recursive: true })
    return names.filter((name) => name.endsWith('.inprogress') || name.startsWith('handoffs/'))
  }

  test('other processes compute them, and the numbers are those of a recount', async () => {
    const others = [worker(false), worker(false)]
    for (const { said } of others) await expect.poll(() => said, WAIT).toContain('ready')
    await batch.expectRecount(await fullRun())
    expect(toldHere()).toEqual([])
    const began = others.map(({ said }) => said.filter((word) => word === 'began').length)
    expect(began[0]! + began[1]!).toBe(GROUPS * batch.dataset.views.size)
    expect(await unfinished()).toEqual([])
  })

  test('many groups wait at a time, and Node takes no listener for a leak', async () => {
    for (let each = 0; each < 12; each++) await batch.land(0, 20, 1)
    const warnings: string[] = []
    const hear = ({ message }: Error): void => void warnings.push(message)
    process.on('warning', hear)
    const { said } = worker(false)
    await batch.expectRecount(await fullRun(60_000, 1))
    process.off('warning', hear)
    expect(said.filter((word) => word === 'began').length).toBeGreaterThan(12)
    expect(warnings).toEqual([])
  })

  test('a worker that is killed half way loses its group to another one', async () => {
    const dying = worker(true)
    const run = fullRun()
    await expect.poll(() => dying.said, WAIT).toContain('began')
    await kill(dying.child)
    const other = worker(false)
    await batch.expectRecount(await run)
    expect(toldHere()).toEqual([])
    expect(other.said).toContain('began')
  })

  test('what nobody returns in time is computed by who asked', async () => {
    await batch.expectRecount(await fullRun(300))
    expect(toldHere()).toHaveLength(GROUPS * batch.dataset.views.size)
    expect(toldHere()[0]).toMatch(/timed out/)
  })

  test('a worker with another definition of the view refuses it, and says so', async () => {
    const { by_country } = definition.views
    const changed = { ...by_country!, measures: { ...by_country!.measures, twice: count() } }
    const dataset = await compileDataset(
      { ...definition, views: { ...definition.views, by_country: changed } },
      batch.connection,
    )
    here.push(new RecountWorker({ ...shared(), dataset, engine: batch.engine }))
    await batch.expectRecount(await fullRun())
    expect(toldHere()).toHaveLength(GROUPS)
    expect(toldHere()[0]).toMatch(/view 'by_country'.*this worker has another definition of view 'by_country'/)
  })
})
