/**
 * Whether the log, the lake, the generation and the speed store of one partition belong together. After a restore of one of them from
 * an older copy they do not: counting on would put other events under offsets that are counted already.
 *
 * Pure: whoever asks passes what it has read and maps the verdict to its own error or advice.
 */
import type { Offset, OffsetRange } from './offsets.ts'
import { isSameRecord, type RecordPrint } from './record-print.ts'

/** Closed segments of a partition, in order; a lake's SegmentChain is one. */
export interface KnownSegments {
  readonly segments: readonly {
    readonly start: Offset
    readonly end: Offset
    readonly log: string
    readonly last?: RecordPrint
  }[]
  /** end of the last one; 0 when there is none */
  readonly end: Offset
  /** what stands for earlier segments that are not listed */
  readonly past?: { readonly log: string; readonly last?: RecordPrint }
}

/** The current generation; a GenerationManifest is one. */
export interface KnownGeneration {
  readonly id: string
  readonly log: string
  /** by partition: everything before this offset is counted */
  readonly boundary: readonly Offset[]
}

/** An open segment of which `[segmentStart, through)` is counted; a speed store's Marker is one. */
export interface KnownOpenSegment {
  readonly segmentStart: Offset
  readonly through: Offset
  /** the last record that is counted, if its writer told */
  readonly last?: RecordPrint
}

/** The `through` of a marker that no owner and no reader accepts, see storage/speed-store/barrier.ts: no log is as long. */
export const BARRIER_THROUGH = Number.MAX_SAFE_INTEGER

/** What was read of one partition. A part that is left out is unknown and disagrees with nothing; null means that there is none. */
export interface KnownParts {
  readonly partition: number
  readonly logIdentity?: string
  readonly logRange?: Pick<OffsetRange, 'start' | 'end'>
  readonly lake?: KnownSegments
  readonly generation?: KnownGeneration | null
  /** the newest one of the speed store */
  readonly marker?: KnownOpenSegment | null
  /** what this process read from the log itself since the lake's end */
  readonly folded?: KnownOpenSegment
  /** what the log holds at the offsets of `countedRecords` */
  readonly records?: ReadonlyMap<Offset, RecordPrint>
  /** why the partition was refused before, until `watershed doctor` lifts it */
  readonly refusal?: { readonly why: string } | null
}

export type LogVerdict =
  | { readonly kind: 'agrees' }
  /** the lake's segments belong to another log */
  | { readonly kind: 'log-replaced'; readonly lakeLog: string; readonly log: string }
  /** the lake has lost the manifests of segments that a generation counts */
  | { readonly kind: 'lake-cut'; readonly lakeEnd: Offset; readonly generation: string; readonly counted: Offset }
  /** the lake has lost manifests, and the log no longer holds their offsets: the speed store has a segment that was opened behind them */
  | {
      readonly kind: 'lake-cut-unreadable'
      readonly lakeEnd: Offset
      readonly logStart: Offset
      readonly segmentStart: Offset
    }
  /** the log was cut below the lake, or replaced under the same identity */
  | { readonly kind: 'log-ends-before-lake'; readonly lakeEnd: Offset; readonly logEnd: Offset }
  /** the log has another record than the one that was counted in a closed or an open segment: it was cut, and has grown again */
  | { readonly kind: 'log-diverged'; readonly offset: Offset; readonly counted: 'closed' | 'open' }
  /** the log was found to have lost records before, and may have got others in their place */
  | { readonly kind: 'log-refused'; readonly why: string }
  /** the log lost records that are counted in an open segment */
  | {
      readonly kind: 'log-cut'
      readonly logEnd: Offset
      readonly segmentStart: Offset
      readonly through: Offset
    }
  /** the log dropped `[start, end)`, and no segment has it */
  | { readonly kind: 'gap'; readonly start: Offset; readonly end: Offset }
  /** as 'gap' as far as is known, but the marker is not: it may say 'lake-cut-unreadable' */
  | { readonly kind: 'gap-or-lake-cut'; readonly start: Offset; readonly end: Offset }
  /** the lake has lost manifests that nobody else counts: reading the log again from `lakeEnd` makes them anew */
  | { readonly kind: 'lake-behind'; readonly lakeEnd: Offset; readonly segmentStart: Offset }
  /** the generation ends where no segment of this lake ends */
  | { readonly kind: 'boundary-inside-segment'; readonly generation: string; readonly boundary: Offset }
  /** the generation counts another log than the lake's segments */
  | {
      readonly kind: 'generation-of-other-log'
      readonly generation: string
      readonly generationLog: string
      readonly lakeLog: string
    }

/**
 * The first disagreement between the parts that are known, most fundamental first: of two that hold, the one that must be resolved
 * before the other means anything. Only the last two leave the log and the lake in agreement.
 *
 * @example
 * logAgreement({ partition: 0, logRange: { start: 0, end: 48 }, marker: { segmentStart: 40, through: 58 } })
 * // { kind: 'log-cut', logEnd: 48, segmentStart: 40, through: 58 }
 */
export function logAgreement(known: KnownParts): LogVerdict {
  return (
    replaced(known) ??
    lakeCut(known) ??
    endsBeforeLake(known) ??
    diverged(known, lastClosedRecord(known.lake), 'closed') ??
    refused(known) ??
    unread(known) ??
    logCut(known) ??
    diverged(known, known.folded?.last, 'open') ??
    diverged(known, known.marker?.last, 'open') ??
    lakeBehind(known) ??
    generationMisfit(known) ?? { kind: 'agrees' }
  )
}

/** Whether the log has lost records that were counted, so that it must stay refused also when it has grown again. */
export function isLogLoss({ kind }: LogVerdict): boolean {
  return kind === 'log-ends-before-lake' || kind === 'log-diverged' || kind === 'log-cut'
}

/** The records by which the log is compared with what was counted: the last ones of the closed segments and of the open one. */
export function countedRecords({
  lake,
  marker,
  folded,
}: Pick<KnownParts, 'lake' | 'marker' | 'folded'>): RecordPrint[] {
  return [lastClosedRecord(lake), marker?.last, folded?.last].filter((print) => print !== undefined)
}

/** Whether the log was seen to hold the last record that the closed segments count. */
export function isProvenByContent({ lake, records }: Pick<KnownParts, 'lake' | 'records'>): boolean {
  const last = lastClosedRecord(lake)
  return lake?.end === 0 || (last !== undefined && records?.has(last.offset) === true)
}

function lastClosedRecord(lake: KnownSegments | undefined): RecordPrint | undefined {
  return lake?.segments.findLast(({ last }) => last !== undefined)?.last ?? lake?.past?.last
}

function diverged(
  { records }: KnownParts,
  last: RecordPrint | undefined,
  counted: 'closed' | 'open',
): LogVerdict | null {
  const held = last && records?.get(last.offset)
  return !held || isSameRecord(held, last) ? null : { kind: 'log-diverged', offset: last.offset, counted }
}

function refused({ refusal }: KnownParts): LogVerdict | null {
  return refusal ? { kind: 'log-refused', why: refusal.why } : null
}

function replaced({ logIdentity: log, lake }: KnownParts): LogVerdict | null {
  const lakeLog = lake?.segments.at(-1)?.log ?? lake?.past?.log
  if (log === undefined || lakeLog === undefined || lakeLog === log) return null
  return { kind: 'log-replaced', lakeLog, log }
}

function lakeCut({ partition, lake, generation }: KnownParts): LogVerdict | null {
  const counted = generation?.boundary[partition] ?? 0
  if (!generation || lake === undefined || counted <= lake.end) return null
  return { kind: 'lake-cut', lakeEnd: lake.end, generation: generation.id, counted }
}

function endsBeforeLake({ logRange, lake }: KnownParts): LogVerdict | null {
  if (logRange === undefined || lake === undefined || lake.end <= logRange.end) return null
  return { kind: 'log-ends-before-lake', lakeEnd: lake.end, logEnd: logRange.end }
}

/** A segment was opened behind the lake's end once: what lies between was landed, and is no gap. */
function unread({ logRange, lake, marker, folded }: KnownParts): LogVerdict | null {
  if (logRange === undefined || lake === undefined) return null
  const start = Math.max(lake.end, folded?.through ?? 0)
  if (start >= logRange.start) return null
  if (marker === undefined) return { kind: 'gap-or-lake-cut', start, end: logRange.start }
  // A barrier's segment was never opened.
  const wasOpened = marker !== null && marker.segmentStart > lake.end && marker.through !== BARRIER_THROUGH
  if (!wasOpened) return { kind: 'gap', start, end: logRange.start }
  const { segmentStart } = marker
  return { kind: 'lake-cut-unreadable', lakeEnd: lake.end, logStart: logRange.start, segmentStart }
}

function logCut({ logRange, marker, folded }: KnownParts): LogVerdict | null {
  const lost = [folded, marker].find((counted) => logRange !== undefined && counted && counted.through > logRange.end)
  if (!lost || logRange === undefined) return null
  return { kind: 'log-cut', logEnd: logRange.end, segmentStart: lost.segmentStart, through: lost.through }
}

function lakeBehind({ lake, marker }: KnownParts): LogVerdict | null {
  if (lake === undefined || !marker || marker.segmentStart <= lake.end) return null
  return { kind: 'lake-behind', lakeEnd: lake.end, segmentStart: marker.segmentStart }
}

function generationMisfit({ partition, lake, generation }: KnownParts): LogVerdict | null {
  const boundary = generation?.boundary[partition] ?? 0
  const lakeLog = lake?.past?.log ?? lake?.segments[0]?.log
  if (!generation || lake === undefined || lakeLog === undefined || boundary === 0) return null
  if (lake.segments.some(({ start, end }) => start < boundary && end > boundary))
    return { kind: 'boundary-inside-segment', generation: generation.id, boundary }
  if (generation.log === lakeLog) return null
  return {
    kind: 'generation-of-other-log',
    generation: generation.id,
    generationLog: generation.log,
    lakeLog,
  }
}
