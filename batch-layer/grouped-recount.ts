/**
 * A recount in groups of segments, whose states are merged: each group fits into an engine that all of history would not fit into, and others
 * can compute it. Groups that fail elsewhere are computed here.
 */
import { rm } from 'node:fs/promises'
import pLimit from 'p-limit'
import type { CompiledView } from '#core/compiled.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import type { BatchCompute, DuckDbCompute } from './batch-compute.ts'

/** events of a group, if its segments are not larger */
export const GROUP_ROWS = 5_000_000

/** suffix of files that are not complete */
const UNFINISHED = '.inprogress'

/** States of a view for a group of segments. */
export interface GroupStates {
  /** absolute */
  readonly path: string
  readonly rows: number
  /** when it is merged */
  remove(): Promise<void>
}

/** Those who compute groups elsewhere. */
export interface RecountWorkers {
  /** how many groups may be asked for at a time */
  readonly groupsAtOnce: number
  /** The states of the segments' events, in a file of their own. @throws where nobody computed them in time */
  recount(view: CompiledView, segments: readonly SegmentManifest[]): Promise<GroupStates>
}

export interface GroupedOptions {
  /** default: GROUP_ROWS */
  readonly groupRows?: number
  /** default: none, groups are computed here one after the other */
  readonly workers?: RecountWorkers
  readonly signal?: AbortSignal
  readonly emit?: Emit
}

export class GroupedCompute implements BatchCompute {
  readonly #own: DuckDbCompute
  readonly #options: GroupedOptions
  /** one statement at a time on the run's connection */
  readonly #here = pLimit(1)

  constructor(own: DuckDbCompute, options: GroupedOptions = {}) {
    this.#own = own
    this.#options = options
  }

  filesOf(...of: Parameters<BatchCompute['filesOf']>): readonly LakeFile[] {
    return this.#own.filesOf(...of)
  }

  async recount(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number> {
    const groups = groupsOf(segments, this.#options.groupRows ?? GROUP_ROWS)
    if (groups.length < 2) return this.#own.recount(view, segments, states, writePath)
    const stem = writePath.replace(UNFINISHED, '')
    const atOnce = pLimit(this.#options.workers?.groupsAtOnce ?? 1)
    const asked = groups.map((group, place) => atOnce(() => this.#part(view, group, `${stem}.group-${place}`)))
    const parts = await Promise.allSettled(asked)
    const made = parts.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : []))
    try {
      const failed = parts.find((part) => part.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      const paths = made.map(({ path }) => path)
      return await this.#own.mergeAll(view, paths, states, writePath)
    } finally {
      for (const part of made) await part.remove()
    }
  }

  async #part(view: CompiledView, group: readonly SegmentManifest[], stem: string): Promise<GroupStates> {
    const { workers, signal, emit = silent } = this.#options
    signal?.throwIfAborted()
    if (workers !== undefined) {
      try {
        return await untilAborted(workers.recount(view, group), signal)
      } catch (error) {
        signal?.throwIfAborted()
        const message = `a group of ${group.length} segments of view '${view.name}' was not recounted by another worker: ${(error as Error).message}; it is recounted here`
        emit({ name: 'group-recounted-here', level: 'warn', dataset: view.dataset, message })
      }
    }
    const path = `${stem}${UNFINISHED}`
    return this.#here(async () => {
      signal?.throwIfAborted()
      const rows = await this.#own.recount(view, group, [], path)
      return { path, rows, remove: () => rm(path, { force: true }) }
    })
  }

  merge(...of: Parameters<BatchCompute['merge']>): Promise<number> {
    return this.#own.merge(...of)
  }

  settle(...of: Parameters<BatchCompute['settle']>): ReturnType<BatchCompute['settle']> {
    return this.#own.settle(...of)
  }

  rowsIn(...of: Parameters<BatchCompute['rowsIn']>): ReturnType<BatchCompute['rowsIn']> {
    return this.#own.rowsIn(...of)
  }

  spread(...of: Parameters<BatchCompute['spread']>): ReturnType<BatchCompute['spread']> {
    return this.#own.spread(...of)
  }

  parts(...of: Parameters<BatchCompute['parts']>): ReturnType<BatchCompute['parts']> {
    return this.#own.parts(...of)
  }

  cut(...of: Parameters<BatchCompute['cut']>): ReturnType<BatchCompute['cut']> {
    return this.#own.cut(...of)
  }
}

/**
 * The segments in groups of about so many events, in their order.
 *
 * ```ts
 * groupsOf([{ rows: 3 }, { rows: 3 }, { rows: 3 }], 6) // [[{ rows: 3 }, { rows: 3 }], [{ rows: 3 }]]
 * ```
 */
export function groupsOf<Segment extends Pick<SegmentManifest, 'rows'>>(
  segments: readonly Segment[],
  rowsMax: number,
): Segment[][] {
  const groups: Segment[][] = []
  let rows = Number.POSITIVE_INFINITY
  for (const segment of segments) {
    if (rows + segment.rows > rowsMax) {
      groups.push([])
      rows = 0
    }
    groups.at(-1)!.push(segment)
    rows += segment.rows
  }
  return groups
}

/** Rejects as soon as the signal is aborted; the work itself continues, and its result is ignored. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const aborted = Promise.withResolvers<never>()
  const stop = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  return Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', stop))
}
