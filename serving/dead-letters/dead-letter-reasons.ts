/** Dead letters of closed segments by reason. Files are immutable, so each one is counted once. */
import { quoteText } from '#core/sql-names.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { onConnection } from '../answers/time-limit.ts'
import { reasonKindSql } from './letter-reasons-sql.ts'

/** kinds of reasons that are listed; the rest is counted together */
export const REASONS_MAX = 100
/** files that one statement reads: what is counted stays counted when the time is over */
const FILES_AT_ONCE = 128
/** files whose counts are remembered per dataset */
const FILES_MAX = 20_000
export const OTHER_REASONS = 'other reasons'

export interface CountedReason {
  /** what the reasons have in common: values in quotes are '…', and numbers are # */
  readonly reason: string
  readonly count: number
  /** arrival of the newest one, epoch ms */
  readonly newestAtMs: number
}

export class DeadLetterReasons {
  readonly #served: ServedDataset
  #counted = new Map<string, readonly CountedReason[]>()

  readonly #filesAtOnce: number

  constructor(served: ServedDataset, filesAtOnce = FILES_AT_ONCE) {
    this.#served = served
    this.#filesAtOnce = filesAtOnce
  }

  /**
   * The most frequent kinds first. Reads only files that are new since the last call.
   * @param files the dead letter files of the closed segments. @throws LakeError
   */
  async count(files: readonly LakeFile[], signal: AbortSignal): Promise<readonly CountedReason[]> {
    const fresh = files.filter(({ path }) => !this.#counted.has(path))
    const read = new Map<string, readonly CountedReason[]>()
    for (let from = 0; from < fresh.length; from += this.#filesAtOnce)
      for (const [path, reasons] of await this.#read(fresh.slice(from, from + this.#filesAtOnce), signal)) {
        read.set(path, reasons)
        if (this.#counted.size < FILES_MAX) this.#counted.set(path, reasons)
      }
    const kept = files
      .slice(-FILES_MAX)
      .map(({ path }) => [path, this.#counted.get(path) ?? read.get(path) ?? []] as const)
    const all = files.flatMap(({ path }) => this.#counted.get(path) ?? read.get(path) ?? [])
    this.#counted = new Map(kept)
    return mostFrequent(summed(all))
  }

  async #read(files: readonly LakeFile[], signal: AbortSignal): Promise<Map<string, CountedReason[]>> {
    const { lake, engine } = this.#served
    await lake.check(files)
    const byPath = new Map(files.map((file) => [lake.resolve(file), file.path]))
    const paths = [...byPath.keys()].map(quoteText).join(', ')
    const found = new Map<string, CountedReason[]>(files.map(({ path }) => [path, []]))
    await onConnection(engine, signal, async (connection) => {
      const [names, reasons, counts, newest] = await connection.columns(
        `SELECT filename, ${reasonKindSql('reason')} AS kind, count(*)::DOUBLE, max(_arrival)::DOUBLE
         FROM read_parquet([${paths}], filename = true) GROUP BY ALL`,
      )
      for (const [index, name] of (names as string[]).entries())
        found.get(byPath.get(name)!)!.push({
          reason: reasons![index] as string,
          count: counts![index] as number,
          newestAtMs: newest![index] as number,
        })
    })
    return found
  }
}

function summed(counted: readonly CountedReason[]): CountedReason[] {
  const sums = new Map<string, CountedReason>()
  for (const one of counted) {
    const sum = sums.get(one.reason) ?? { reason: one.reason, count: 0, newestAtMs: 0 }
    sums.set(one.reason, {
      ...sum,
      count: sum.count + one.count,
      newestAtMs: Math.max(sum.newestAtMs, one.newestAtMs),
    })
  }
  return [...sums.values()].sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1))
}

function mostFrequent(sorted: readonly CountedReason[]): CountedReason[] {
  if (sorted.length <= REASONS_MAX) return [...sorted]
  const rest = sorted.slice(REASONS_MAX - 1).map((one) => ({ ...one, reason: OTHER_REASONS }))
  return [...sorted.slice(0, REASONS_MAX - 1), ...summed(rest)]
}
