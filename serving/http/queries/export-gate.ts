/** The limits of exports, and their turns, which are apart from those of short queries. */
import { QueryGate } from './query-gate.ts'

export interface ExportLimits {
  /** written at the same time */
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

/** Files that are written or sent at a time, for each export that is written: a client that reads slowly takes no turn of the others. */
const FILES_PER_EXPORT = 4

/** The limit of waiting exports is reached. */
export class TooManyExportsError extends Error {
  constructor({ exportsMax, queriesWaitingMax }: ExportLimits, what: string) {
    super(`exportsMax = ${exportsMax}: ${what}, and queriesWaitingMax = ${queriesWaitingMax} are waiting; retry later`)
    this.name = 'TooManyExportsError'
  }
}

/** An export has a place until its client has taken everything, and a turn only while its rows are computed and written. */
export interface ExportGates {
  readonly places: QueryGate
  readonly turns: QueryGate
}

/** One client leaves turns and places to others. */
export function exportGates(limits: ExportLimits): ExportGates {
  const { exportsMax, queriesWaitingMax } = limits
  const [files, own] = [exportsMax * FILES_PER_EXPORT, exportsMax]
  const places = { queriesMax: files, queriesPerClientMax: own, queriesWaitingMax }
  const turns = { queriesMax: exportsMax, queriesPerClientMax: Math.max(1, exportsMax - 1), queriesWaitingMax }
  const isFull = `${files} exports (limit=all), or ${own} of this client, are being written or sent`
  return {
    places: new QueryGate(places, () => new TooManyExportsError(limits, isFull)),
    turns: new QueryGate(turns, () => new TooManyExportsError(limits, 'so many exports (limit=all) are being written')),
  }
}
