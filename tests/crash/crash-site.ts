/** A data folder that platforms are killed on: starts them, looks at what they left, and says what is wrong with it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkCounted } from './check-counted.ts'
import { type Death, describeDeath } from './crash-plan.ts'
import type { EventClient } from './event-client.ts'
import { placeDefinition } from './place-definition.ts'
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
    await placeDefinition(folder)
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
    // The roles of a platform that was killed end a moment after it, and may still write.
    return rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
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
      const place = { configuration: this.#file, addresses: [await platform.address], drainMsMax: DRAIN_MS_MAX }
      const events = await checkCounted(place, client)
      if (/found differences/.test(platform.said)) throw new Error('its own verify found differences')
      return events
    } catch (error) {
      throw new Error(`${(error as Error).message}\nthe platform said:\n${platform.said}`, { cause: error })
    } finally {
      await this.#end(platform, end)
    }
  }

  #start(environment: Readonly<Record<string, string>>, command = 'start'): PlatformProcess {
    return new PlatformProcess({ command, arguments: ['--config', this.#file], environment })
  }

  async #end(platform: PlatformProcess, end: 'stop' | 'kill'): Promise<void> {
    const exit: Exit = await (end === 'stop' ? platform.stop() : platform.kill())
    if (end === 'stop' && exit.code !== 0) {
      throw new Error(`a clean stop ended with ${exit.signal ?? exit.code}:\n${platform.said}`)
    }
  }
}
