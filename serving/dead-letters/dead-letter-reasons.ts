/**
 * Counts dead letters of closed segments by reason, as a running total: each letter is read once, and an interrupted count resumes where it
 * stopped. All letters are counted again only after some were removed (`keep.raw`) or a log was truncated.
 */
import pLimit from 'p-limit'
import type { Offset } from '#core/offsets.ts'
import { quoteText } from '#core/sql-names.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { isVanishedFile } from '../answers/merged-view.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { onConnection } from '../answers/time-limit.ts'
import { type ClosedLetters, lettersSince } from './closed-letters.ts'
import { reasonKindSql } from './letter-reasons-sql.ts'

/** kinds of reasons that are listed; the rest is counted together */
export const REASONS_MAX = 100
/** kinds of reasons that are told apart; what has another one after that is counted with the rest */
const KINDS_MAX = 10_000
/** files that one statement reads: what is counted stays counted when the time is over */
const FILES_AT_ONCE = 128
export const OTHER_REASONS = 'other reasons'

export interface CountedReason {
  /** what the reasons have in common: values in quotes are '…', and numbers are # */
  readonly reason: string
  readonly count: number
  /** arrival of the newest one, epoch ms */
  readonly newestAtMs: number
}

interface Waiting extends ClosedLetters {
  /** letters before this offset are counted, or removed */
  readonly from: Offset
}

const counted = new WeakMap<Lake, DeadLetterReasons>()

/** The counter of a dataset, shared by all callers in this process. */
export function deadLetterReasons(served: ServedDataset): DeadLetterReasons {
  const reasons = counted.get(served.lake) ?? new DeadLetterReasons(served)
  counted.set(served.lake, reasons)
  return reasons
}

export class DeadLetterReasons {
  readonly #served: ServedDataset
  readonly #filesAtOnce: number
  readonly #oneCount = pLimit(1)
  #sums = new Map<string, CountedReason>()
  /** by partition: letters before are in the sums */
  #counted: Offset[] = []
  /** by partition: segments before were listed */
  #listed: readonly Offset[] = []
  /** by partition: letters before were removed by policy */
  #floor: readonly Offset[] = []
  /** listed and not counted, the first one last */
  #waiting: Waiting[] = []

  constructor(served: ServedDataset, filesAtOnce = FILES_AT_ONCE) {
    this.#served = served
    this.#filesAtOnce = filesAtOnce
  }

  /**
   * The most frequent kinds first, of all letters that are kept. Reads only letters that are new since the last call.
   * @param generation the current one; null: there is none, or it cannot be read
   * @param signal ends the count; what is counted by then stays so. @throws LakeError
   */
  count(generation: GenerationManifest | null, signal: AbortSignal): Promise<readonly CountedReason[]> {
    return this.#oneCount(async () => {
      signal.throwIfAborted()
      this.#remove(generation?.floor ?? [])
      try {
        await this.#countNew(generation, signal)
      } catch (error) {
        if (!isVanishedFile(error)) throw error
        // Compaction has merged it with others: what is not counted is listed again.
        this.#waiting = []
        this.#listed = [...this.#counted]
        await this.#countNew(generation, signal)
      }
      return mostFrequent([...this.#sums.values()])
    })
  }

  /** Starts over if letters that were counted have been removed since. A rollback does not bring them back. */
  #remove(floor: readonly Offset[]): void {
    if (floor.some((offset, partition) => offset > (this.#floor[partition] ?? 0))) this.#restart(floor)
  }

  #restart(floor: readonly Offset[]): void {
    this.#floor = floor
    this.#sums = new Map()
    this.#waiting = []
    this.#listed = []
    this.#counted = []
  }

  async #countNew(generation: GenerationManifest | null, signal: AbortSignal): Promise<void> {
    await this.#countWaiting(signal)
    await this.#list(generation)
    await this.#countWaiting(signal)
  }

  async #list(generation: GenerationManifest | null): Promise<void> {
    const { lake, partitions } = this.#served
    const since = await lettersSince(lake, partitions, generation, this.#listed)
    if (since === null) {
      this.#restart(generation?.floor ?? [])
      return this.#list(generation)
    }
    const fromOf = ({ partition, start }: ClosedLetters): Offset =>
      Math.max(start, this.#listed[partition] ?? 0, this.#floor[partition] ?? 0)
    this.#waiting = since.letters
      .map((letters) => ({ ...letters, from: fromOf(letters) }))
      .filter(({ from, end }) => from < end)
      .reverse()
    this.#listed = since.ends
  }

  async #countWaiting(signal: AbortSignal): Promise<void> {
    while (this.#waiting.length > 0) {
      signal.throwIfAborted()
      const some = this.#waiting.slice(-this.#filesAtOnce).reverse()
      for (const reason of await this.#read(some, signal)) this.#add(reason)
      this.#waiting.length -= some.length
      for (const { partition, end } of some) this.#counted[partition] = end
    }
    this.#counted = [...this.#listed]
  }

  #add(read: CountedReason): void {
    const isKnown = this.#sums.has(read.reason) || this.#sums.size < KINDS_MAX
    addTo(this.#sums, isKnown ? read : { ...read, reason: OTHER_REASONS })
  }

  async #read(letters: readonly Waiting[], signal: AbortSignal): Promise<CountedReason[]> {
    const { lake, engine } = this.#served
    await lake.check(letters.map(({ file }) => file))
    const paths = letters.map(({ file }) => quoteText(lake.resolve(file))).join(', ')
    const partly = letters.filter(({ start, from }) => start < from)
    const others = partly.map(({ partition, from }) => `NOT (_partition = ${partition} AND _offset < ${from})`)
    return onConnection(engine, signal, async (connection) => {
      const [kinds, counts, newest] = await connection.columns(
        `SELECT ${reasonKindSql('reason')} AS kind, count(*)::DOUBLE, max(_arrival)::DOUBLE
         FROM read_parquet([${paths}]) ${others.length === 0 ? '' : `WHERE ${others.join(' AND ')}`} GROUP BY ALL`,
      )
      return (kinds as string[]).map((reason, index) => ({
        reason,
        count: counts![index] as number,
        newestAtMs: newest![index] as number,
      }))
    })
  }
}

function addTo(sums: Map<string, CountedReason>, { reason, count, newestAtMs }: CountedReason): void {
  const sum = sums.get(reason) ?? { count: 0, newestAtMs: 0 }
  sums.set(reason, { reason, count: sum.count + count, newestAtMs: Math.max(sum.newestAtMs, newestAtMs) })
}

function mostFrequent(sums: readonly CountedReason[]): CountedReason[] {
  const isOther = ({ reason }: CountedReason): number => Number(reason === OTHER_REASONS)
  const sorted = sums.toSorted((a, b) => isOther(a) - isOther(b) || b.count - a.count || (a.reason < b.reason ? -1 : 1))
  if (sorted.length <= REASONS_MAX) return sorted
  const listed = new Map<string, CountedReason>()
  for (const [index, sum] of sorted.entries())
    addTo(listed, index < REASONS_MAX - 1 ? sum : { ...sum, reason: OTHER_REASONS })
  return [...listed.values()]
}
