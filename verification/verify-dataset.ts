/**
 * Verifies that no event was lost or counted twice: at one snapshot, compares every view's merged rows with a recount from raw
 * events. The two share only the definition's expressions: the recount reads no partials, merges nothing and reads no generation. Where raw
 * events were removed by policy, the states that are kept of them are taken as given (given-states.ts).
 * A slice (slice.ts) is compared in the same way, at the cost of what it holds. Works while events arrive and generations are published; if the lake changes underneath, it starts again.
 */
import type { CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { StateRange } from '#storage/lake/state-ranges.ts'
import { LogRangeError } from '#storage/log/event-log.ts'
import { compareView, type Relation, rowsWithin, type ViewComparison } from './compare-view.ts'
import { compareWithGiven, givenFiles, lostStates } from './given-states.ts'
import { MovedOnError, type PartitionCount, type RawParts, type RawPosition, rawRows } from './raw-rows.ts'
import { panesOf, type Slice, withinSql } from './slice.ts'

/** How often a verification is restarted before it fails. */
const TRIES_MAX = 5

/** What a reader sees at one snapshot. */
export interface MergedSnapshot {
  /** id of the generation; null before the first */
  readonly generation: string | null
  readonly positions: readonly RawPosition[]
  /** by partition, the first offset that the merged rows of the view count: those before it were removed before it was defined */
  countedFrom(view: CompiledView): readonly Offset[]
  /** what is left of the view's old panes */
  horizon(view: CompiledView): PaneHorizon
  /** relation with the view's pane, dimensions and presented measures, at the finest grain that the horizon leaves, of all layers together */
  merged(view: CompiledView): Relation
}

export interface VerifyParts extends Omit<RawParts, 'connection'> {
  readonly engine: { connect(): Promise<EngineConnection> }
  /** @param panes states that can hold none of these need not be read */
  snapshot(panes: StateRange): Promise<MergedSnapshot>
  /** what is compared; default: everything */
  readonly slice?: Slice | null
  readonly onView?: (view: string, done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface VerifyReport {
  readonly dataset: string
  readonly equal: boolean
  readonly generation: string | null
  /** what was compared; null: everything */
  readonly slice: Slice | null
  /** by partition: the offset up to which the log was counted, exclusive */
  readonly position: readonly Offset[]
  readonly partitions: readonly PartitionCount[]
  readonly views: readonly ViewComparison[]
  /** what could not be compared, one sentence for each */
  readonly notes: readonly string[]
  /** one sentence per kind of difference; empty if equal */
  readonly problems: readonly string[]
  readonly tookMs: number
}

/** @throws if something cannot be read, or if the lake changed TRIES_MAX times; never returns an incomplete report */
export async function verifyDataset(parts: VerifyParts): Promise<VerifyReport> {
  const startedMs = performance.now()
  const connection = await parts.engine.connect()
  const stop = (): void => connection.stop()
  parts.signal?.addEventListener('abort', stop)
  try {
    for (let tries = 1; ; tries++) {
      parts.signal?.throwIfAborted()
      try {
        const report = await verifyOnce(parts, connection)
        return { ...report, tookMs: Math.round(performance.now() - startedMs) }
      } catch (error) {
        parts.signal?.throwIfAborted()
        if (!movedOn(error) || tries === TRIES_MAX) throw error
      }
    }
  } finally {
    parts.signal?.removeEventListener('abort', stop)
    connection.close()
  }
}

/** Retention, compaction or a new generation changed the lake between the snapshot and the recount. */
function movedOn(error: unknown): boolean {
  if (error instanceof MovedOnError || error instanceof LogRangeError) return true
  if (error instanceof LakeError) return error.retryable
  return /No files found|No such file|Could not open/i.test((error as Error).message)
}

async function verifyOnce(parts: VerifyParts, connection: EngineConnection): Promise<Omit<VerifyReport, 'tookMs'>> {
  const { slice = null } = parts
  const snapshot = await parts.snapshot(panesOf(slice))
  const raw = await rawRows({ ...parts, connection }, snapshot.positions, slice)
  try {
    const views: ViewComparison[] = []
    const notes: string[] = []
    for (const view of parts.dataset.views.values()) {
      parts.signal?.throwIfAborted()
      parts.onView?.(view.name, views.length, parts.dataset.views.size)
      const rows = raw.relationFor(view)
      const within = slice === null ? 'true' : withinSql(view, slice)
      const horizon = snapshot.horizon(view)
      const recounted = rowsWithin({ sql: `(${view.recountSql(rows, horizon)})` }, within)
      const sides = { merged: rowsWithin(snapshot.merged(view), within), recounted }
      const given = givenFiles(view, raw.summaries)
      const lost = lostStates(view, raw.summaries, snapshot.countedFrom(view))
      if (lost !== null) notes.push(lost)
      views.push(
        given.length === 0 && lost === null
          ? await compareView(connection, view, sides)
          : await compareWithGiven(connection, view, parts.lake, { ...sides, rows, horizon, within, given, lost }),
      )
    }
    const problems = [...countProblems(raw.counts), ...viewProblems(views)]
    const { name } = parts.dataset
    const equal = problems.length === 0
    const { generation, positions } = snapshot
    const position = positions.map((place) => place.position)
    return { dataset: name, equal, generation, slice, position, partitions: raw.counts, views, notes, problems }
  } finally {
    await raw.drop()
  }
}

function countProblems(counts: readonly PartitionCount[]): string[] {
  return counts.flatMap(({ partition, positions, summarized, rows, doubles, deadLetters, gaps, holes }) => {
    const problems: string[] = []
    if (doubles > 0) problems.push(`partition ${partition}: ${doubles} offsets have more than one row`)
    if (summarized + rows + deadLetters + gaps + holes !== positions) {
      const given = summarized === 0 ? '' : `${summarized} summarized + `
      problems.push(
        `partition ${partition}: ${positions} offsets, but ${given}${rows} rows + ${deadLetters} dead letters + ${gaps} in gaps + ${holes} holes`,
      )
    }
    return problems
  })
}

function viewProblems(views: readonly ViewComparison[]): string[] {
  return views
    .filter((view) => view.different > 0)
    .map(
      ({ view, different, merged, recounted }) =>
        `view ${view}: ${different} rows differ (${merged} merged, ${recounted} recounted)`,
    )
}
