/**
 * The jobs of a dataset, in the data folder: `waiting/<id>.json` until a batch role claims it by a rename, which only one of them can do,
 * then `<id>.json`, which its runner replaces while it works. Every process of the platform can ask for jobs, whichever schedule drives
 * the batch role. Losing these files loses no data: what a job has made is in the lake.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type JobRecord, readJob } from './job-record.ts'

/** finished jobs that are kept */
export const JOBS_KEPT_MAX = 100
/** jobs that may wait at the same time */
export const JOBS_WAITING_MAX = 16
/** a runner that said nothing for so long has ended */
export const RUNNER_SILENT_MS_MAX = 15_000

const ID = /^\d{8}T\d{9}-[0-9a-f]{6}$/
const RUNNER = 'runner'

/** JOBS_WAITING_MAX jobs of the dataset wait. */
export class TooManyJobsError extends Error {
  constructor(dataset: string) {
    super(`${JOBS_WAITING_MAX} jobs of '${dataset}' are waiting; cancel one, or retry when one has started`)
    this.name = 'TooManyJobsError'
  }
}

export class JobLedger {
  readonly dataset: string
  readonly #folder: string
  readonly #waiting: string

  /** @param folder of one dataset; it is made if it is missing */
  constructor(dataset: string, folder: string) {
    this.dataset = dataset
    this.#folder = folder
    this.#waiting = join(folder, 'waiting')
  }

  /** All jobs, the newest first. */
  async list(): Promise<readonly JobRecord[]> {
    const [waiting, others] = await Promise.all([namesIn(this.#waiting), namesIn(this.#folder)])
    const ids = [...new Set([...waiting, ...others])].sort().reverse()
    const jobs = await Promise.all(ids.map((id) => this.job(id)))
    return jobs.filter((job) => job !== null)
  }

  /** null: there is no such job. A job that is being claimed is found in one of its places. */
  async job(id: string): Promise<JobRecord | null> {
    if (!ID.test(id)) return null
    return (await this.#read(this.#folder, id)) ?? (await this.#read(this.#waiting, id)) ?? this.#read(this.#folder, id)
  }

  /** Adds a job that waits; one that waits already and wants the same is returned in its place. @throws TooManyJobsError */
  async ask(wanted: Pick<JobRecord, 'kind' | 'mode'>): Promise<JobRecord> {
    const waiting = (await this.list()).filter(({ state }) => state === 'waiting')
    const same = waiting.find(({ kind, mode }) => kind === wanted.kind && mode === wanted.mode)
    if (same !== undefined) return same
    if (waiting.length >= JOBS_WAITING_MAX) throw new TooManyJobsError(this.dataset)
    const job = newJob(this.dataset, wanted, 'request')
    await this.#write(this.#waiting, job)
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
    for (const id of (await namesIn(this.#waiting)).sort()) {
      try {
        await rename(this.#path(this.#waiting, id), this.#path(this.#folder, id))
      } catch {
        continue
      }
      const text = await this.#text(this.#folder, id)
      const job = text === null ? null : readJob(text, null)
      if (job === null) continue
      const claimed = started(job)
      await this.put(claimed)
      return claimed
    }
    return null
  }

  /** Replaces what is known of a job that was claimed. */
  put(job: JobRecord): Promise<void> {
    return this.#write(this.#folder, job)
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(this.#folder, id), { force: true })
    await rm(this.#cancelPath(id), { force: true })
  }

  /** A waiting job is cancelled at once; a running one as soon as its runner sees it. False: it has ended already, or there is none. */
  async cancel(id: string): Promise<boolean> {
    const job = await this.job(id)
    if (job === null || (job.state !== 'waiting' && job.state !== 'running')) return false
    await writeFile(this.#cancelPath(id), '')
    const isOurs = await rename(this.#path(this.#waiting, id), this.#path(this.#folder, id)).then(
      () => true,
      () => false,
    )
    if (isOurs) await this.put({ ...job, state: 'cancelled', updatedAtMs: Date.now(), finishedAtMs: Date.now() })
    return true
  }

  isCancelAsked(id: string): Promise<boolean> {
    return exists(this.#cancelPath(id))
  }

  /** Says that a process looks for waiting jobs. */
  async runnerLooked(): Promise<void> {
    const path = join(this.#folder, RUNNER)
    const now = new Date()
    await utimes(path, now, now).catch(async () => {
      await mkdir(this.#folder, { recursive: true })
      await writeFile(path, '')
    })
  }

  /** Whether a process looks for waiting jobs. */
  async hasRunner(nowMs = Date.now()): Promise<boolean> {
    const looked = await stat(join(this.#folder, RUNNER)).catch(() => null)
    return looked !== null && Math.abs(nowMs - looked.mtimeMs) <= RUNNER_SILENT_MS_MAX
  }

  /** Removes the oldest finished jobs beyond JOBS_KEPT_MAX. */
  async prune(): Promise<void> {
    const ended = (await this.list()).filter(({ state }) => state !== 'waiting' && state !== 'running')
    for (const { id } of ended.slice(JOBS_KEPT_MAX)) await this.remove(id)
  }

  async #read(folder: string, id: string): Promise<JobRecord | null> {
    const text = await this.#text(folder, id)
    if (text === null) return null
    if (folder === this.#waiting) return readJob(text, null)
    const nowMs = Date.now()
    const moved = await stat(this.#path(folder, id)).catch(() => null)
    return readJob(text, { silentBeforeMs: nowMs - RUNNER_SILENT_MS_MAX, movedAtMs: moved?.ctimeMs ?? nowMs })
  }

  #text(folder: string, id: string): Promise<string | null> {
    return readFile(this.#path(folder, id), 'utf8').catch(() => null)
  }

  async #write(folder: string, job: JobRecord): Promise<void> {
    await mkdir(folder, { recursive: true })
    const path = this.#path(folder, job.id)
    const written = `${path}.${process.pid}-${randomBytes(3).toString('hex')}.inprogress`
    await writeFile(written, `${JSON.stringify(job)}\n`)
    await rename(written, path)
  }

  #path(folder: string, id: string): string {
    return join(folder, `${id}.json`)
  }

  #cancelPath(id: string): string {
    return join(this.#folder, `${id}.cancel`)
  }
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

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.flatMap((name) => (name.endsWith('.json') && ID.test(name.slice(0, -5)) ? [name.slice(0, -5)] : []))
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
