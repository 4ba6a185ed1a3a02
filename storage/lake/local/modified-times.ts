/**
 * When folders were modified. The system mostly knows that, and tells it within a few µs; to hand such a call to a thread and back takes ten times as
 * long, and readers make hundreds of them for each look. Only where calls take long, as on a file system in a network, are they handed to threads,
 * so that nothing else of the process waits for them.
 */
import { type BigIntStats, stat, statSync } from 'node:fs'
import { isMissing } from '../lake-error.ts'

/** of one call; a process that has to wait for a processor takes as long now and then, but not twice in a row */
const LONG_MS = 0.5
/** how long calls are handed to threads then */
const HANDED_FOR_MS = 10_000

/** For tests. */
export interface StatCalls {
  /** null: it does not exist */
  readonly here: (folder: string) => bigint | null
  readonly onThread: (folder: string) => Promise<bigint | null>
  readonly nowMs: () => number
}

export class ModifiedTimes {
  readonly #calls: StatCalls
  #wasLong = false
  #handedUntilMs = Number.NEGATIVE_INFINITY

  constructor(calls: StatCalls = STAT) {
    this.#calls = calls
  }

  /** @returns ns of the epoch; null: the folder does not exist */
  async of(folder: string): Promise<bigint | null> {
    const { here, onThread, nowMs } = this.#calls
    const began = nowMs()
    if (began < this.#handedUntilMs) return onThread(folder)
    const modified = here(folder)
    const ended = nowMs()
    const isLong = ended - began > LONG_MS
    if (isLong && this.#wasLong) this.#handedUntilMs = ended + HANDED_FOR_MS
    this.#wasLong = isLong
    return modified
  }
}

const STAT: StatCalls = {
  here: (folder) => statSync(folder, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? null,
  onThread: async (folder) => {
    try {
      return (await statOf(folder)).mtimeNs
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  },
  nowMs: () => performance.now(),
}

/** The functions of node:fs take a third of the processor time of those in node:fs/promises. */
function statOf(folder: string): Promise<BigIntStats> {
  return new Promise((resolve, reject) =>
    stat(folder, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats))),
  )
}
