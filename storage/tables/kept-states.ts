/**
 * What a process knows of open tables since it last read or wrote them, so that a run reads only the versions since. A state is used only while the
 * log still has the version that it is of, with the same text: a table that was removed, restored or made anew is read as a whole.
 */
import { createHash } from 'node:crypto'
import type { TablePlace } from '../lake/table-place.ts'
import type { TableState } from './table-state.ts'

/** maximum number of files in the states that are kept of one place, present and removed; about half a kilobyte each */
export const KEPT_FILES_MAX = 200_000

interface KeptState {
  readonly state: TableState
  /** of the text of its version */
  readonly digest: string
}

export class KeptStates {
  static readonly #byPlace = new WeakMap<TablePlace, KeptStates>()
  readonly #filesMax: number
  /** by table; the one that was used longest ago first */
  readonly #kept = new Map<string, KeptState>()

  /** @param filesMax see KEPT_FILES_MAX */
  constructor(filesMax = KEPT_FILES_MAX) {
    this.#filesMax = filesMax
  }

  /** They are kept as long as the place is in use. */
  static of(place: TablePlace): KeptStates {
    const known = KeptStates.#byPlace.get(place)
    if (known) return known
    const states = new KeptStates()
    KeptStates.#byPlace.set(place, states)
    return states
  }

  get(table: string): TableState | null {
    return this.#kept.get(table)?.state ?? null
  }

  /** @param text of the state's version in the log now; null: it does not exist */
  isOf(table: string, text: string | null): boolean {
    return text !== null && this.#kept.get(table)?.digest === digestOf(text)
  }

  /** @param text of the state's version */
  keep(table: string, state: TableState, text: string): void {
    this.#kept.delete(table)
    this.#kept.set(table, { state, digest: digestOf(text) })
    let files = 0
    for (const [name, { state }] of [...this.#kept].toReversed()) {
      const own = state.files.size + state.removed.size
      if (files + own > this.#filesMax) this.#kept.delete(name)
      else files += own
    }
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
