/**
 * The resident reader of the simulation: the real LakeLook and LogTail, over rows in memory. One reader lives long and follows; what it
 * holds at each moment is what it gives to be checked.
 */
import type { Offset, Positions } from '#core/offsets.ts'
import type { ServedDataset } from '#serving/answers/snapshot.ts'
import { LakeLook, type LakeState } from '#serving/live/lake-look.ts'
import { LeftToSegments } from '#serving/live/left-to-segments.ts'
import { DEFAULT_LIVE_LIMITS } from '#serving/live/live-limits.ts'
import { LogTail, type TailCounts, type TailRows } from '#serving/live/log-tail.ts'
import type { EventLog, RecordBatch } from '#storage/log/event-log.ts'
import type { KeyState, ReadPlace, SimulatedRecord } from './histories.ts'

/** Faults put in on purpose, each of which the simulation must find. */
export type TailFault =
  | 'a record is skipped'
  | 'a batch is applied twice'
  | 'rows of a closed segment are kept'
  | 'rows behind a closed segment are dropped with it'
  | 'a kept answer is given at another position'

export interface LiveRead {
  readonly state: LakeState
  /** of the tail */
  readonly open: readonly KeyState[]
  readonly places: readonly ReadPlace[]
}

interface Row extends SimulatedRecord {
  readonly partition: number
  readonly offset: Offset
}

class MemoryRows implements TailRows {
  readonly #fault: TailFault | null
  rows: Row[] = []

  constructor(fault: TailFault | null) {
    this.#fault = fault
  }

  async append(batches: readonly RecordBatch[]): Promise<void> {
    for (const { partition, lines, start } of batches) {
      const texts = lines.toString().trimEnd().split('\n')
      const added = texts.map((text, index) => ({
        ...(JSON.parse(text) as SimulatedRecord),
        partition,
        offset: start + index,
      }))
      if (this.#fault === 'a record is skipped' && start > 3) added.pop()
      this.rows.push(...added)
      if (this.#fault === 'a batch is applied twice' && start > 3) this.rows.push(...added)
    }
  }

  async drop(before: Positions): Promise<void> {
    if (this.#fault === 'rows of a closed segment are kept') return
    if (this.#fault === 'rows behind a closed segment are dropped with it') this.rows = []
    this.rows = this.rows.filter(({ partition, offset }) => offset >= (before.get(partition) ?? 0))
  }

  counts(): TailCounts {
    return { rows: this.rows.length, deadLetters: 0, lateRows: 0 }
  }
}

/** as records between what was read and the log's end: those are left until their segment closes, for so many reads */
const LEFT_RECORDS_MIN = 20
const LEFT_READS_MAX = 2

export class LiveReader {
  /** reads that left records to a segment */
  left = 0
  #reads = 0
  readonly #look: LakeLook
  readonly #tail: LogTail
  readonly #rows: MemoryRows
  readonly #fault: TailFault | null
  #kept: LiveRead | null = null

  constructor(
    served: ServedDataset,
    log: Pick<EventLog, 'range' | 'read'>,
    recordsMax: number,
    fault: TailFault | null,
  ) {
    this.#fault = fault
    this.#look = new LakeLook(served)
    this.#rows = new MemoryRows(fault)
    const limits = { leftRecordsMin: LEFT_RECORDS_MIN, closedRecordsMin: LEFT_RECORDS_MIN, leftMsMax: LEFT_READS_MAX }
    const left = new LeftToSegments(limits, () => this.#reads)
    const leaves = left.leaves.bind(left)
    left.leaves = (part, logEnd) => {
      const isLeft = leaves(part, logEnd)
      if (isLeft) this.left++
      return isLeft
    }
    const tailLimits = { ...DEFAULT_LIVE_LIMITS, ...limits, refreshRecordsMax: recordsMax }
    this.#tail = new LogTail(log, this.#rows, tailLimits, () => 0, left)
  }

  async read(): Promise<LiveRead> {
    this.#reads++
    const state = await this.#look.look()
    await this.#tail.follow(state.ends)
    await this.#tail.advance()
    const places = this.#tail.places().map(({ partition, end }) => ({ partition, position: end }))
    const open = this.#rows.rows.map(({ k, id, offset }): KeyState => ({ k, records: [[offset, id]] }))
    const kept = this.#kept
    if (this.#fault === 'a kept answer is given at another position' && kept !== null) {
      return { ...kept, places }
    }
    this.#kept = { state, open, places }
    return this.#kept
  }
}
