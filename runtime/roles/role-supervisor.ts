/** Keeps a role's worker thread or process alive: starts it, hears its events and state, and starts it again with growing pauses when it dies. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Emit } from '#telemetry/emit.ts'
import { EndedBySignal, ROLE_LIVES, type RoleLife, type RoleStart } from './role-life.ts'
import { errorOf, type FromRole, type PartStatus, type RoleInput } from './role-messages.ts'

const RESTART_MS_FIRST = 500
const RESTART_MS_MAX = 30_000
/** a role that lived this long begins again with the first pause */
const STEADY_MS = 60_000

export interface RoleSupervisorParts {
  /** stream, batch */
  readonly name: string
  readonly module: URL
  readonly runsIn: keyof typeof ROLE_LIVES
  readonly input: RoleInput
  readonly emit: Emit
  /** receives a port to each new life of the role */
  readonly link?: RoleStart['link']
}

export interface RoleState {
  readonly name: string
  readonly state: 'starting' | 'running' | 'restarting' | 'stopped'
  readonly restarts: number
  readonly fault: string | null
  readonly parts: readonly PartStatus[]
}

export class RoleSupervisor {
  readonly #parts: RoleSupervisorParts
  readonly #stopping = new AbortController()
  #life: RoleLife | null = null
  #loop: Promise<void> = Promise.resolve()
  #state: RoleState

  constructor(parts: RoleSupervisorParts) {
    this.#parts = parts
    this.#state = { name: parts.name, state: 'starting', restarts: 0, fault: null, parts: [] }
  }

  state(): RoleState {
    return this.#state
  }

  /** Resolves when the role runs. @throws what the role's first start threw; it is not tried again then */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>()
    this.#loop = this.#keepAlive(first)
    await first.promise
  }

  /** Stops the role cleanly and resolves when its thread or process has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#life?.stop()
    await this.#loop
    this.#note({ state: 'stopped' })
  }

  async #keepAlive(first: PromiseWithResolvers<void>): Promise<void> {
    const { signal } = this.#stopping
    let waitMs = RESTART_MS_FIRST
    while (!signal.aborted) {
      const startedAtMs = performance.now()
      const ran = { started: false }
      const ended = await this.#runOnce(() => {
        ran.started = true
        this.#note({ state: 'running', fault: null })
        first.resolve()
      })
      if (signal.aborted) return first.resolve(this.#stopped(ended))
      if (!ran.started && ended instanceof EndedBySignal && ended.isOfTerminal) continue
      const fault = ended ?? new Error(`the ${this.#parts.name} role stopped without being told to`)
      if (!ran.started && this.#state.restarts === 0) {
        this.#note({ state: 'stopped', fault: fault.message })
        return first.reject(fault)
      }
      if (performance.now() - startedAtMs >= STEADY_MS) waitMs = RESTART_MS_FIRST
      this.#died(fault, waitMs)
      await sleep(waitMs, undefined, { signal }).catch(() => {})
      waitMs = Math.min(waitMs * 2, RESTART_MS_MAX)
    }
  }

  /** One life of the role; resolves with why it ended; null: it stopped as it was told. */
  async #runOnce(started: () => void): Promise<Error | null> {
    const { module, input, name, runsIn, link } = this.#parts
    let told: Error | null = null
    let stopped = false
    const hear = (message: FromRole): void => {
      stopped ||= message.type === 'stopped'
      if (message.type === 'fault') told = errorOf(message)
      this.#hear(message, started)
    }
    try {
      this.#life = ROLE_LIVES[runsIn]({ name, module, input, hear, link })
    } catch (error) {
      return error as Error
    }
    if (this.#stopping.signal.aborted) this.#life.stop()
    const fault = await this.#life.ended
    this.#life = null
    return stopped ? fault : (told ?? fault ?? new Error(`the ${name} role's ${runsIn} ended by itself`))
  }

  #hear(message: FromRole, started: () => void): void {
    if (message.type === 'event') this.#parts.emit(message.event)
    else if (message.type === 'status') this.#note({ parts: message.parts })
    else if (message.type === 'started') started()
  }

  /** It was told to stop; a fault on the way is told, and does no harm: the next start goes on from the lake. */
  #stopped(fault: Error | null): void {
    if (fault === null) return
    this.#note({ fault: fault.message })
    this.#parts.emit({
      name: 'role-stop-failed',
      level: 'warn',
      message: `the ${this.#parts.name} role did not stop cleanly: ${fault.stack}; the next start goes on from the lake, nothing is lost`,
      fields: { role: this.#parts.name, error: fault.stack ?? fault.message },
    })
  }

  #died(fault: Error, waitMs: number): void {
    const restarts = this.#state.restarts + 1
    this.#note({ state: 'restarting', restarts, fault: fault.message })
    this.#parts.emit({
      name: 'role-restarted',
      level: 'error',
      message: `the ${this.#parts.name} role died: ${fault.message}; it starts again in ${waitMs} ms and goes on from the lake, nothing is lost`,
      fields: { role: this.#parts.name, restarts, waitMs },
    })
  }

  #note(change: Partial<RoleState>): void {
    this.#state = { ...this.#state, ...change }
  }
}
