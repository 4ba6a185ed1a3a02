/**
 * A cluster of real processes on real services: its roles, a client that posts all the time, and the check at the end. A site has a
 * data folder, a topic, indices and keys of its own, so that several can use the same services one after the other.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Workspace } from '#runtime/commands/workspace.ts'
import { DataFolder } from '#runtime/drivers/data-folder.ts'
import { openLake } from '#runtime/drivers/open-lake.ts'
import { loadConfiguration } from '#runtime/settings/configuration.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { silent } from '#telemetry/emit.ts'
import { checkCounted } from '#tests/crash/check-counted.ts'
import { EventClient } from '#tests/crash/event-client.ts'
import { placeDefinition } from '#tests/crash/place-definition.ts'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { until } from '../until.ts'
import { type ClusterServices, LAKES } from './cluster-services.ts'

export type Role = 'serve' | 'intake' | 'stream' | 'batch' | 'present'

export interface Part {
  readonly name: string
  readonly ready: boolean
  readonly state: string
  readonly numbers?: Readonly<Record<string, number>>
}

const MAIN = fileURLToPath(new URL('../../runtime/main.ts', import.meta.url))
const BYTES_MAX = 16 * 1024 * 1024

export const PARTITIONS = 2
/** of the group of stream workers */
export const SESSION_MS_MAX = 2_000
const DEADLINE_MS = 90_000
/** of a lock of a lake in a bucket */
const LOCK_MS = 2_000
const POST_EVERY_MS = 15

/** Everything happens often, so that a fault meets it. */
const SETTINGS = {
  data: 'data',
  datasets: ['./crash-events.ts'],
  port: 0,
  partitions: PARTITIONS,
  flushEveryMs: 100,
  pollEveryMs: 20,
  segmentAgeMsMax: 700,
  readerGraceMs: 2_000,
  lakeGraceMs: 5_000,
  batchIncrementalCron: '*/2 * * * * *',
  batchFullCron: '*/20 * * * * *',
  keepGenerations: 3,
  recountGroupRows: 1_000,
  serveThreads: 1,
}

let sites = 0

export class ClusterSite {
  readonly client: EventClient
  readonly folder: string
  readonly configuration: string
  readonly #running = new Set<PlatformProcess>()
  #started = 0
  #posting: { readonly over: AbortController; readonly done: Promise<void> } | null = null

  static async make(services: ClusterServices, more: Readonly<Record<string, unknown>> = {}): Promise<ClusterSite> {
    const folder = await mkdtemp(join(tmpdir(), 'watershed-cluster-'))
    await placeDefinition(folder)
    const isApart = services.isInBucket(++sites)
    const name = `site${process.pid}n${sites}${isApart ? 's3' : ''}`
    const configuration = join(folder, 'watershed.json')
    const cluster = {
      log: 'kafka',
      speedStore: 'elasticsearch',
      dictionary: 'redis',
      schedule: 'bullmq',
      kafka: {
        brokers: services.kafka.brokers,
        topicPrefix: `${name}-`,
        groupPrefix: `${name}-`,
        sessionMsMax: SESSION_MS_MAX,
      },
      elasticsearch: { node: services.elasticsearch.node, indexPrefix: name, replicas: 0 },
      redis: { url: services.redis.url, keyPrefix: `${name}:` },
    }
    const s3 = { endpoint: services.s3?.endpoint, lockMs: LOCK_MS }
    const lake = isApart ? { lake: `s3://${LAKES}/${name}`, s3 } : {}
    await writeFile(configuration, JSON.stringify({ ...SETTINGS, ...cluster, ...lake, ...more }))
    return new ClusterSite(folder, configuration, name, isApart)
  }

  /** begins the topic's and the indices' names */
  readonly name: string

  /** its processes share no folder */
  readonly isApart: boolean

  private constructor(folder: string, configuration: string, name: string, isApart: boolean) {
    this.isApart = isApart
    this.folder = folder
    this.configuration = configuration
    this.name = name
    this.client = new EventClient(Number(process.env.CRASH_SEED ?? Date.now() % 2 ** 31))
  }

  /** Starts a role, and waits for nothing. */
  run(role: Role, environment: Readonly<Record<string, string>> = {}, ...more: string[]): PlatformProcess {
    const words = ['--config', this.configuration, ...more]
    const own: Record<string, string> = this.isApart ? { WATERSHED_DATA: this.#ownFolder() } : {}
    const process = new PlatformProcess({ command: role, arguments: words, environment: { ...own, ...environment } })
    this.#running.add(process)
    void process.exited.then(() => this.#running.delete(process))
    return process
  }

  /** As on a machine of its own. */
  #ownFolder(): string {
    return join(this.folder, `machine-${this.#started++}`)
  }

  /** Posts to these processes in turn, until `quiet()`; one that does not answer is passed over. */
  async post(...processes: readonly PlatformProcess[]): Promise<void> {
    await this.quiet()
    const addresses = await Promise.all(processes.map(({ address }) => address))
    const over = new AbortController()
    const done = (async () => {
      for (let turn = 0; !over.signal.aborted; turn++) {
        await this.client.postOne(addresses[turn % addresses.length]!)
        await sleep(POST_EVERY_MS)
      }
    })()
    done.catch(() => {})
    this.#posting = { over, done }
  }

  /** Ends the posting. @throws when a post was answered as it must not be */
  async quiet(): Promise<void> {
    const posting = this.#posting
    this.#posting = null
    posting?.over.abort()
    await posting?.done
  }

  /** Resolves when so many more events are acknowledged than now. */
  async acknowledged(more: number): Promise<void> {
    const wanted = this.client.acknowledged.length + more
    await this.until(`${more} more events are acknowledged`, () => this.client.acknowledged.length >= wanted)
  }

  /** Resolves when it is so. @throws at the deadline, with what the processes said */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    await until(what, isSo, { withinMs: DEADLINE_MS, everyMs: 50, said: () => this.said })
  }

  /** Partitions that the worker says it works on, in order. */
  async owned(worker: PlatformProcess): Promise<number[]> {
    if (!worker.alive) return []
    const parts = await partsOf(worker)
    return parts
      .filter(({ name, state }) => name.includes(', partition ') && state === 'running')
      .map(({ name }) => Number(/partition (\d+)$/.exec(name)![1]))
      .sort()
  }

  /** Resolves when these workers together work on every partition. */
  async allOwned(...workers: readonly PlatformProcess[]): Promise<void> {
    await this.until('every partition has an owner', async () => {
      const owned = (await Promise.all(workers.map((worker) => this.owned(worker)))).flat()
      return new Set(owned).size === PARTITIONS
    })
  }

  /** Ends the posting, waits until all is counted, and checks it, also what each of these processes answers. Returns the number of events. */
  async check(...answering: readonly PlatformProcess[]): Promise<number> {
    try {
      await this.quiet()
      const addresses = await Promise.all(answering.map(({ address }) => address))
      const place = { configuration: this.configuration, addresses, drainMsMax: DEADLINE_MS }
      const events = await checkCounted(place, this.client)
      if (/found differences/.test(this.said)) throw new Error('its own verify found differences')
      return events
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.said}`, { cause: error })
    }
  }

  /** Runs a command to its end. */
  async watershed(...words: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const all = [MAIN, ...words, '--config', this.configuration, '--json']
    return promisify(execFile)(process.execPath, all, { maxBuffer: BYTES_MAX }).catch(
      (error: Error & { stdout?: string; stderr?: string }) => {
        if (!error.stdout) throw error
        return { stdout: error.stdout, stderr: error.stderr ?? '' }
      },
    )
  }

  /** id of the generation that CURRENT names; empty before the first */
  async current(): Promise<string> {
    const configuration = await loadConfiguration({ file: this.configuration })
    const folder = DataFolder.open(configuration.data)
    const lake = await openLake({ dataset: 'crash_events', folder, configuration })
    return (await lake.current())?.id ?? ''
  }

  /** Looks into the log. */
  async withLog<T>(look: (log: EventLog) => Promise<T>): Promise<T> {
    const workspace = await Workspace.open(await loadConfiguration({ file: this.configuration }), 'serve', silent)
    try {
      return await look(await workspace.log('crash_events'))
    } finally {
      await workspace.close()
    }
  }

  /** what the running processes complained of */
  get said(): string {
    return [...this.#running].map(({ said }) => said).join('\n---\n')
  }

  async remove(): Promise<void> {
    await this.quiet().catch(() => {})
    for (const process of this.#running) await process.kill()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** As /readyz says, ready or not. */
export async function partsOf(process: PlatformProcess): Promise<readonly Part[]> {
  const answer = await fetch(`${await process.address}/readyz`)
  return ((await answer.json()) as { parts: readonly Part[] }).parts
}
