/**
 * Keeps the presented indices of one dataset up to date with the answers: `presentOnce` is one round over all of them. Every row is a merged
 * answer. Each index stores the log positions of its rows, from which the changes since the last round follow; so a round that
 * is repeated, or executed by two processes at once, results in the same rows.
 */
import type { CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { hasPanes, hasWindow, type WindowedView } from '#core/view-time.ts'
import type {
  PresentedIndex,
  PresentedProgress,
  PresentedStore,
  PresentedTally,
} from '#storage/presented-store/presented-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import { type ServedDataset, type Snapshot, takeSnapshot } from '../answers/snapshot.ts'
import { type EventStep, eventSource, nextEvents } from './presented-events.ts'
import {
  definitionHash,
  definitionOf,
  eventsIndex,
  indexOf,
  type KnownProgress,
  progressOf,
} from './presented-index.ts'
import { comesBack, goneRows, mergedSince } from './presented-past.ts'
import { placesOf } from './presented-places.ts'
import { type RowSource, settledRows, settleRows } from './presented-rows.ts'
import { rangesSource, type SnapshotSource, versionOf, viewSource } from './presented-view.ts'
import { GLOBAL, type Place, scopesOf, WINDOWS_PER_STATEMENT, windowEnds, windowSource } from './presented-windows.ts'
import { touchedPanes } from './touched-panes.ts'

export interface PresenterParts {
  readonly served: ServedDataset
  readonly store: PresentedStore
  readonly emit: Emit
  /** default: all of the dataset's */
  readonly views?: readonly string[]
  /** days of windows are dropped this long after they end */
  readonly windowRetentionMs?: number
  /** also present raw events; their days are dropped this long after they end */
  readonly eventRetentionMs?: number
  readonly clock?: () => number
}

/** What a round did with one index. */
export interface PresentedReport {
  readonly index: string
  readonly change: 'none' | 'all' | 'some' | 'failed'
  readonly rows: number
  readonly refused: number
}

export const WINDOW_RETENTION_MS = 2 * 86_400_000

export class Presenter {
  readonly #parts: PresenterParts
  readonly #clock: () => number
  #places: { readonly generation: string | null; readonly of: Map<string, readonly Place[]> } | null = null

  constructor(parts: PresenterParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? Date.now
  }

  /** The indices that it keeps, as people query them. */
  indices(): readonly PresentedIndex[] {
    const events = this.#parts.eventRetentionMs === undefined ? [] : [eventsIndex(this.#parts.served)]
    return [...this.#views().map((view) => this.#indexOf(view)), ...events]
  }

  /** Updates every index. A fault of one is reported and does not affect the others; the next round retries. */
  async presentOnce(): Promise<readonly PresentedReport[]> {
    const { served } = this.#parts
    const snapshot = await takeSnapshot(served, { views: this.#views() })
    const reports: PresentedReport[] = []
    for (const view of this.#views()) {
      reports.push(await this.#guarded(this.#indexOf(view), () => this.#presentView(view, snapshot)))
    }
    if (this.#parts.eventRetentionMs !== undefined) {
      reports.push(await this.#guarded(eventsIndex(served), () => this.#presentEvents()))
    }
    return reports
  }

  #indexOf(view: CompiledView): PresentedIndex {
    return indexOf(this.#parts.served.dataset, view)
  }

  #views(): CompiledView[] {
    const { served, views } = this.#parts
    return [...served.dataset.views.values()].filter(({ name }) => views === undefined || views.includes(name))
  }

  async #guarded(index: PresentedIndex, work: () => Promise<Omit<PresentedReport, 'index'>>): Promise<PresentedReport> {
    const dataset = this.#parts.served.dataset.name
    try {
      const report = { index: index.name, ...(await work()) }
      if (report.change !== 'none') {
        const message = `index ${index.name}: ${report.change} presented, ${report.rows} rows`
        this.#parts.emit({ name: 'index-presented', level: 'debug', dataset, message, fields: { ...report } })
      }
      return report
    } catch (error) {
      const message = `index ${index.name}: ${(error as Error).message}; it is unchanged, and retried in the next round`
      this.#parts.emit({ name: 'present-failed', level: 'error', dataset, message })
      return { index: index.name, change: 'failed', rows: 0, refused: 0 }
    }
  }

  async #presentView(view: CompiledView, snapshot: Snapshot): Promise<Omit<PresentedReport, 'index'>> {
    const { served, store } = this.#parts
    const connection = await served.engine.connect()
    try {
      const source: SnapshotSource = { served, snapshot, connection }
      const noted = await this.#noted(view, snapshot)
      if (hasWindow(view)) return await this.#presentWindows(source, view, noted)
      const index = this.#indexOf(view)
      const progress = progressOf(served.dataset, view, snapshot, null)
      const isOlder = noted?.generation !== progress.generation
      if (noted === null || comesBack(noted, progress) || (!hasPanes(view) && isOlder)) {
        return reportOf(
          'all',
          await this.#fill(source, await viewSource(source, view, null), (rows) =>
            store.replace(index, rows, progress),
          ),
        )
      }
      if (!hasPanes(view)) return NONE
      const past = isOlder ? await this.#presentPast(source, view, noted, progress) : NONE
      if (sameList(noted.positions, progress.positions)) return past
      const panes = await touchedPanes(served, connection, view, snapshot, noted.positions)
      const rows = await viewSource(source, view, panes)
      const tally = await this.#fill(source, rows, (batches) => store.update(index, batches, progress))
      return reportOf('some', { rows: past.rows + tally.rows, refused: past.refused + tally.refused })
    } finally {
      connection.close()
    }
  }

  /** What a generation merged or removed since the last one: at once, with the rows that there are in its place. */
  async #presentPast(
    source: SnapshotSource,
    view: CompiledView,
    noted: PresentedProgress,
    { generation, horizon }: KnownProgress,
  ): Promise<Omit<PresentedReport, 'index'>> {
    if (horizon.length === 0) return NONE
    const ranges = mergedSince(noted.horizon, horizon)
    const rows = await rangesSource(source, view, ranges)
    const gone = goneRows(horizon, 'time', rows.version)
    const tally = await this.#fill(source, rows, (batches) =>
      this.#parts.store.update(this.#indexOf(view), batches, { ...noted, generation, horizon }, gone),
    )
    return tally.rows === 0 ? NONE : reportOf('some', tally)
  }

  /** What the index shows, if it was filled by the same definition. */
  async #noted(view: CompiledView, snapshot: Snapshot): Promise<PresentedProgress | null> {
    const { served, store } = this.#parts
    const noted = await store.progress(this.#indexOf(view))
    return noted?.definition === definitionOf(served.dataset, view, snapshot) ? noted : null
  }

  async #presentWindows(
    source: SnapshotSource,
    view: WindowedView,
    found: PresentedProgress | null,
  ): Promise<Omit<PresentedReport, 'index'>> {
    const { served, store, windowRetentionMs = WINDOW_RETENTION_MS } = this.#parts
    const index = this.#indexOf(view)
    const nowMs = this.#clock()
    const oldestMs = nowMs - windowRetentionMs
    const throughMs = Math.floor(nowMs / view.time.window.everyMs) * view.time.window.everyMs
    const progress = progressOf(served.dataset, view, source.snapshot, throughMs)
    const noted = found === null || comesBack(found, progress) ? null : found
    if (noted === null) await store.remove(index)
    else if (noted.generation !== progress.generation) await this.#removePast(source, index, noted, progress)
    const since = noted?.positions ?? []
    const positions = source.snapshot.partitions.map(({ position }) => position)
    const panes = sameList(since, positions)
      ? []
      : await touchedPanes(served, source.connection, view, source.snapshot, since)
    const wholeMs = progress.horizon.at(-1)?.beforeMs ?? Number.NEGATIVE_INFINITY
    const ends = endsToPresent(view, panes, noted?.throughMs ?? null, nowMs).filter(
      (end) => end > oldestMs && end <= nowMs && end - view.time.window.sizeMs >= wholeMs,
    )
    const before = { ...progress, positions: since, throughMs: noted?.throughMs ?? null }
    const tally = { rows: 0, refused: 0 }
    for (let from = 0; from < ends.length; from += WINDOWS_PER_STATEMENT) {
      const some = ends.slice(from, from + WINDOWS_PER_STATEMENT)
      const last = from + some.length >= ends.length
      for (const scope of scopesOf(view)) {
        const places = scope === GLOBAL ? [] : await this.#placesOf(source, scope)
        const rows = await windowSource(source, view, scope, some, places)
        const done = last && scope === scopesOf(view).at(-1)
        const written = await this.#fill(source, rows, (batches) =>
          store.update(index, batches, done ? progress : before),
        )
        tally.rows += written.rows
        tally.refused += written.refused
      }
    }
    if (ends.length === 0 && noted !== null) await store.update(index, [], progress)
    await store.dropDays(index, oldestMs)
    return ends.length === 0 ? NONE : reportOf(noted === null ? 'all' : 'some', tally)
  }

  /** Windows of which a part was removed. */
  async #removePast(
    { snapshot }: SnapshotSource,
    index: PresentedIndex,
    noted: PresentedProgress,
    { generation, horizon }: KnownProgress,
  ): Promise<void> {
    if (horizon.length === 0) return
    const gone = goneRows(horizon, 'window_start', versionOf(snapshot))
    await this.#parts.store.update(index, [], { ...noted, generation, horizon }, gone)
  }

  async #presentEvents(): Promise<Omit<PresentedReport, 'index'>> {
    const { served, store, emit } = this.#parts
    const index = eventsIndex(served)
    const definition = definitionHash([served.dataset.schemaHash, index.fields])
    const found = await store.progress(index)
    const noted = found?.definition === definition ? found : null
    if (found !== null && noted === null) await store.remove(index)
    const since = noted?.positions ?? []
    const oldestMs = this.#clock() - this.#parts.eventRetentionMs!
    await store.dropDays(index, oldestMs)
    const step: EventStep = await nextEvents(served, since)
    if (step.segments.length === 0) return NONE
    const connection = await served.engine.connect()
    try {
      const progress = { definition, generation: null, positions: step.positions, throughMs: null }
      const rows = eventSource(served, step, since, oldestMs)
      const tally = await this.#fill({ connection }, rows, (batches) => store.update(index, batches, progress))
      for (const reason of tally.reasons)
        emit({
          name: 'event-refused',
          level: 'error',
          dataset: served.dataset.name,
          message: `index ${index.name}: ${reason}`,
        })
      return reportOf('some', tally)
    } finally {
      connection.close()
    }
  }

  async #fill(
    { connection }: Pick<SnapshotSource, 'connection'>,
    rows: RowSource,
    write: (batches: ReturnType<typeof settledRows>) => Promise<PresentedTally>,
  ): Promise<PresentedTally> {
    await settleRows(connection, rows)
    return write(settledRows(connection, rows.version))
  }

  /** Places change slowly: they are refreshed after each generation. */
  async #placesOf(source: SnapshotSource, dimension: string): Promise<readonly Place[]> {
    const generation = source.snapshot.generation?.id ?? null
    if (this.#places === null || this.#places.generation !== generation) this.#places = { generation, of: new Map() }
    const known = this.#places.of.get(dimension)
    if (known !== undefined) return known
    const whole = await takeSnapshot(source.served)
    const places = await placesOf({ ...source, snapshot: whole }, dimension)
    if (places.length > 0) this.#places.of.set(dimension, places)
    return places
  }
}

const NONE = { change: 'none', rows: 0, refused: 0 } as const

function reportOf(
  change: PresentedReport['change'],
  { rows, refused }: Pick<PresentedTally, 'rows' | 'refused'>,
): Omit<PresentedReport, 'index'> {
  return { change, rows, refused }
}

/** Windows whose ranking can have changed, and those that ended since the last round. */
function endsToPresent(
  view: WindowedView,
  panes: readonly number[],
  throughMs: number | null,
  nowMs: number,
): number[] {
  const { everyMs } = view.time.window
  const ends = new Set(windowEnds(view, panes))
  if (throughMs !== null) for (let end = throughMs + everyMs; end <= nowMs; end += everyMs) ends.add(end)
  return [...ends].sort((a, b) => a - b)
}

function sameList(a: readonly Offset[], b: readonly Offset[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
