/**
 * The speed store in memory, for simulations and tests. It promises the least that the port allows: partials are written one
 * after the other and the marker last, each with an await point before it; a read takes the markers first and the partials
 * later. So a simulation can interleave owners and readers, or crash, between any two writes. Several handles share one
 * `MemorySpeedContents`, as processes share a store.
 */
import type { Offset, Positions } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { Marker, OpenPartials, PaneRange, PartialRow, SpeedStore } from '../speed-store.ts'

/** What the store holds. */
export interface MemorySpeedContents {
  readonly partials: Map<string, PartialRow>
  readonly markers: Map<string, Marker>
}

export function memorySpeedContents(): MemorySpeedContents {
  return { partials: new Map(), markers: new Map() }
}

export interface MemorySpeedStoreOptions {
  readonly contents?: MemorySpeedContents
  readonly step?: StepHook
  /** awaited before each single write and read */
  readonly pause?: () => Promise<void>
}

class PartialsGoneError extends Error {
  readonly reason = 'replaced'
  constructor({ partition, segmentStart }: Marker) {
    super(`partition ${partition}: what was flushed of the segment from ${segmentStart} on was deleted; fold it again`)
  }
}

export class MemorySpeedStore implements SpeedStore {
  readonly contents: MemorySpeedContents
  readonly #step: StepHook
  readonly #pause: () => Promise<void>
  /** by marker, how far this handle flushed */
  readonly #flushed = new Map<string, Offset>()

  constructor(options: MemorySpeedStoreOptions = {}) {
    this.contents = options.contents ?? memorySpeedContents()
    this.#step = options.step ?? noSteps
    this.#pause = options.pause ?? (() => Promise.resolve())
  }

  async flush(partials: readonly PartialRow[], marker: Marker): Promise<void> {
    await this.#step('flush:before')
    for (const partial of partials) {
      await this.#pause()
      const id = JSON.stringify([partial.view, partial.partition, partial.segmentStart, partial.key])
      const stored = this.contents.partials.get(id)
      if (stored === undefined || partial.version >= stored.version) this.contents.partials.set(id, { ...partial })
    }
    await this.#pause()
    const id = markerId(marker.partition, marker.segmentStart)
    const stored = this.contents.markers.get(id)
    const before = this.#flushed.get(id)
    this.#flushed.delete(id)
    if (before !== undefined && (stored === undefined || stored.through < before)) throw new PartialsGoneError(marker)
    this.#flushed.set(id, marker.through)
    if (stored === undefined || marker.through >= stored.through) this.contents.markers.set(id, { ...marker })
    await this.#step('flush:written')
  }

  async read(views: readonly string[], starts: Positions, panes: PaneRange = {}): Promise<OpenPartials> {
    const markers = new Map<number, Marker>()
    for (const [partition, start] of starts) {
      await this.#pause()
      const marker = this.contents.markers.get(markerId(partition, start))
      if (marker !== undefined) markers.set(partition, marker)
    }
    const rows = new Map<string, string[]>(views.map((view) => [view, []]))
    for (const [view, into] of rows) {
      for (const { partition, segmentStart } of markers.values()) {
        await this.#pause()
        for (const partial of this.contents.partials.values()) {
          if (partial.view !== view || partial.partition !== partition || partial.segmentStart !== segmentStart)
            continue
          if (!isIn(panes, partial.pane)) continue
          into.push(partial.row)
        }
      }
    }
    return { markers, rows }
  }

  async markers(): Promise<ReadonlyMap<number, Marker>> {
    await this.#pause()
    const newest = new Map<number, Marker>()
    for (const marker of this.contents.markers.values()) {
      const other = newest.get(marker.partition)
      if (other === undefined || marker.segmentStart > other.segmentStart) newest.set(marker.partition, marker)
    }
    return newest
  }

  /** Markers first: a marker says that its partials are there. */
  async deleteClosed(partition: number, before: Offset, limit: number): Promise<number> {
    let deleted = 0
    for (const rows of [this.contents.markers, this.contents.partials]) {
      for (const [id, row] of rows) {
        if (deleted === limit) return deleted
        if (row.partition !== partition || row.segmentStart >= before) continue
        await this.#pause()
        if (rows.delete(id)) deleted++
      }
    }
    return deleted
  }

  async close(): Promise<void> {}
}

function isIn(
  { fromMs = Number.NEGATIVE_INFINITY, beforeMs = Number.POSITIVE_INFINITY }: PaneRange,
  pane: number | null,
): boolean {
  return pane === null || (pane >= fromMs && pane < beforeMs)
}

function markerId(partition: number, segmentStart: Offset): string {
  return `${partition}:${segmentStart}`
}
