/**
 * The jobs of a dataset: `waiting/<id>` until a batch role claims it by creating `<id>`, which only one of them can do, and which it replaces
 * while it works. Every process of the platform can ask for jobs, whichever schedule drives the batch role. Losing these texts loses no data:
 * what a job has made is in the lake.
 */
import { randomBytes } from 'node:crypto'
import pLimit from 'p-limit'
import { z } from 'zod'
import type { NamedTexts } from '../texts/named-texts.ts'
import { type JobRecord, parsedJson, readJob } from './job-record.ts'

/** finished jobs that are kept */
export const JOBS_KEPT_MAX = 100
/** jobs that may wait at the same time */
export const JOBS_WAITING_MAX = 16
/** a runner that said nothing for so long has ended, or for so many looks */
const RUNNER_SILENT_MS_MAX = 15_000
const RUNNER_SILENT_LOOKS_MAX = 6
/** each may be a request to an object store */
const READ_AT_ONCE = 16

const ID = /^\d{8}T\d{9}-[0-9a-f]{6}$/
const RUNNER = 'runner.json'
const WAITING = 'waiting/'
const CANCEL = 'cancel/'

/** JOBS_WAITING_MAX jobs of the dataset wait. */
export class TooManyJobsError extends Error {
  constructor(dataset: string) {
    super(`${JOBS_WAITING_MAX} jobs of '${dataset}' are waiting; cancel one, or retry when one has started`)
    this.name = 'TooManyJobsError'
  }
}

export class JobLedger {
  readonly dataset: string
  readonly #texts: NamedTexts
  /** by id: an ended job does not change */
  readonly #ended = new Map<string, JobRecord>()
  /** when this process last said that it looks for jobs, monotonic ms */
  #toldAtMs = Number.NEGATIVE_INFINITY

  /** @param texts of one dataset */
  constructor(dataset: string, texts: NamedTexts) {
    this.dataset = dataset
    this.#texts = texts
  }

  /** how often to look for waiting jobs, ms */
  get lookEveryMs(): number {
    return this.#texts.lookEveryMs
  }

  /** All jobs, the newest first. */
  async list(): Promise<readonly JobRecord[]> {
    const names = await this.#texts.names()
    const ids = [...new Set([...idsIn(names, ''), ...idsIn(names, WAITING)])].sort().reverse()
    const atOnce = pLimit(READ_AT_ONCE)
    const jobs = await Promise.all(ids.map((id) => atOnce(() => this.job(id))))
    return jobs.filter((job) => job !== null)
  }

  /** null: there is no such job. A job that is being claimed is found in one of its places. */
  async job(id: string): Promise<JobRecord | null> {
    if (!ID.test(id)) return null
    return (await this.#claimed(id)) ?? (await this.#waiting(id)) ?? this.#claimed(id)
  }

  /** Adds a job that waits; one that waits already and wants the same is returned in its place. @throws TooManyJobsError */
  async ask(wanted: Pick<JobRecord, 'kind' | 'mode'>): Promise<JobRecord> {
    const waiting = (await this.list()).filter(({ state }) => state === 'waiting')
    const same = waiting.find(({ kind, mode }) => kind === wanted.kind && mode === wanted.mode)
    if (same !== undefined) return same
    if (waiting.length >= JOBS_WAITING_MAX) throw new TooManyJobsError(this.dataset)
    const job = newJob(this.dataset, wanted, 'request')
    await this.#texts.replace(nameOf(job.id, WAITING), textOf(job))
    return job
  }

  /** A job that this process runs at once. */
  async begin(wanted: Pick<JobRecord, 'kind' | 'mode'>): Promise<JobRecord> {
    const job = started(newJob(this.dataset, wanted, 'schedule'))
    await this.put(job)
    return job
  }

  /** The oldest waiting job, which is this process's from now on; null: there is none. */
  async claim(): Promise<JobRecord | null> {
    for (const id of idsIn(await this.#texts.names(), WAITING).sort()) {
      const job = await this.#waiting(id)
      if (job === null) continue
      const claimed = started(job)
      const isOurs = await this.#texts.create(nameOf(id), textOf(claimed))
      // What another process claimed, and died before it removed it, waits no more either.
      await this.#texts.remove(nameOf(id, WAITING))
      if (isOurs) return claimed
    }
    return null
  }

  /** Replaces what is known of a job that was claimed. */
  put(job: JobRecord): Promise<void> {
    return this.#texts.replace(nameOf(job.id), textOf(job))
  }

  async remove(id: string): Promise<void> {
    for (const folder of [WAITING, CANCEL, '']) await this.#texts.remove(nameOf(id, folder))
    this.#ended.delete(id)
  }

  /** A waiting job is cancelled at once; a running one as soon as its runner sees it. False: it has ended already, or there is none. */
  async cancel(id: string): Promise<boolean> {
    const job = await this.job(id)
    if (job === null || (job.state !== 'waiting' && job.state !== 'running')) return false
    await this.#texts.replace(nameOf(id, CANCEL), '{}\n')
    if (job.state === 'running') return true
    const nowMs = Date.now()
    const cancelled = { ...job, state: 'cancelled', updatedAtMs: nowMs, finishedAtMs: nowMs } as const
    if (await this.#texts.create(nameOf(id), textOf(cancelled))) await this.#texts.remove(nameOf(id, WAITING))
    return true
  }

  async isCancelAsked(id: string): Promise<boolean> {
    return (await this.#texts.read(nameOf(id, CANCEL))) !== null
  }

  /** Says that a process looks for waiting jobs, if it has not just said so. */
  async runnerLooked(): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - this.#toldAtMs < this.#silentMsMax / 3) return
    await this.#texts.replace(RUNNER, `${JSON.stringify({ atMs: Date.now() })}\n`)
    this.#toldAtMs = nowMs
  }

  /** Whether a process looks for waiting jobs. */
  async hasRunner(nowMs = Date.now()): Promise<boolean> {
    const text = await this.#texts.read(RUNNER)
    const looked = text === null ? null : LOOKED.safeParse(parsedJson(text))
    return looked?.success === true && Math.abs(nowMs - looked.data.atMs) <= this.#silentMsMax
  }

  /** Removes the oldest finished jobs beyond JOBS_KEPT_MAX. */
  async prune(): Promise<void> {
    const ended = (await this.list()).filter(({ state }) => state !== 'waiting' && state !== 'running')
    for (const { id } of ended.slice(JOBS_KEPT_MAX)) await this.remove(id)
  }

  get #silentMsMax(): number {
    return Math.max(RUNNER_SILENT_MS_MAX, RUNNER_SILENT_LOOKS_MAX * this.lookEveryMs)
  }

  async #waiting(id: string): Promise<JobRecord | null> {
    const text = await this.#texts.read(nameOf(id, WAITING))
    return text === null ? null : readJob(text, null)
  }

  async #claimed(id: string): Promise<JobRecord | null> {
    const ended = this.#ended.get(id)
    if (ended !== undefined) return ended
    const text = await this.#texts.read(nameOf(id))
    const job = text === null ? null : readJob(text, Date.now() - this.#silentMsMax)
    // One that only seems to have ended may say more.
    if (job !== null && job.finishedAtMs !== null && text === textOf(job)) this.#remember(job)
    return job
  }

  #remember(job: JobRecord): void {
    if (this.#ended.size >= 2 * JOBS_KEPT_MAX) this.#ended.clear()
    this.#ended.set(job.id, job)
  }
}

const LOOKED = z.strictObject({ atMs: z.int() })

/** @param folder '': of claimed jobs */
function nameOf(id: string, folder = ''): string {
  return `${folder}${id}.json`
}

function idsIn(names: readonly string[], folder: string): string[] {
  return names.flatMap((name) => {
    const id = name.slice(folder.length, -'.json'.length)
    return name.startsWith(folder) && ID.test(id) ? [id] : []
  })
}

function textOf(job: JobRecord): string {
  return `${JSON.stringify(job)}\n`
}

function newJob(dataset: string, { kind, mode }: Pick<JobRecord, 'kind' | 'mode'>, by: JobRecord['by']): JobRecord {
  const requestedAtMs = Date.now()
  const id = `${new Date(requestedAtMs).toISOString().replace(/[-:.Z]/g, '')}-${randomBytes(3).toString('hex')}`
  const nothing = { startedAtMs: null, finishedAtMs: null, progress: null, outcome: null, fault: null }
  return { id, dataset, kind, mode, by, state: 'waiting', requestedAtMs, updatedAtMs: requestedAtMs, ...nothing }
}

function started(job: JobRecord): JobRecord {
  return { ...job, state: 'running', startedAtMs: Date.now(), updatedAtMs: Date.now() }
}
