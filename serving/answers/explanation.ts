/** How an answer came about: what it was merged from, how long that took, and what would make it fresher or faster. */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { AnswerMeta } from './answer-meta.ts'
import type { Snapshot } from './snapshot.ts'

/** `kept`: computed before, for an earlier request; `joined`: by a computation that was under way. */
export type ExplainedSource = 'kept' | 'joined' | 'computed'

/** Files of states. */
export interface StateFiles {
  readonly files: number
  readonly bytes: number
}

export interface Explanation {
  readonly source: ExplainedSource
  readonly layers: {
    readonly batch: (StateFiles & { readonly generation: string; readonly mode: string; readonly ageMs: number }) | null
    /** closed segments behind the boundary */
    readonly closed: StateFiles & { readonly segments: number; readonly rows: number; readonly newestAt: string | null }
    readonly open: { readonly rows: number; readonly partitions: number }
  }
  readonly steps: readonly { readonly step: string; readonly ms: number }[]
  /** what would make answers fresher or faster */
  readonly advice: readonly string[]
}

export interface ExplainedAnswer {
  readonly source: ExplainedSource
  readonly snapshot: Snapshot
  /** as the answer is given */
  readonly meta: Pick<AnswerMeta, 'dataset' | 'view' | 'behind' | 'liveMissing' | 'outdated' | 'truncated'>
  /** the views whose states were merged */
  readonly stored: readonly { readonly name: string }[]
  readonly steps: readonly { readonly step: string; readonly ms: number }[]
}

/** so many closed segments that each query of a process without resident states feels them */
const SEGMENTS_MANY = 100

/** @param nowMs epoch ms */
export function explanationOf(answer: ExplainedAnswer, nowMs: number): Explanation {
  const { source, snapshot, steps } = answer
  const { generation, segments, markers } = snapshot
  return {
    source,
    layers: {
      batch: generation && batchOf(generation, answer, nowMs),
      closed: {
        segments: segments.length,
        ...sizeOf(segments.flatMap(({ partials }) => answer.stored.flatMap(({ name }) => partials[name]?.file ?? []))),
        rows: segments.reduce((sum, { rows }) => sum + rows, 0),
        newestAt: newestOf(segments.map(({ createdAtMs }) => createdAtMs)),
      },
      open: { rows: [...markers.values()].reduce((sum, { rows }) => sum + rows, 0), partitions: markers.size },
    },
    steps: steps.map(({ step, ms }) => ({ step, ms: Math.round(ms * 1_000) / 1_000 })),
    advice: adviceOf(answer, nowMs),
  }
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

function adviceOf({ snapshot: { generation, segments }, meta }: ExplainedAnswer, nowMs: number): string[] {
  const { dataset, behind, liveMissing, outdated, truncated } = meta
  const advice: string[] = []
  if (liveMissing !== null) advice.push(`events of open segments may be missing: ${liveMissing}`)
  if (outdated !== null)
    advice.push(`the view is answered by its earlier definition; run \`watershed backfill ${dataset}\``)
  if (generation === null && segments.length > 0)
    advice.push(`there is no generation yet, so ${segments.length} segments are merged; run \`watershed batch run\``)
  if (generation !== null && segments.length >= SEGMENTS_MANY)
    advice.push(
      `the generation is ${ageText(nowMs - generation.finishedAtMs)} old, and ${segments.length} segments behind its boundary are merged; run \`watershed batch run\``,
    )
  if (behind !== null && behind > 0)
    advice.push(`${behind} events of the log are not counted yet; ask again, or with atLeast to wait for a position`)
  if (truncated) advice.push('there are more rows than the limit; raise limit, or filter')
  return advice
}

function ageText(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000))
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`
}
