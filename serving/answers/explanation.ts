/** How an answer came about: what it was merged from, how long that took, and what would make it fresher or faster. */

import type { OffsetRange } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { AnswerMeta } from './answer-meta.ts'
import type { AnswerStep, AnswerWay } from './answer-steps.ts'
import type { Snapshot } from './snapshot.ts'

/** `kept`: computed before, for an earlier request; `joined`: by a computation that was under way. */
export type ExplainedSource = 'kept' | 'joined' | 'computed'

/** Files of states. */
export interface StateFiles {
  readonly files: number
  readonly bytes: number
}

/** A closed segment, or an open one up to what is counted of it. */
export interface ExplainedSegment extends OffsetRange {
  readonly partition: number
  readonly rows: number
}

export interface Explanation {
  readonly source: ExplainedSource
  /** where the rows came from, when the answer was computed */
  readonly way: AnswerWay
  readonly layers: {
    readonly batch: (StateFiles & { readonly generation: string; readonly mode: string; readonly ageMs: number }) | null
    /** closed segments behind the boundary */
    readonly closed: StateFiles & {
      readonly segments: number
      readonly rows: number
      readonly newestAt: string | null
      /** the newest ones */
      readonly newest: readonly ExplainedSegment[]
    }
    readonly open: {
      readonly rows: number
      readonly partitions: number
      /** rows of states that were read from the speed store; null: none of it is read, the states are resident */
      readonly speedRows: number | null
      readonly segments: readonly ExplainedSegment[]
    }
  }
  readonly steps: readonly AnswerStep[]
  /** what the parts of the merge cost in the engine, processor time of all threads; null: the answer needs no merge there */
  readonly engine: readonly AnswerStep[] | null
  /** what would make answers fresher or faster */
  readonly advice: readonly string[]
}

export interface ExplainedAnswer {
  readonly source: ExplainedSource
  readonly snapshot: Snapshot
  /** as the answer is given */
  readonly meta: Pick<
    AnswerMeta,
    'dataset' | 'view' | 'behind' | 'liveMissing' | 'outdated' | 'removed' | 'truncated' | 'gapFree' | 'next'
  >
  /** the views whose states were merged */
  readonly stored: readonly { readonly name: string; readonly hash: string }[]
  readonly way: AnswerWay
  readonly steps: readonly AnswerStep[]
  readonly engine: readonly AnswerStep[] | null
}

/** segments that are named */
const SEGMENTS_NAMED_MAX = 20

/** so many closed segments that each query of a process without resident states feels them */
const SEGMENTS_MANY = 100

/** @param nowMs epoch ms */
export function explanationOf(answer: ExplainedAnswer, nowMs: number): Explanation {
  const { source, way, snapshot, steps, engine, stored } = answer
  const { generation, segments, markers } = snapshot
  return {
    source,
    way,
    layers: {
      batch: generation && batchOf(generation, answer, nowMs),
      closed: {
        segments: segments.length,
        ...sizeOf(segments.flatMap(({ partials }) => answer.stored.flatMap(({ name }) => partials[name]?.file ?? []))),
        rows: segments.reduce((sum, { rows }) => sum + rows, 0),
        newestAt: newestOf(segments.map(({ createdAtMs }) => createdAtMs)),
        newest: segments
          .toSorted((a, b) => b.createdAtMs - a.createdAtMs)
          .slice(0, SEGMENTS_NAMED_MAX)
          .map(({ partition, start, end, rows }) => ({ partition, start, end, rows })),
      },
      open: {
        rows: [...markers.values()].reduce((sum, { rows }) => sum + rows, 0),
        partitions: markers.size,
        speedRows:
          way === 'stores' ? stored.reduce((sum, { hash }) => sum + (snapshot.open.get(hash)?.length ?? 0), 0) : null,
        segments: [...markers.values()]
          .slice(0, SEGMENTS_NAMED_MAX)
          .map(({ partition, segmentStart, through, rows }) => ({
            partition,
            start: segmentStart,
            end: through,
            rows,
          })),
      },
    },
    steps: rounded(steps),
    engine: engine && rounded(engine),
    advice: adviceOf(answer, nowMs),
  }
}

function rounded(steps: readonly AnswerStep[]): AnswerStep[] {
  return steps.map(({ step, ms }) => ({ step, ms: Math.round(ms * 1_000) / 1_000 }))
}

function batchOf(
  { id, mode, finishedAtMs, views }: GenerationManifest,
  { stored }: ExplainedAnswer,
  nowMs: number,
): Explanation['layers']['batch'] {
  return {
    generation: id,
    mode,
    ageMs: nowMs - finishedAtMs,
    ...sizeOf(stored.flatMap(({ name }) => views[name]?.files ?? [])),
  }
}

function sizeOf(files: readonly LakeFile[]): StateFiles {
  return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
}

function newestOf(times: readonly number[]): string | null {
  return times.length === 0 ? null : new Date(times.reduce((newest, ms) => Math.max(newest, ms))).toISOString()
}

function adviceOf({ snapshot: { generation, segments }, meta, way }: ExplainedAnswer, nowMs: number): string[] {
  const { dataset, behind, liveMissing, outdated, removed, truncated, gapFree, next } = meta
  const advice: string[] = []
  if (liveMissing !== null) advice.push(`events of open segments may be missing: ${liveMissing}`)
  if (outdated !== null)
    advice.push(`the view is answered by its earlier definition; run \`watershed backfill ${dataset}\``)
  if (removed !== null)
    advice.push(
      `${removed.why}${removed.grain === null ? '' : `; before that, ask for grain=${removed.grain} or a longer one`}`,
    )
  if (generation === null && segments.length > 0)
    advice.push(`there is no generation yet, so ${segments.length} segments are merged; run \`watershed batch run\``)
  if (generation !== null && segments.length >= SEGMENTS_MANY)
    advice.push(
      `the generation is ${ageText(nowMs - generation.finishedAtMs)} old, and ${segments.length} segments behind its boundary are merged; run \`watershed batch run\``,
    )
  if (behind !== null && behind > 0)
    advice.push(`${behind} events of the log are not counted yet; ask again, or with atLeast to wait for a position`)
  if (behind === null) advice.push('the log cannot be read, so that newer events are not known; run `watershed doctor`')
  if (way === 'page')
    advice.push('all pages are of the position of the first one; begin again with cursor=start to count newer events')
  if (!gapFree) advice.push('the log lost events before the position; run `watershed doctor`')
  if (next !== null) advice.push('more rows follow: repeat the query with next as cursor')
  else if (truncated) advice.push('there are more rows than the limit; raise limit, or filter')
  return advice
}

function ageText(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000))
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`
}
