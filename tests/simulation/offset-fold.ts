/** The fold of the simulation: a key's state is the list of the records that were counted for it, so that any loss, doubling or exchange shows. */
import type { Offset } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import type { SegmentFold } from '#speed-layer/segment-fold.ts'
import type { SegmentShare, SharedPartials } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import type { Marker, PartialRow } from '#storage/speed-store/speed-store.ts'
import type { KeyState, SimulatedRecord } from './histories.ts'
import type { SimulatedLake } from './simulated-lake.ts'

export const VIEW = { name: 'v', hash: 'hash-v' } as const

export class OffsetFold implements SegmentFold {
  start: Offset = 0
  end: Offset = 0
  records = 0
  bytes = 0
  #settled: Offset = 0
  #counted = new Map<string, [Offset, number][]>()
  readonly #lake: SimulatedLake
  readonly #partition: number
  readonly #log: string
  readonly #step: StepHook

  constructor(lake: SimulatedLake, partition: number, log: string, step: StepHook) {
    this.#lake = lake
    this.#partition = partition
    this.#log = log
    this.#step = step
  }

  async begin(start: Offset): Promise<void> {
    this.start = start
    this.end = start
    this.#settled = start
    this.records = 0
    this.bytes = 0
    this.#counted = new Map()
  }

  async append(batch: RecordBatch): Promise<void> {
    if (batch.start !== this.end)
      throw new Error(`a batch from ${batch.start} came to a segment that ends at ${this.end}`)
    const lines = batch.lines.toString().trimEnd().split('\n')
    for (const [index, line] of lines.entries()) {
      const { k, id } = JSON.parse(line) as SimulatedRecord
      this.#counted.set(k, [...(this.#counted.get(k) ?? []), [batch.start + index, id]])
    }
    this.records += batch.count
    this.bytes += batch.lines.length
    this.end = batch.end
  }

  async dirty(atMs: number): Promise<{ partials: PartialRow[]; marker: Marker }> {
    const touched = [...this.#counted].filter(([, records]) => records.at(-1)![0] >= this.#settled)
    return {
      partials: touched.map(([k, records]) => ({
        view: VIEW.hash,
        partition: this.#partition,
        segmentStart: this.start,
        key: k,
        pane: null,
        version: this.end,
        row: JSON.stringify({ k, records } satisfies KeyState),
      })),
      marker: {
        partition: this.#partition,
        segmentStart: this.start,
        through: this.end,
        atMs,
        rows: this.records,
        deadLetters: 0,
        lateRows: 0,
        timeMaxMs: null,
        views: [VIEW.hash],
      },
    }
  }

  settle(through: Offset): void {
    this.#settled = through
  }

  async land(atMs: number): Promise<SegmentManifest> {
    const states = JSON.stringify([...this.#counted].map(([k, records]) => ({ k, records })))
    const share = this.#lake.shareFiles({ partition: this.#partition, start: this.start, createdAtMs: atMs })
    const staged = await this.#lake.stageSegmentFile(this.#partition, this.start, 'events')
    this.#lake.put(staged.writePath, states)
    const stored = await this.#partial(states, share)
    const events = await staged.finish(this.records)
    const { files, together } = await stored()
    return {
      ...(together === undefined ? { format: 1 } : { format: 4, together }),
      dataset: 'd',
      log: this.#log,
      kind: 'events',
      partition: this.#partition,
      start: this.start,
      end: this.end,
      events,
      deadLetterFile: null,
      partials: { [VIEW.name]: { hash: VIEW.hash, file: files[0]! } },
      rows: this.records,
      deadLetters: 0,
      timeRange: { minMs: 0, maxMs: 0 },
      late: { rows: 0, maxMs: 0 },
      schemaHash: 's',
      columns: [{ name: 'k', type: 'VARCHAR' }],
      createdAtMs: atMs,
    }
  }

  /** Writes the partial. @returns what stores it */
  async #partial(states: string, share: SegmentShare | null): Promise<() => Promise<SharedPartials>> {
    const [kind, rows] = [`partial-${VIEW.name}`, this.#counted.size]
    if (share === null) {
      const staged = await this.#lake.stageSegmentFile(this.#partition, this.start, kind)
      this.#lake.put(staged.writePath, states)
      await this.#step('segment:parquet-written')
      return async () => ({ files: [await staged.finish(rows)] })
    }
    const writePath = await share.stage(kind)
    this.#lake.put(writePath, states)
    await this.#step('segment:parquet-written')
    return () => share.finish(new Map([[writePath, rows]]))
  }
}
