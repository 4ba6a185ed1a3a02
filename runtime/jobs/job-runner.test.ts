/** Jobs of a real ledger: who runs them, what is listed, and what cancelling and dying leaves. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JOBS_KEPT_MAX, JOBS_WAITING_MAX, JobLedger } from '#storage/jobs/job-ledger.ts'
import type { JobRecord } from '#storage/jobs/job-record.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { until } from '#tests/until.ts'
import { JobCancelledError, JobRunner, type JobWork } from './job-runner.ts'

const VERIFY = { kind: 'verify', mode: null } as const
const FULL = { kind: 'batch', mode: 'full' } as const
const forever: JobWork = (signal) => sleep(3_600_000, { outcome: null }, { signal })

let folder: string
let ledger: JobLedger
const runners: JobRunner[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-jobs-'))
  ledger = new JobLedger('shop', new FolderTexts(folder))
})
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.stop()))
  await rm(folder, { recursive: true })
})

function runnerOf(work: (job: JobRecord) => JobWork): JobRunner {
  const runner = new JobRunner({ ledger, work, lookEveryMs: 5 })
  runners.push(runner)
  runner.start()
  return runner
}

const ended = (id: string): Promise<JobRecord> =>
  until('the job has ended', async () => {
    const job = await ledger.job(id)
    return job?.finishedAtMs != null && job
  })

test('each job runs once, however many processes look for it, and says what it made', async () => {
  const ran: string[] = []
  const work = (job: JobRecord) => async () => {
    ran.push(job.id)
    return { outcome: `made by ${job.kind}` }
  }
  const jobs = [await ledger.ask(VERIFY), await ledger.ask(FULL)]
  expect(await ledger.hasRunner()).toBe(false)
  for (let runner = 0; runner < 3; runner++) runnerOf(work)
  expect(await ended(jobs[0]!.id)).toMatchObject({ state: 'done', outcome: 'made by verify', by: 'request' })
  expect(await ended(jobs[1]!.id)).toMatchObject({ state: 'done', outcome: 'made by batch', fault: null })
  expect(ran.sort()).toEqual(jobs.map(({ id }) => id).sort())
  expect(await ledger.hasRunner()).toBe(true)
  expect((await ledger.list()).map(({ id }) => id)).toEqual(
    jobs
      .map(({ id }) => id)
      .sort()
      .reverse(),
  )
})

test('a job that waits is not doubled, and only so many wait', async () => {
  const first = await ledger.ask(VERIFY)
  expect(await ledger.ask(VERIFY)).toEqual(first)
  expect((await ledger.ask(FULL)).id).not.toBe(first.id)
  for (let more = 2; more < JOBS_WAITING_MAX; more++) {
    const id = `20260101T00000000${more % 10}-${`00000${more}`.slice(-6)}`
    await writeFile(join(folder, 'waiting', `${id}.json`), JSON.stringify({ ...first, id }))
  }
  await expect(ledger.ask({ kind: 'backfill', mode: null })).rejects.toThrow('16 jobs')
})

test('a fault is told, and the next job runs', async () => {
  runnerOf(({ kind }) => async () => {
    if (kind === 'verify') throw new Error('views differ')
    return { outcome: 'g000001' }
  })
  const [bad, good] = [await ledger.ask(VERIFY), await ledger.ask(FULL)]
  expect(await ended(bad.id)).toMatchObject({ state: 'failed', fault: 'views differ', outcome: null })
  expect(await ended(good.id)).toMatchObject({ state: 'done' })
})

test('a waiting job is cancelled at once, a running one by its signal, an ended one not at all', async () => {
  const waiting = await ledger.ask(VERIFY)
  expect(await ledger.cancel(waiting.id)).toBe(true)
  expect(await ledger.job(waiting.id)).toMatchObject({ state: 'cancelled' })
  runnerOf(() => (signal, onProgress) => {
    const more = { bytesDone: 1, bytesTotal: 2 }
    onProgress({ name: 'by_kind', done: 1, total: 3, leftMs: null, ...more })
    return forever(signal, onProgress)
  })
  const running = await ledger.ask(FULL)
  await until('its progress is told', async () => (await ledger.job(running.id))?.progress?.done === 1)
  expect(await ledger.cancel(running.id)).toBe(true)
  expect(await ended(running.id)).toMatchObject({ state: 'cancelled', fault: null })
  expect(await ledger.cancel(running.id)).toBe(false)
  expect(await ledger.cancel('20260101T000000000-000000')).toBe(false)
})

test('a job that waited for long is running when it runs, and has failed if its process dies then', async () => {
  const { id } = await ledger.ask(VERIFY)
  const path = join(folder, 'waiting', `${id}.json`)
  const waiting = (await readFile(path, 'utf8')).replace(/("(?:requested|updated)AtMs"):\d+/g, '$1:1')
  await writeFile(path, waiting)
  const claimed = await ledger.claim()
  expect(claimed).toMatchObject({ id, state: 'running', finishedAtMs: null, fault: null })
  expect(await ledger.job(id)).toEqual(claimed)
  // As a process leaves it that dies between its claim and the next step.
  await writeFile(path, waiting)
  expect(await ledger.list()).toEqual([claimed])
  expect(await ledger.claim()).toBeNull()
  expect(await readdir(join(folder, 'waiting'))).toEqual([])
  await ledger.put({ ...claimed!, updatedAtMs: 1 })
  expect(await ledger.job(id)).toMatchObject({ state: 'failed', fault: expect.stringContaining('start it again') })
})

test('a job of a process that died has failed, and one of a process that stops, too', async () => {
  const lost = await ledger.begin(FULL)
  const path = join(folder, `${lost.id}.json`)
  const text = (await readFile(path, 'utf8')).replace(`"updatedAtMs":${lost.updatedAtMs}`, '"updatedAtMs":1')
  await writeFile(path, text)
  expect(await ledger.job(lost.id)).toMatchObject({ state: 'failed', fault: expect.stringContaining('start it again') })
  const runner = runnerOf(() => forever)
  const stopped = await ledger.ask(VERIFY)
  await until('it runs', async () => (await ledger.job(stopped.id))?.state === 'running')
  await runner.stop()
  expect(await ledger.job(stopped.id)).toMatchObject({ state: 'failed', fault: expect.stringContaining('stopped') })
})

test('what the schedule runs is listed while it runs, and afterwards if it made something or failed', async () => {
  const runner = runnerOf(() => forever)
  const { signal } = new AbortController()
  const noted = (work: JobWork) => runner.noted(FULL, signal, work)
  await noted(async () => {
    expect((await ledger.list())[0]).toMatchObject({ state: 'running', by: 'schedule' })
    return { outcome: null }
  })
  expect(await ledger.list()).toEqual([])
  await noted(async () => ({ outcome: 'generation g000002 is current' }))
  await expect(noted(() => Promise.reject(new Error('the disk is full')))).rejects.toThrow('the disk is full')
  expect((await ledger.list()).map(({ state }) => state).sort()).toEqual(['done', 'failed'])
  const cancelled = noted(forever)
  const [job] = await until('it runs', async () => {
    const running = (await ledger.list()).filter(({ state }) => state === 'running')
    return running.length > 0 && running
  })
  await ledger.cancel(job!.id)
  await expect(cancelled).rejects.toThrow(JobCancelledError)
})

test('only the newest ended jobs are kept, and what is no id is no job', async () => {
  const { id, ...job } = await ledger.begin(FULL)
  for (let index = 0; index <= JOBS_KEPT_MAX; index++) {
    const old = `20250101T000000000-${`000${index}`.slice(-4)}aa`
    await ledger.put({ ...job, id: old, state: 'done', finishedAtMs: 1 })
  }
  await ledger.put({ ...job, id, state: 'done', finishedAtMs: 2 })
  await ledger.prune()
  const kept = await ledger.list()
  expect(kept).toHaveLength(JOBS_KEPT_MAX)
  expect(kept[0]!.id).toBe(id)
  for (const odd of ['../jobs', 'runner', '', id.slice(1)]) expect(await ledger.job(odd)).toBeNull()
})
