/** A source that cannot be opened, for example because its credentials are missing. As long as it is paused, that is not a fault. */
import type { SourceDefinition } from '#core/source-definition.ts'
import type { SourceStatus } from '#ingest/sources/source-state.ts'
import type { SourceLedger } from '#storage/log/source-ledger.ts'
import type { Emit } from '#telemetry/emit.ts'

export interface UnopenedSourceParts {
  readonly dataset: string
  readonly definition: SourceDefinition
  /** why it cannot be opened */
  readonly reason: string
  readonly ledger: Pick<SourceLedger, 'list'>
  readonly emit: Emit
}

export class UnopenedSource {
  readonly #parts: UnopenedSourceParts
  #state: 'starting' | 'paused' | 'refused' = 'starting'

  constructor(parts: UnopenedSourceParts) {
    this.#parts = parts
  }

  status(): SourceStatus {
    const { dataset, definition, reason } = this.#parts
    const { name: source, kind } = definition
    const nothing = {
      events: 0,
      rejected: 0,
      cursor: null,
      lastEventMs: null,
      lagMs: null,
      resumption: 'exact',
    } as const
    return { dataset, source, kind, state: this.#state, reason, ...nothing }
  }

  /** Whether somebody has paused or resumed it. @throws what the log throws */
  async look(): Promise<void> {
    const { dataset, definition, reason, ledger, emit } = this.#parts
    const { name, paused = false } = definition
    const position = (await ledger.list()).find(({ source }) => source === name)
    const state = (position?.paused ?? paused) ? 'paused' : 'refused'
    if (state === 'refused' && this.#state !== state) {
      const message = `dataset '${dataset}', source '${name}' is not read: ${reason}; mend it and restart`
      emit({ name: 'source-refused', level: 'error', message, dataset, fields: { source: name } })
    }
    this.#state = state
  }

  async stop(): Promise<void> {}
}
