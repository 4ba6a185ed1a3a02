/** Updates the presented indices in rounds until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Emit } from '#telemetry/emit.ts'
import type { Presenter } from './presenter.ts'

export interface PresentLoopParts {
  readonly dataset: string
  readonly presenter: Pick<Presenter, 'presentOnce'>
  /** from the end of one round to the start of the next */
  readonly everyMs?: number
  readonly emit: Emit
}

export const PRESENT_EVERY_MS = 10_000

export class PresentLoop {
  readonly #parts: PresentLoopParts
  readonly #stopping = new AbortController()
  #running: Promise<void> | null = null

  constructor(parts: PresentLoopParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when the running round has finished. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { dataset, presenter, emit, everyMs = PRESENT_EVERY_MS } = this.#parts
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await presenter.presentOnce().catch((error: Error) => {
        emit({
          name: 'present-failed',
          level: 'error',
          dataset,
          message: `presented indices: ${error.message}; retried in the next round`,
        })
      })
      await sleep(everyMs, undefined, { signal }).catch(() => {})
    }
  }
}
