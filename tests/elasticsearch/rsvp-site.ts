/** For tests: the RSVP dataset from log to lake, with its speed store and presented indices on a real Elasticsearch. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runBatch } from '#batch-layer/run-batch.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { SHIPPED_DICTIONARIES } from '#datasets/dictionaries/shipped.ts'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import { parseQuery, type QueryTexts } from '#serving/http/queries/parse-query.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { ElasticsearchSpeedStore } from '#storage/speed-store/elasticsearch/elasticsearch-speed-store.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { ElasticsearchServer } from '../servers/elasticsearch-server.ts'
import { until } from '../until.ts'

const PARTITIONS = 2
const CAUGHT_UP_MS_MAX = 150_000

export class RsvpSite {
  readonly #folder: string
  readonly #engine: DuckDbEngine
  readonly #log: SqliteLog
  readonly #dictionary: SqliteDictionary
  readonly #role: StreamRole
  readonly #generator: RsvpGenerator
  readonly dataset: CompiledDataset
  readonly served: ServedDataset
  readonly events: PlatformEvent[]

  /** @param startMs event time of the first answer; ten answers a second follow */
  static async open(server: Pick<ElasticsearchServer, 'node' | 'auth'>, startMs: number): Promise<RsvpSite> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-rsvps-'))
    const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    const connection = await engine.connect()
    const dataset = await compileDataset(rsvps, connection)
    connection.close()
    const log = await SqliteLog.open({
      file: join(folder, 'log.sqlite'),
      dataset: dataset.name,
      partitions: PARTITIONS,
    })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: dataset.name })
    const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
    for (const [name, entries] of Object.entries(SHIPPED_DICTIONARIES)) await dictionary.publish(name, entries())
    const { node, auth } = server
    const at = { node, auth, indexPrefix: `site${process.pid}`, replicas: 0, dataset: dataset.name, log: log.identity }
    const store = await ElasticsearchSpeedStore.open({ ...at, retry: { retryMsMax: 60_000 } })
    const events: PlatformEvent[] = []
    const limits = { segmentRecordsMax: 1_500, flushEveryMs: 50, pollEveryMs: 5 }
    const emit = (event: PlatformEvent): void => void events.push(event)
    const scratchFolder = join(folder, 'scratch')
    const role = new StreamRole({ dataset, log, lake, store, engine, scratchFolder, limits, emit })
    await role.start()
    const served = { dataset, lake, store, engine, partitions: PARTITIONS, log }
    return new RsvpSite(folder, engine, log, dictionary, role, served, events, startMs)
  }

  private constructor(
    folder: string,
    engine: DuckDbEngine,
    log: SqliteLog,
    dictionary: SqliteDictionary,
    role: StreamRole,
    served: ServedDataset,
    events: PlatformEvent[],
    startMs: number,
  ) {
    this.#folder = folder
    this.#engine = engine
    this.#log = log
    this.#dictionary = dictionary
    this.#role = role
    this.dataset = served.dataset
    this.served = served
    this.events = events
    this.#generator = new RsvpGenerator({ seed: 7, startMs, eventsPerSecond: 10, malformedShare: 0.01 })
  }

  /** Appends generated answers; returns when all of them are folded and flushed. */
  async take(count: number): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const lines = Array.from({ length: count / PARTITIONS }, () => this.#generator.next())
      await this.append(lines, partition)
    }
    await this.caughtUp()
  }

  async append(lines: readonly string[], partition = 0): Promise<void> {
    const text = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    await this.#log.append([{ partition, lines: text, count: lines.length }])
  }

  /** Until readers see everything that is in the log. */
  async caughtUp(): Promise<void> {
    const caughtUp = async (): Promise<boolean> =>
      (await this.ask('responses_by_country', { limit: '1', measures: 'yes' })).meta.behind === 0
    const said = (): string => JSON.stringify(this.#role.status())
    await until('readers see everything', caughtUp, { withinMs: CAUGHT_UP_MS_MAX, said })
  }

  async batch(mode: 'full' | 'incremental'): Promise<void> {
    const { dataset, lake, engine } = this.served
    const own = { dataset, lake, engine, dictionary: this.#dictionary, partitions: PARTITIONS }
    await runBatch({ ...own, logIdentity: this.#log.identity, mode, force: true })
  }

  async ask(view: string, texts: QueryTexts, nowMs = Date.now()) {
    const { rowsJson, meta } = await answerQuery(this.served, parseQuery(this.dataset.name, view, texts), { nowMs })
    return { rows: JSON.parse(rowsJson) as Record<string, unknown>[], meta }
  }

  async close(): Promise<void> {
    await this.#role.stop()
    await this.served.store.close()
    await this.#log.close()
    await this.#dictionary.close()
    this.#engine.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
