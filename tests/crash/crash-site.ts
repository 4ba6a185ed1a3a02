/** A data folder that platforms are killed on: starts them, looks at what they left, and says what is wrong with it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfiguration } from '#runtime/configuration.ts'
import type { OpenDataset } from '#runtime/open-dataset.ts'
import { mergedSnapshot } from '#runtime/verify/merged-snapshot.ts'
import { type VerifyReport, verifyDataset } from '#runtime/verify/verify-dataset.ts'
import { Workspace } from '#runtime/workspace.ts'
import { takeSnapshot } from '#serving/snapshot.ts'
import { silent } from '#telemetry/emit.ts'
import { checkAcknowledged } from './check-acknowledged.ts'
import { type Death, describeDeath } from './crash-plan.ts'
import type { EventClient } from './event-client.ts'
import { type Exit, PlatformProcess } from './platform-process.ts'

/** Everything happens often, so that a crash meets it. */
const SETTINGS = {
  port: 0,
  partitions: 2,
  flushEveryMs: 50,
  pollEveryMs: 10,
  segmentAgeMsMax: 300,
  segmentRecordsMax: 2_000,
  readerGraceMs: 500,
  lakeGraceMs: 1_000,
  batchIncrementalCron: '* * * * * *',
  batchFullCron: '*/3 * * * * *',
  keepGenerations: 2,
  serveThreads: 1,
}

const DRAIN_MS_MAX = 60_000
/** a step that was not reached by then is a failure: nothing was tested */
const DEATH_MS_MAX = 60_000

export class CrashSite {
  readonly #folder: string
  readonly #file: string

  /** @param settings beside the shared ones: the services that the platforms stand on */
  static async make(settings: Readonly<Record<string, unknown>> = {}): Promise<CrashSite> {
    const folder = await mkdtemp(join(tmpdir(), 'watershed-crash-'))
    // The package name is for people's own files; the test runner resolves imports itself and knows only addresses.
    const definition = await readFile(new URL('./crash-events.ts', import.meta.url), 'utf8')
    const language = new URL('../../core/definition.ts', import.meta.url).href
    await writeFile(join(folder, 'crash-events.ts'), definition.replace("'watershed'", `'${language}'`))
    const file = join(folder, 'watershed.json')
    await writeFile(file, JSON.stringify({ ...SETTINGS, ...settings, data: 'data', datasets: ['./crash-events.ts'] }))
    return new CrashSite(folder, file)
  }

  private constructor(folder: string, file: string) {
    this.#folder = folder
    this.#file = file
  }

  get folder(): string {
    return this.#folder
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true })
  }

  /** Starts a platform, posts events into it, and lets it die. @throws when it does not die as planned */
  async crash(death: Death, client: EventClient): Promise<void> {
    const crashAt = death.kind === 'step' ? `${death.step}:${death.nth}` : ''
    const platform = this.#start({ WATERSHED_CRASH_AT: crashAt })
    const timer = setTimeout(() => platform.kill(), death.kind === 'moment' ? death.afterMs : DEATH_MS_MAX)
    const over = new AbortController()
    const posting = platform.address.then(
      (address) => client.postUntilGone(address, over.signal),
      () => {},
    )
    const startedMs = performance.now()
    const exit = await platform.exited
    clearTimeout(timer)
    over.abort()
    await posting
    if (exit.signal !== 'SIGKILL') {
      throw new Error(`${describeDeath(death)}: it ended with ${exit.signal ?? exit.code} by itself:\n${platform.said}`)
    }
    if (death.kind === 'step' && performance.now() - startedMs >= DEATH_MS_MAX) {
      throw new Error(`${describeDeath(death)}: the step was not reached in ${DEATH_MS_MAX} ms:\n${platform.said}`)
    }
  }

  /** Starts platforms (one, or single roles side by side), posts events into the first while `fault` comes and goes, and stops them all. */
  async survive(
    client: EventClient,
    fault: (platforms: readonly PlatformProcess[]) => Promise<void>,
    commands = ['start'],
  ) {
    const platforms = commands.map((command) => this.#start({}, command))
    const over = new AbortController()
    try {
      const [address] = await Promise.all(platforms.map((platform) => platform.address))
      const posting = client.postThrough(address!, over.signal)
      await fault(platforms)
      over.abort()
      await posting
    } catch (error) {
      const said = platforms.map((platform) => platform.said).join('\n')
      throw new Error(`${(error as Error).message}\nthe platforms said:\n${said}`, { cause: error })
    } finally {
      over.abort()
      for (const platform of platforms) await this.#end(platform, 'kill')
    }
  }

  /** Starts a platform again, waits until it has counted everything, and checks what it answers. Returns the number of events. */
  async check(client: EventClient, end: 'stop' | 'kill'): Promise<number> {
    const platform = this.#start({})
    try {
      const address = await platform.address
      const workspace = await this.#workspace()
      try {
        const open = await workspace.dataset('crash_events')
        await drained(open)
        const report = await this.#verify(open, workspace.scratchFolder)
        const log = await checkAcknowledged(open.log, client.acknowledged, client.sent)
        await this.#checkAnswer(address, report)
        if (log.problems.length > 0) throw new Error(log.problems.slice(0, 10).join('\n'))
        if (/found differences/.test(platform.said)) throw new Error('its own verify found differences')
        return log.events
      } finally {
        await workspace.close()
      }
    } catch (error) {
      throw new Error(`${(error as Error).message}\nthe platform said:\n${platform.said}`, { cause: error })
    } finally {
      await this.#end(platform, end)
    }
  }

  #start(environment: Readonly<Record<string, string>>, command = 'start'): PlatformProcess {
    return new PlatformProcess({ command, arguments: ['--config', this.#file], environment })
  }

  async #workspace(): Promise<Workspace> {
    return Workspace.open(await loadConfiguration({ file: this.#file }), 'serve', silent)
  }

  async #verify(open: OpenDataset, scratchFolder: string): Promise<VerifyReport> {
    const report = await verifyDataset({ ...open, scratchFolder, snapshot: () => mergedSnapshot(open) })
    if (report.equal) return report
    const first = report.views.flatMap(({ view, first: rows }) => rows.map((row) => `${view}: ${JSON.stringify(row)}`))
    throw new Error(`verify is not equal: ${[...report.problems, ...first.slice(0, 10)].join('\n')}`)
  }

  /** What a client is told must be what the recount says. */
  async #checkAnswer(address: string, report: VerifyReport): Promise<void> {
    const url = `${address}/v1/datasets/crash_events/views/by_kind?dimensions=&measures=events`
    const answer = (await (await fetch(url)).json()) as { data: { events: number }[] }
    const rows = report.partitions.reduce((sum, count) => sum + count.rows, 0)
    const events = answer.data[0]?.events ?? 0
    if (events !== rows)
      throw new Error(`the answer counts ${events} events, the recount ${rows}: ${JSON.stringify(answer)}`)
  }

  async #end(platform: PlatformProcess, end: 'stop' | 'kill'): Promise<void> {
    const exit: Exit = await (end === 'stop' ? platform.stop() : platform.kill())
    if (end === 'stop' && exit.code !== 0) {
      throw new Error(`a clean stop ended with ${exit.signal ?? exit.code}:\n${platform.said}`)
    }
  }
}

/** Resolves when every event in the log is counted. */
async function drained(open: OpenDataset): Promise<void> {
  const deadline = performance.now() + DRAIN_MS_MAX
  for (;;) {
    const { partitions } = await takeSnapshot(open)
    const behind: string[] = []
    for (const { partition, position } of partitions) {
      const { end } = await open.log.range(partition)
      if (position < end) behind.push(`partition ${partition}: ${position} of ${end}`)
    }
    if (behind.length === 0) return
    if (performance.now() > deadline) throw new Error(`not drained in ${DRAIN_MS_MAX} ms: ${behind.join(', ')}`)
    await sleep(20)
  }
}
