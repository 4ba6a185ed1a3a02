/**
 * The events of one partition from an offset backwards, read piece by piece: the log behind the closed segments first, then the segments.
 * More is read at a time while little is found, so a question that finds nothing reads each file once, and one that finds enough at once
 * reads little more than it shows.
 */
import type { Offset } from '#core/offsets.ts'
import type { PastSegments, SegmentChain } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { addClosedRaws, type ClosedEventsParts, canHold, closedEvents } from './closed-events.ts'
import type { EventsBudget } from './events-budget.ts'
import type { EventsPlan } from './events-query.ts'
import type { FoundEvent } from './found-events.ts'
import { type OpenEventsParts, openEvents, type RawTexts } from './open-events.ts'

/** records of the log that are decoded at a time: the first time, and at most */
const OPEN_PIECE_MIN = 500
const OPEN_PIECE_MAX = 8_000
/** files that one statement reads at most */
const FILES_AT_ONCE_MAX = 32
const GROWTH = 4

export interface PartitionEventsParts extends ClosedEventsParts {
  readonly plan: EventsPlan
  /** null: the log cannot be read; there is nothing behind the closed segments then */
  readonly open: OpenEventsParts | null
  readonly budget: EventsBudget
  /** null: not wanted */
  readonly raws: RawTexts | null
  /** the partition's chain, whose past ends before the offset */
  readonly earlier: (partition: number, before: Offset) => Promise<SegmentChain>
}

export class PartitionEvents {
  readonly partition: number
  readonly #parts: PartitionEventsParts
  readonly #closedEnd: Offset
  readonly #position: Offset
  readonly #before: Offset
  /** newest first; those that can hold a matching event */
  #segments: readonly SegmentManifest[] = []
  /** all that are known, oldest first */
  #known: readonly SegmentManifest[] = []
  /** what stands for segments that are not known yet; null: there are none */
  #past: PastSegments | null = null
  /** arrival of the newest event that the segment can show, by its start */
  readonly #arrivals = new Map<Offset, number>()
  /** of the oldest segment that is known */
  #arrivalMs = Number.POSITIVE_INFINITY
  /** everything from here on was read */
  #readTo: Offset
  /** read and not taken, newest first */
  #found: readonly FoundEvent[] = []
  #taken = 0
  #openPiece = OPEN_PIECE_MIN
  #filesAtOnce = 1

  /** @param position where the first page of the question began; @param before where this page begins */
  constructor(parts: PartitionEventsParts, chain: SegmentChain, position: Offset, before: Offset) {
    this.partition = chain.partition
    this.#parts = parts
    this.#closedEnd = chain.end
    this.#position = position
    this.#before = before
    this.#readTo = before
    this.#add(chain.segments, chain.past ?? null)
  }

  /** @param segments oldest first, those before the ones that are known */
  #add(segments: readonly SegmentManifest[], past: PastSegments | null): void {
    const { dataset, plan } = this.#parts
    this.#past = past
    this.#known = [...segments, ...this.#known]
    const newest = segments.filter(({ start }) => start < this.#position).toReversed()
    // No later than those of newer segments: clocks go back. Its manifest tells; otherwise it is taken for as new as the segment.
    for (const { start, last, createdAtMs } of newest) {
      this.#arrivalMs = Math.min(this.#arrivalMs, last?.arrivalMs ?? createdAtMs)
      this.#arrivals.set(start, this.#arrivalMs)
    }
    const shown = newest.filter((segment) => segment.start < this.#before && canHold(dataset, segment, plan.query))
    this.#segments = [...this.#segments, ...shown]
  }

  /** The newest event that was read and not taken; its arrival is no later than that of newer segments. */
  get head(): FoundEvent | null {
    return this.#found[this.#taken] ?? null
  }

  /** No event that is not read yet arrived later; null: there is none. */
  get unreadMs(): number | null {
    if (this.#readTo > this.#closedEnd) return Number.POSITIVE_INFINITY
    const next = this.#nextSegment
    if (next !== undefined) return this.#arrivals.get(next.start)!
    return this.#past === null ? null : Math.min(this.#arrivalMs, newestIn(this.#past))
  }

  get #nextSegment(): SegmentManifest | undefined {
    return this.#segments.find(({ start }) => start < this.#readTo)
  }

  /** Whether only segments that are not known yet can have more: `goBack` is next. */
  get isAtPast(): boolean {
    return (
      this.head === null && this.#past !== null && this.#readTo <= this.#closedEnd && this.#nextSegment === undefined
    )
  }

  /** Gets to know segments before those that are known. */
  async goBack(): Promise<void> {
    const { end } = this.#past!
    const { segments, past } = await this.#parts.earlier(this.partition, end)
    this.#add(
      segments.filter(({ start }) => start < end),
      past ?? null,
    )
  }

  /** The gaps among the offsets of a page, `[before, before of the page)`. */
  get gaps(): readonly SegmentManifest[] {
    return this.#known.filter(({ kind, start, end }) => kind === 'gap' && start < this.#before && end > this.before)
  }

  /** Everything that was not taken is before this offset. */
  get before(): Offset {
    if (this.head !== null) return this.head.offset + 1
    return this.unreadMs === null ? 0 : this.#readTo
  }

  take(): FoundEvent {
    return this.#found[this.#taken++]!
  }

  /** Reads the next piece; nothing that was read before may be left. @param need at most so many events of it are wanted */
  async readOn(need: number): Promise<void> {
    this.#taken = 0
    this.#found = this.#readTo > this.#closedEnd ? await this.#readOpen(need) : await this.#readClosed(need)
  }

  async #readOpen(need: number): Promise<readonly FoundEvent[]> {
    const { open, plan, budget, raws } = this.#parts
    const [end, before] = [this.#readTo, this.#readTo]
    const start = Math.max(this.#closedEnd, end - this.#openPiece)
    this.#openPiece = Math.min(OPEN_PIECE_MAX, this.#openPiece * GROWTH)
    budget.useOpen(end - start)
    const range = { partition: this.partition, start, end }
    const found = open === null ? [] : await openEvents(open, range, { plan, before, need }, raws)
    this.#readTo = found.length < need ? start : found.at(-1)!.offset
    return found
  }

  async #readClosed(need: number): Promise<readonly FoundEvent[]> {
    const { plan, budget, raws } = this.#parts
    const before = this.#readTo
    const first = this.#segments.findIndex(({ start }) => start < before)
    const segments = this.#segments.slice(first, first + Math.min(this.#filesAtOnce, budget.filesLeft))
    this.#filesAtOnce = Math.min(FILES_AT_ONCE_MAX, this.#filesAtOnce * GROWTH)
    budget.useClosed(segments)
    const found = await closedEvents(this.#parts, segments, { plan, before, need })
    this.#readTo = found.length < need ? segments.at(-1)!.start : found.at(-1)!.offset
    if (raws !== null) for (const segment of segments) await addClosedRaws(this.#parts, segment, found, raws)
    return found.map((event) => ({ ...event, arrivalMs: Math.min(event.arrivalMs, this.#arrivalIn(segments, event)) }))
  }

  #arrivalIn(segments: readonly SegmentManifest[], { offset }: FoundEvent): number {
    return this.#arrivals.get(segments.find(({ start }) => start <= offset)!.start)!
  }
}

/** No event of these segments arrived later. */
function newestIn({ end, last, closedAtMs }: PastSegments): number {
  return last !== undefined && last.offset === end - 1 ? last.arrivalMs : closedAtMs
}
