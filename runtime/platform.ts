/**
 * All roles in one process. This thread takes events in and answers queries; the stream role and the batch role each have a
 * worker thread with an engine of its own. Stopping goes the way of the data: nothing more is taken in, then the stream role
 * flushes what it folded, then the batch role stops between two steps. What was acknowledged is in the log whatever happens.
 */
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Intake } from '#ingest/intake.ts'
import { buildServeApp } from '#serving/serve-app.ts'
import type { Emit } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { CommandError } from './exit-codes.ts'
import { firstQuestions } from './first-questions.ts'
import { intakeLimits, intakePort } from './intake-port.ts'
import type { OpenDataset } from './open-dataset.ts'
import type { RoleInput } from './roles/role-messages.ts'
import { RoleSupervisor } from './roles/role-supervisor.ts'
import { servedParts } from './served-parts.ts'
import type { Configuration } from './settings.ts'
import { stateReadings } from './state-readings.ts'
import { Workspace } from './workspace.ts'

const ROLES = ['stream', 'batch'] as const

export class Platform {
  readonly intakes = new Map<string, Intake>()
  readonly #workspace: Workspace
  readonly #emit: Emit
  readonly #metrics: Metrics
  readonly #roles: RoleSupervisor[] = []
  #datasets: readonly OpenDataset[] = []
  #app: FastifyInstance | null = null
  #address = ''

  /** Opens everything, starts the roles, and listens. @throws what keeps a part from starting; nothing is left running then */
  static async start(configuration: Configuration, log: Emit): Promise<Platform> {
    let platform: Platform | null = null
    const metrics = new Metrics(() => stateReadings(platform === null ? [] : platform.#datasets))
    const emit: Emit = (event) => {
      metrics.count(event)
      log(event)
    }
    platform = new Platform(await Workspace.open(configuration, 'serve', emit), metrics, emit)
    try {
      await platform.#open()
      return platform
    } catch (error) {
      await platform.stop()
      throw error
    }
  }

  private constructor(workspace: Workspace, metrics: Metrics, emit: Emit) {
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
    return firstQuestions({ address: this.#address, data, datasets: datasets.values(), keyed: keys.length > 0 })
  }

  /** Stops in the order of the data's way and closes everything. Sources of events that the caller started must have stopped. */
  async stop(): Promise<void> {
    await this.#app?.close()
    for (const role of this.#roles) await role.stop()
    await this.#workspace.close()
  }

  async #open(): Promise<void> {
    const { configuration } = this.#workspace
    const limits = intakeLimits(configuration)
    this.#datasets = await this.#workspace.all()
    for (const { dataset, log } of this.#datasets) {
      this.intakes.set(dataset.name, new Intake({ dataset, log, limits, emit: this.#emit }))
    }
    for (const name of ROLES) {
      const module = new URL(`./roles/${name}-thread.ts`, import.meta.url)
      const role = new RoleSupervisor({ name, module, input: this.#inputOf(name), emit: this.#emit })
      this.#roles.push(role)
      await role.start()
    }
    await this.#listen()
  }

  async #listen(): Promise<void> {
    const { configuration } = this.#workspace
    const { host, port, keys } = configuration
    const ports = [...this.intakes].map(([name, intake]) => [name, intakePort(intake, configuration)] as const)
    this.#app = buildServeApp({
      datasets: new Map(this.#datasets.map((open) => [open.dataset.name, open])),
      intakes: new Map(ports),
      metrics: this.#metrics,
      emit: this.#emit,
      limits: configuration,
      keys,
      parts: () => this.#roles.flatMap((role) => servedParts(role.state())),
    })
    try {
      await this.#app.listen({ host, port })
    } catch (error) {
      throw new CommandError(
        'busy',
        `can not listen on ${host}:${port}: ${(error as Error).message}; choose another with --port`,
        {
          cause: error,
        },
      )
    }
    const bound = this.#app.server.address() as AddressInfo
    this.#address = `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
  }

  #inputOf(role: string): RoleInput {
    const scratchFolder = join(this.#workspace.scratchFolder, role)
    mkdirSync(scratchFolder, { recursive: true })
    return { configuration: this.#workspace.configuration, scratchFolder }
  }
}
