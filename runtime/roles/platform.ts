/**
 * The roles that one platform has: all of them, or some, beside other processes over the same lake. The main thread serves HTTP and
 * answers queries, and a worker thread takes events in. The other roles each have an engine of their own, in a worker thread or in a
 * process of lower priority, so that neither a batch run nor the stream role slows answers. Stopping goes the way of the data: nothing
 * more is taken in, then the stream role flushes what it folded, while the batch role stops between two steps. What was acknowledged
 * is in the log whatever happens.
 */
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { collectGarbage } from '#core/collect-garbage.ts'
import type { OffsetRange } from '#core/offsets.ts'
import type { SourceDefinition } from '#core/source-definition.ts'
import { BuiltPageFiles } from '#dashboards/page/page-files.ts'
import type { OperationsPort } from '#serving/http/operations/operations-port.ts'
import { buildServeApp } from '#serving/http/serve-app.ts'
import type { ServedPart } from '#serving/http/site/health-routes.ts'
import type { LiveDatasetParts } from '#serving/live/dataset-moments.ts'
import { type AnsweredDataset, LiveAnswers } from '#serving/live/live-answers.ts'
import { LiveDataset } from '#serving/live/live-dataset.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { SavedViewLedger } from '#storage/saved-views/saved-view-ledger.ts'
import { SessionLedger } from '#storage/sessions/session-ledger.ts'
import type { Emit } from '#telemetry/emit.ts'
import { Metrics, type StateReading } from '#telemetry/metrics.ts'
import { listenError } from '../commands/exit-codes.ts'
import { firstQuestions } from '../commands/first-questions.ts'
import { Workspace } from '../commands/workspace.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { openLake } from '../drivers/open-lake.ts'
import { queuePrefixOf } from '../drivers/open-schedule.ts'
import { openSessions, openTexts } from '../drivers/open-texts.ts'
import { allSinkReports, allSourceReports } from '../health/all-reports.ts'
import { AnswerProbe } from '../health/answer-probe.ts'
import { forEveryone, servedParts } from '../health/served-parts.ts'
import { servedSink, sinkPart, sinkReadings } from '../health/sink-reports.ts'
import { servedSource, sourceReadings } from '../health/source-reports.ts'
import { stateReadings } from '../health/state-readings.ts'
import { verifyReadings } from '../health/verify-readings.ts'
import { listenerCertificate } from '../settings/listener-certificate.ts'
import { secretsOf, webhookSecretsOf } from '../settings/secrets.ts'
import type { Configuration } from '../settings/settings.ts'
import { compileAhead } from './compile-ahead.ts'
import { intakeLimits } from './intake-limits.ts'
import { IntakeLink, LinkedIntake } from './intake-link.ts'
import { platformOperations } from './platform-operations.ts'
import { ROLE_PROCESS } from './role-life.ts'
import type { RoleInput } from './role-messages.ts'
import { RoleSupervisor, type RoleSupervisorParts } from './role-supervisor.ts'
import { SinkSet } from './sink-set.ts'
import { StorageReader } from './storage-reader.ts'
import { type Listener, warmUpRequests, warmUpViews } from './warm-up.ts'
import { yieldEngines } from './yield-processors.ts'

/** The part of the query engine's memory that the bytes of a generation's large files may have that are kept as tables. */
const LARGE_FILES_SHARE = 8
/** By how many steps each role's priority is below that of intake and the main thread, for when all want the processors. */
const YIELDS = { intake: 0, sources: 0, stream: 5, batch: 7, present: 7 } as const
/** Priority of the engine's threads below the main thread. Most answers do not use the engine and must not wait for a processor while it folds. It is above the stream role's: new events are visible when the engine has decoded them. */
const ENGINE_YIELDS = 2
type RoleName = keyof typeof YIELDS

/** What of the platform one process does. */
export interface PlatformShape {
  /** roles with a thread of their own */
  readonly threads: readonly RoleName[]
  /** roles with a process of their own, which ends with this one */
  readonly processes?: readonly RoleName[]
  /** answers queries */
  readonly answers: boolean
  /** takes events in */
  readonly intake: boolean
}

function moduleOf(role: RoleName | 'reader'): URL {
  return new URL(`./${role}-thread.ts`, import.meta.url)
}

/** What runs beside the main thread, but for what only some configurations have. */
function roleModules({ threads, processes = [], answers, intake }: PlatformShape): readonly URL[] {
  const roles = [...threads, ...processes].filter((name) => name !== 'present')
  const beside = [...(intake ? (['intake'] as const) : []), ...(answers ? (['reader'] as const) : [])]
  return [...roles, ...beside].map(moduleOf).concat(processes.length > 0 ? [ROLE_PROCESS] : [])
}

export class Platform {
  readonly intakes = new Map<string, LinkedIntake>()
  /** dataset → how many events a second its demo sends, as whoever feeds it notes */
  readonly demos = new Map<string, number>()
  readonly #shape: PlatformShape
  readonly #workspace: Workspace
  readonly #emit: Emit
  readonly #metrics: Metrics
  readonly #roles: RoleSupervisor[] = []
  #datasets: readonly OpenDataset[] = []
  #answering: AnswerProbe | null = null
  readonly #live: LiveAnswers[] = []
  readonly #stopping = new AbortController()
  /** whose verifications are reported here */
  #lakes: readonly Lake[] = []
  #reader: StorageReader | null = null
  /** what this process answers; null: nothing */
  #answered: ReadonlyMap<string, AnsweredDataset> | null = null
  #app: FastifyInstance | null = null
  #sinks: SinkSet | null = null
  #address = ''
  readonly #endCollections = collectGarbage()

  /**
   * Opens everything, starts the roles, and listens.
   * @param signal cancels the start after the current step
   * @throws the error of the part that cannot start, or the reason of `signal`; everything that was started is stopped
   */
  static async start(
    configuration: Configuration,
    shape: PlatformShape,
    log: Emit,
    signal?: AbortSignal,
  ): Promise<Platform> {
    let platform: Platform | null = null
    const metrics = new Metrics(async () => (platform === null ? [] : platform.#readings()))
    const emit: Emit = (event) => {
      metrics.count(event)
      log(event)
    }
    platform = new Platform(shape, await Workspace.open(configuration, 'serve', emit), metrics, emit)
    try {
      await compileAhead(roleModules(shape))
      await platform.#open(AbortSignal.any([platform.#stopping.signal, ...(signal === undefined ? [] : [signal])]))
      return platform
    } catch (error) {
      await platform.stop()
      throw error
    }
  }

  private constructor(shape: PlatformShape, workspace: Workspace, metrics: Metrics, emit: Emit) {
    this.#shape = shape
    this.#workspace = workspace
    this.#metrics = metrics
    this.#emit = emit
  }

  /** where it listens, e.g. http://127.0.0.1:8787 */
  get address(): string {
    return this.#address
  }

  /** for whoever starts it at a terminal */
  get firstQuestions(): string {
    const { configuration, datasets } = this.#workspace
    const { data, keys } = configuration
    const asked = this.#shape.answers ? [...datasets.values()] : []
    return firstQuestions({ address: this.#address, data, datasets: asked, keyed: keys.length > 0 })
  }

  /** Takes nothing more in, stops the roles, and closes everything. Sources of events that the caller started must have stopped. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#app?.close()
    await this.#sinks?.stop()
    await Promise.all(this.#live.map((live) => live.stop()))
    await this.#reader?.close()
    await Promise.all(this.#roles.map((role) => role.stop()))
    await this.#workspace.close()
    this.#endCollections()
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { answers, intake, threads, processes = [] } = this.#shape
    signal.throwIfAborted()
    if (answers) this.#datasets = await this.#workspace.all('late')
    if (answers) this.#yieldEngines()
    if (answers) this.#answered = this.#answer()
    if (answers) this.#answering = new AnswerProbe(this.#live)
    this.#lakes = await this.#openLakes()
    if (intake) await this.#openIntakes()
    if (intake && this.#readsSources) await this.#startRole('sources', 'thread')
    signal.throwIfAborted()
    const [warm] = await Promise.all([
      warmUpViews(this.#live, signal, this.#emit),
      ...threads.map((name) => this.#startRole(name, 'thread')),
      ...processes.map((name) => this.#startRole(name, 'process')),
    ])
    signal.throwIfAborted()
    const listener = await this.#listen()
    await this.#startSinks()
    await warmUpRequests(listener, warm, signal)
    signal.throwIfAborted()
  }

  #yieldEngines(): void {
    const refused = yieldEngines(ENGINE_YIELDS)
    if (refused !== null)
      this.#emit({
        name: 'engine-priority-kept',
        level: 'warn',
        message: `the priority of the engine's threads could not be lowered, so answers may be slower while it folds: ${refused.message}`,
      })
  }

  async #startRole(name: RoleName, runsIn: 'thread' | 'process', link?: RoleSupervisorParts['link']): Promise<void> {
    if (name === 'present' && this.#workspace.configuration.presented === 'none') return
    const module = moduleOf(name)
    const role = new RoleSupervisor({ name, module, runsIn, input: this.#inputOf(name), emit: this.#emit, link })
    this.#roles.push(role)
    await role.start()
  }

  get #readsSources(): boolean {
    const { configuration, datasets } = this.#workspace
    return configuration.sources && [...datasets.values()].some(({ sources }) => sources.length > 0)
  }

  async #startSinks(): Promise<void> {
    const { configuration, folder } = this.#workspace
    if (this.#answered === null || !configuration.sinks) return
    this.#sinks = new SinkSet({ datasets: this.#answered, folder, configuration, emit: this.#emit })
    await this.#sinks.start()
  }

  async #openIntakes(): Promise<void> {
    const limits = intakeLimits(this.#workspace.configuration)
    const link = new IntakeLink(this.#emit)
    for (const name of this.#workspace.datasets.keys()) {
      const live = this.#live.find((each) => each.name === name)
      const appended = (ranges: readonly OffsetRange[]): void => live?.appended(ranges)
      this.intakes.set(name, new LinkedIntake(name, link, limits, this.#emit, appended))
    }
    await this.#startRole('intake', 'thread', (port) => link.connect(port))
  }

  async #listen(): Promise<Listener> {
    const { configuration } = this.#workspace
    const { host, port, keys } = configuration
    const { intake } = this.#shape
    const tls = listenerCertificate(configuration)
    if (tls !== null && tls.untilMs < Date.now())
      this.#emit({
        name: 'certificate-expired',
        level: 'error',
        message: `the certificate ${configuration.tlsCert} expired on ${new Date(tls.untilMs).toISOString()}; clients refuse it: renew it and restart`,
      })
    const board = await this.#jobBoard()
    const secrets = secretsOf(configuration)
    this.#app = buildServeApp({
      datasets: this.#answered,
      scratchFolder: this.#workspace.scratchFolder,
      intakes: intake ? this.intakes : null,
      metrics: this.#metrics,
      emit: this.#emit,
      limits: configuration,
      tls,
      keys,
      adminKey: configuration.adminKey,
      savedViews: await this.#savedViews(),
      sessions: await this.#sessions(),
      operations: this.#answered === null ? null : await this.#operations(secrets),
      webhookSecrets: webhookSecretsOf(configuration),
      ownKeyPaths: board === null ? [] : [board.path],
      page: this.#shape.answers ? new BuiltPageFiles() : null,
      sources: async () => (await allSourceReports(this.#workspace)).map((source) => servedSource(source, secrets)),
      demos: this.demos,
      sinks: async () => (await allSinkReports(this.#workspace)).map((sink) => servedSink(sink, secrets)),
      parts: async () => (await this.#parts()).map((part) => forEveryone(part, secrets)),
    })
    if (board !== null) this.#app.register(board.plugin, { prefix: board.path })
    try {
      await this.#app.listen({ host, port })
    } catch (error) {
      throw listenError(host, port, error as NodeJS.ErrnoException)
    }
    const bound = this.#app.server.address() as AddressInfo
    const protocol = tls === null ? 'http' : 'https'
    this.#address = `${protocol}://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
    return { ...bound, tls: tls !== null, key: keys[0] }
  }

  async #savedViews(): Promise<ReadonlyMap<string, SavedViewLedger> | null> {
    if (this.#answered === null) return null
    const { folder, configuration } = this.#workspace
    const ledgers = [...this.#answered.keys()].map(async (dataset) => {
      const texts = await openTexts('views', { dataset, folder, configuration })
      return [dataset, new SavedViewLedger(dataset, texts)] as const
    })
    return new Map(await Promise.all(ledgers))
  }

  /** Where there is a page to sign in to. */
  async #sessions(): Promise<SessionLedger | null> {
    const { configuration, folder } = this.#workspace
    return this.#shape.answers ? new SessionLedger(await openSessions(folder, configuration), configuration) : null
  }

  #operations(secrets: readonly string[]): Promise<OperationsPort> {
    const { folder, datasets, configuration } = this.#workspace
    const keyKeptMs = configuration.idempotencyKeepMs
    const sourcesOf = (dataset: string): readonly SourceDefinition[] => datasets.get(dataset)!.sources
    const parts = { folder, configuration, sourcesOf, secrets, keyKeptMs }
    return platformOperations({ datasets: this.#datasets, ...parts, emit: this.#emit })
  }

  /** Of the datasets that are answered here, or whose generations are built here. */
  async #openLakes(): Promise<readonly Lake[]> {
    const { answers, threads, processes = [] } = this.#shape
    if (answers) return this.#datasets.map(({ lake }) => lake)
    if (![...threads, ...processes].includes('batch')) return []
    const { folder, datasets, configuration } = this.#workspace
    return Promise.all([...datasets.keys()].map((dataset) => openLake({ dataset, folder, configuration })))
  }

  async #readings(): Promise<readonly StateReading[]> {
    const sources = sourceReadings(await allSourceReports(this.#workspace))
    const sinks = sinkReadings(await allSinkReports(this.#workspace))
    return [...(await stateReadings(this.#live)), ...(await verifyReadings(this.#lakes)), ...sources, ...sinks]
  }

  /** From resident states, which follow the log and the lake. */
  #answer(): ReadonlyMap<string, AnsweredDataset> {
    const { scratchFolder, configuration } = this.#workspace
    const limits = {
      answerBytesMax: configuration.answerBytesMax,
      largeFilesBytesMax: (configuration.serveMemoryMb * 1024 * 1024) / LARGE_FILES_SHARE,
    }
    const answered = this.#datasets.map((open): readonly [string, AnsweredDataset] => {
      const { dataset, lake, store, engine, log } = open
      const parts = {
        ...{ dataset, lake, store, engine, log },
        get partitions() {
          return open.partitions
        },
      }
      const followed = new LiveDataset({ ...parts, ...this.#readElsewhere(open), scratchFolder, limits })
      const live = new LiveAnswers(followed, (source) => this.#metrics.answerGiven(dataset.name, source))
      live.start()
      this.#live.push(live)
      return [dataset.name, { ...parts, live, scratchFolder }]
    })
    return new Map(answered)
  }

  /** Embedded parts, whose reads would block the thread that serves HTTP, are read by another one. */
  #readElsewhere({ dataset: { name }, log }: OpenDataset): Partial<Pick<LiveDatasetParts, 'log' | 'store'>> {
    const { configuration } = this.#workspace
    this.#reader ??= new StorageReader(configuration)
    const reader = this.#reader
    return {
      ...(configuration.log === 'sqlite' ? { log: reader.log(name, log.identity) } : {}),
      ...(configuration.speedStore === 'sqlite' ? { store: { markers: () => reader.markers(name) } } : {}),
    }
  }

  async #parts(): Promise<ServedPart[]> {
    const roles = this.#roles.flatMap((role) => servedParts(role.state()))
    const answers = (await this.#answering?.look()) ?? []
    const sinks = this.#sinks === null ? [] : (await allSinkReports(this.#workspace)).map(sinkPart)
    return [...roles, ...answers, ...sinks]
  }

  /** The page of batch jobs, where there is a queue and a key for it. */
  async #jobBoard(): Promise<{ readonly path: string; readonly plugin: FastifyPluginAsync } | null> {
    const { schedule, adminKey, redis } = this.#workspace.configuration
    if (schedule !== 'bullmq' || adminKey === undefined) return null
    const { jobBoard, JOB_BOARD_PATH: path } = await import('#serving/http/operations/job-board.ts')
    const { batchQueueName } = await import('#batch-layer/bullmq-queue.ts')
    const queues = [...this.#workspace.datasets.keys()].map(batchQueueName)
    return { path, plugin: jobBoard({ adminKey, url: redis.url, prefix: queuePrefixOf({ redis }), queues }) }
  }

  #inputOf(role: RoleName): RoleInput {
    const scratchFolder = join(this.#workspace.scratchFolder, role)
    mkdirSync(scratchFolder, { recursive: true })
    const { configuration } = this.#workspace
    return { configuration, scratchFolder, platformPid: process.pid, yields: YIELDS[role] }
  }
}
