/** For tests: presented rows of old panes on a real Elasticsearch, compared with what is answered over each part of time. */
import { expect } from 'vitest'
import { definition as answers, BatchFixture, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import { count, type DatasetDefinition, sum } from '#core/definition.ts'
import type { FixedGrain } from '#core/grains.ts'
import type { ViewQuery } from '#core/query.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { Presenter } from '#serving/presented-indices/presenter.ts'
import type { PresentedStore } from '#storage/presented-store/presented-store.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'

const DAY = 86_400_000
const EVERY_MS = 600_000
const floored = (ms: number): number => Math.floor(ms / EVERY_MS) * EVERY_MS
type Row = Record<string, unknown>

const by = { dimensions: { country: 'country' }, measures: { answers: count(), guests: sum('guests') } }
export const keepingRows = (minute: '1d' | '2d'): DatasetDefinition => ({
  ...answers,
  name: 'kept_rows',
  keep: { panes: { minute, '5m': minute, hour: '6d' } },
  views: {
    merged: { ...by, time: ['minute', 'hour', 'day'] },
    removed: { ...by, time: ['minute'] },
    recent: { ...by, window: { size: '1h', every: '10m' } },
  },
})

export class KeptRows {
  readonly batch: BatchFixture
  readonly #node: string
  readonly #store: PresentedStore
  readonly #faults: string[] = []

  /** @param store on the server at `node` */
  static async open(node: string, store: PresentedStore): Promise<KeptRows> {
    const batch = await BatchFixture.open(keepingRows('1d'))
    // Sixty events a day.
    batch.stepMs = DAY / 60
    return new KeptRows(batch, node, store)
  }

  private constructor(batch: BatchFixture, node: string, store: PresentedStore) {
    this.batch = batch
    this.#node = node
    this.#store = store
  }

  /** Each day's events arrive at its end. */
  async landDays(days: number): Promise<void> {
    for (let day = 0; day < days; day++) {
      this.batch.nowMs += DAY
      await this.batch.land(0, 60)
    }
  }

  /** By view, what a round changed, and how many rows it wrote. */
  async present(): Promise<Record<string, readonly [string, number]>> {
    const reports = await new Presenter({
      served: this.#served(),
      store: this.#store,
      emit: ({ level, message }) => level === 'error' && this.#faults.push(message),
      clock: () => this.batch.nowMs,
      windowRetentionMs: 3 * DAY,
    }).presentOnce()
    expect(this.#faults).toEqual([])
    return Object.fromEntries(reports.map(({ index, change, rows }) => [index.slice(10), [change, rows]]))
  }

  /** Rows of each index are those that are answered, at the grain that is left, and no others. @returns rows of each grain */
  async expectAnswered(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const view of ['merged', 'removed']) {
      const horizon = (await this.batch.lake.current())?.views[view]?.horizon ?? []
      const rows: Row[] = []
      for (const [place, { grain, beforeMs }] of [
        ...horizon,
        { grain: 'minute' as const, beforeMs: undefined },
      ].entries()) {
        const range = { fromMs: horizon[place - 1]?.beforeMs, toMs: beforeMs }
        const own = grain === null ? [] : await this.#ask({ view, grain: grain as FixedGrain, ...range })
        rows.push(...own.map((row) => (view === 'merged' ? { ...row, pane: grain } : row)))
        counts[`${view} ${grain}`] = own.length
      }
      expect(texts(await this.#found(view))).toEqual(texts(rows))
    }
    // Older windows are there by whole days.
    const fromMs = floored(this.batch.nowMs - 2 * DAY)
    const windows = await this.#ask({
      view: 'recent',
      everyMs: EVERY_MS,
      // as many as there are countries
      limit: 5,
      fromMs,
      toMs: floored(this.batch.nowMs),
    })
    const recent = (await this.#found('recent')).filter(({ window_end }) => Date.parse(window_end as string) > fromMs)
    const shown = recent.map(({ window_start: _, scope: __, rank: ___, ...row }) => row)
    expect(texts(shown)).toEqual(texts(windows))
    return { ...counts, windows: windows.length }
  }

  #served() {
    const { dataset, lake, engine } = this.batch
    return { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
  }

  async #ask(query: Omit<ViewQuery, 'dataset'>): Promise<Row[]> {
    const { rowsJson, meta } = await answerQuery(this.#served(), { dataset: 'kept_rows', limit: 10_000, ...query })
    if (query.everyMs === undefined) expect(meta.removed).toBeNull()
    return JSON.parse(rowsJson) as Row[]
  }

  async #found(view: string): Promise<Row[]> {
    const answer = await fetch(`${this.#node}/kept_rows-${view}/_search?size=10000`)
    const { hits } = (await answer.json()) as { hits: { hits: { _source: Row }[] } }
    return hits.hits.map(({ _source }) => _source)
  }
}

function texts(rows: readonly Row[]): string[] {
  const given = rows.map((row) => Object.entries(row).filter(([, value]) => value !== null))
  return given.map((entries) => JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)))).sort()
}
