/**
 * One page of raw events, newest first by their position in the log: within a partition by offset, between partitions by arrival. Which
 * events a page shows is decided by offsets alone, so each event is in exactly one page, wherever it is stored when it is asked for.
 */
import type { Offset } from '#core/offsets.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import { ANSWER_BYTES_MAX } from '../answers/bounded-rows.ts'
import { contentFault, lakeFault, refusalFault } from '../answers/layer-faults.ts'
import { type AnswerOptions, isVanishedFile } from '../answers/merged-view.ts'
import { AnswerTooLargeError } from '../answers/query-error.ts'
import { type Gap, type ServedDataset, SnapshotError } from '../answers/snapshot.ts'
import { limited, onConnection, QUERY_MS_MAX } from '../answers/time-limit.ts'
import { EventsBudget, type EventsLimit, type EventsRead } from './events-budget.ts'
import { cursorOf, type EventsPlace, placeOf } from './events-cursor.ts'
import { EVENTS_LIMITS, type EventsLimits, type EventsPlan, type EventsQuery, planEvents } from './events-query.ts'
import { type FoundEvent, placeText } from './found-events.ts'
import type { RawTexts } from './open-events.ts'
import { PartitionEvents } from './partition-events.ts'

/** A dataset whose raw events can be read; without a scratch folder only those of closed segments. */
export interface EventsDataset extends ServedDataset {
  /** a folder that the engine may read, for events of the log */
  readonly scratchFolder?: string
}

export interface EventsMeta {
  readonly dataset: string
  /** per partition: the pages of this question show events before it, and none after it */
  readonly position: readonly Offset[]
  /** where the next page begins; null: there are no more events */
  readonly cursor: string | null
  /** why the page ends: `limit` events are shown, a limit of what a page reads was reached, or null: there are no more */
  readonly endedBy: 'limit' | EventsLimit | null
  /** what the page read */
  readonly read: EventsRead
  /** offsets among those of this page that the log lost */
  readonly gaps: readonly Gap[]
  /** why events behind the closed segments are missing; null: they are not */
  readonly liveMissing: string | null
  /** with `raw`: events of this page whose JSON is not kept */
  readonly rawMissing: number
}

export interface EventsPage {
  /** JSON array text */
  readonly rowsJson: string
  readonly rowCount: number
  readonly meta: EventsMeta
}

const TRIES_MAX = 3

/** @throws QueryError, QueryTimeoutError, ClientGoneError, AnswerTooLargeError, SnapshotError, LakeError */
export async function eventsPage(
  served: EventsDataset,
  query: EventsQuery,
  options: AnswerOptions & { readonly limits?: Partial<EventsLimits> } = {},
): Promise<EventsPage> {
  const plan = planEvents(served.dataset, query, served.log?.identity)
  const place = query.cursor === undefined ? null : placeOf(query.cursor, plan.hash)
  const { queryMsMax = QUERY_MS_MAX, answerBytesMax = ANSWER_BYTES_MAX, signal: gone } = options
  const limits = { ...EVENTS_LIMITS, ...options.limits }
  return limited(queryMsMax, gone, async (signal) => {
    for (let attempt = 1; ; attempt++) {
      try {
        const at = await startOf(served, place)
        return await onConnection(served.engine, signal, (connection) =>
          readPage(served, plan, at, { connection, limits, answerBytesMax }),
        )
      } catch (error) {
        if (!isGone(error) || attempt >= TRIES_MAX || signal.aborted) throw error
      }
    }
  })
}

/** Retention or compaction took what was being read: a file, or records of the log whose segment has closed meanwhile. */
function isGone(error: unknown): boolean {
  return isVanishedFile(error) || (error instanceof Error && error.name === 'LogRangeError')
}

/** Where a page begins. */
interface Start extends EventsPlace {
  readonly chains: readonly SegmentChain[]
  readonly liveMissing: string | null
}

/** The lake first and then the log, which only grows. */
async function startOf(served: EventsDataset, place: EventsPlace | null): Promise<Start> {
  const { dataset, lake, log } = served
  const generation = await lake.current()
  const partitions = Math.max(served.partitions, place?.position.length ?? 0, generation?.boundary.length ?? 0)
  // Most pages need the newest segments only; those before are looked up as far as a page goes.
  const after = Array.from({ length: partitions }, (_, partition) =>
    Math.max(0, Math.min(generation?.boundary[partition] ?? 0, (place?.before[partition] ?? Infinity) - 1)),
  )
  const chains = await lake.chains(partitions, { compacted: true, after })
  const wrong =
    lakeFault(log?.identity, generation, chains) ??
    refusalFault(await lake.refusals()) ??
    (await contentFault(log, chains, new Map()))
  if (wrong !== null) throw new SnapshotError(dataset.name, wrong)
  const { ends, liveMissing } = await endsOf(served, chains)
  if (place === null) return { chains, liveMissing, position: ends, before: ends }
  // A partition that the log got since the first page has no events of before.
  const before = ends.map((_, partition) => place.before[partition] ?? 0)
  const short = before.findIndex((offset, partition) => offset > ends[partition]!)
  const position = ends.map((_, partition) => place.position[partition] ?? 0)
  if (short === -1) return { chains, liveMissing: null, position, before }
  const why = liveMissing ?? 'the log ends before it'
  throw new SnapshotError(dataset.name, `the page before offset ${before[short]} of partition ${short}: ${why}`)
}

async function endsOf(
  { log, scratchFolder }: EventsDataset,
  chains: readonly SegmentChain[],
): Promise<{ readonly ends: readonly Offset[]; readonly liveMissing: string | null }> {
  const closed = chains.map(({ end }) => end)
  if (log?.read === undefined || scratchFolder === undefined)
    return { ends: closed, liveMissing: 'the log is not at hand' }
  try {
    const ranges = await Promise.all(chains.map(({ partition }) => log.range(partition)))
    return { ends: ranges.map(({ end }, partition) => Math.max(end, closed[partition]!)), liveMissing: null }
  } catch (error) {
    return { ends: closed, liveMissing: `the log cannot be read: ${(error as Error).message}` }
  }
}

interface Reading {
  readonly connection: EngineConnection
  readonly limits: EventsLimits
  readonly answerBytesMax: number
}

async function readPage(served: EventsDataset, plan: EventsPlan, at: Start, reading: Reading): Promise<EventsPage> {
  const { dataset, lake, log, scratchFolder } = served
  const { connection, limits, answerBytesMax } = reading
  const raws: RawTexts | null = plan.query.raw ? new Map() : null
  const budget = new EventsBudget(limits)
  const shared = { dataset, connection, answerBytesMax }
  const read = log?.read?.bind(log)
  const open =
    at.liveMissing !== null || read === undefined ? null : { ...shared, log: { read }, scratchFolder: scratchFolder! }
  const earlier = async (partition: number, before: Offset): Promise<SegmentChain> => {
    const after = at.chains.map((chain) => (chain.partition === partition ? before - 1 : Number.MAX_SAFE_INTEGER))
    return (await lake.chains(after.length, { compacted: true, after }))[partition]!
  }
  const partitions = at.chains.map(
    (chain) =>
      new PartitionEvents(
        { ...shared, lake, plan, open, budget, raws, earlier },
        chain,
        at.position[chain.partition]!,
        at.before[chain.partition]!,
      ),
  )
  const { events, endedBy } = await newestOf(partitions, plan.limit, budget)
  const before = partitions.map((partition) => partition.before)
  const texts = events.map((event) => shownText(event, raws))
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (bytes > answerBytesMax) throw new AnswerTooLargeError(answerBytesMax)
  const meta = {
    dataset: dataset.name,
    position: at.position,
    cursor: endedBy === null ? null : cursorOf(plan.hash, { position: at.position, before }),
    endedBy,
    read: budget.read,
    gaps: partitions.flatMap(({ gaps }) => gaps.map(({ partition, start, end }) => ({ partition, start, end }))),
    liveMissing: at.liveMissing,
    rawMissing: raws === null ? 0 : events.filter((event) => !raws.has(placeText(event))).length,
  }
  return { rowsJson: `[${texts.join(',')}]`, rowCount: events.length, meta }
}

/** Merges the partitions: of the next events of all of them the one that arrived last, until the page ends. */
async function newestOf(
  partitions: readonly PartitionEvents[],
  limit: number,
  budget: EventsBudget,
): Promise<{ readonly events: readonly FoundEvent[]; readonly endedBy: EventsMeta['endedBy'] }> {
  const events: FoundEvent[] = []
  for (;;) {
    const next = latest(partitions)
    if (next === null) return { events, endedBy: null }
    if (next.isAtPast) {
      await next.goBack()
      continue
    }
    if (events.length >= limit) return { events, endedBy: 'limit' }
    if (next.head !== null) events.push(next.take())
    else if (budget.over !== null) return { events, endedBy: budget.over }
    else await next.readOn(limit - events.length)
  }
}

/** The partition whose next event is the newest, or can be where it is not read yet. */
function latest(partitions: readonly PartitionEvents[]): PartitionEvents | null {
  let found: PartitionEvents | null = null
  let foundMs = Number.NEGATIVE_INFINITY
  for (const partition of partitions) {
    const atMs = partition.head?.arrivalMs ?? partition.unreadMs
    if (atMs === null || (found !== null && atMs <= foundMs)) continue
    found = partition
    foundMs = atMs
  }
  return found
}

function shownText(event: FoundEvent, raws: RawTexts | null): string {
  if (raws === null) return event.json
  return `${event.json.slice(0, -1)},"raw":${JSON.stringify(raws.get(placeText(event)) ?? null)}}`
}
