/** The limits of exports, and their turns, which are apart from those of short queries. */
import { QueryGate } from './query-gate.ts'

export interface ExportLimits {
  /** written or sent at the same time */
  readonly exportsMax: number
  /** until all rows are written, waiting included */
  readonly exportMsMax: number
  /** of the file of one export */
  readonly exportBytesMax: number
  /** of the engine of one export */
  readonly exportMemoryMb: number
  readonly exportThreads: number
  /** while it is sent, between two moments at which the client takes something */
  readonly exportStalledMsMax: number
  /** until everything is sent */
  readonly exportSendMsMax: number
  readonly queriesWaitingMax: number
}

/** The limit of waiting exports is reached. */
export class TooManyExportsError extends Error {
  constructor({ exportsMax, queriesWaitingMax }: ExportLimits) {
    super(
      `exportsMax = ${exportsMax} exports (limit=all) are running and queriesWaitingMax = ${queriesWaitingMax} are waiting; retry later`,
    )
    this.name = 'TooManyExportsError'
  }
}

/** One client leaves a turn to others, where there are several. */
export function exportGate(limits: ExportLimits): QueryGate {
  const { exportsMax, queriesWaitingMax } = limits
  const gate = { queriesMax: exportsMax, queriesPerClientMax: Math.max(1, exportsMax - 1), queriesWaitingMax }
  return new QueryGate(gate, () => new TooManyExportsError(limits))
}
