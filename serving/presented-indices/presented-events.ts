/** Rows of the optional index of raw events: every usable event of closed segments, by the day it arrived. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { fromPlaces } from '#storage/engine/record-places.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { BoundValues } from '../answers/bound-values.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { columnMember, momentMember, type PresentedMember, placeMembers } from './presented-fields.ts'
import type { RowSource } from './presented-rows.ts'

/** Closed segments that one round takes. */
export const SEGMENTS_PER_ROUND_MAX = 20

/** What the platform adds begins with @, as no column's name does. */
export function eventMembers(dataset: CompiledDataset): PresentedMember[] {
  return [
    momentMember('@timestamp', '_time'),
    momentMember('@arrived', '_arrival'),
    { name: '@partition', type: 'long', sql: '_partition' },
    { name: '@offset', type: 'long', sql: '_offset' },
    ...dataset.columns.map(columnMember),
    ...placeMembers(dataset.columns),
  ]
}

export interface EventStep {
  readonly segments: readonly SegmentManifest[]
  /** per partition, what is presented when the step is done */
  readonly positions: readonly Offset[]
}

/** The next closed segments behind `since`, oldest first, with their files checked. */
export async function nextEvents(
  { dataset, lake, partitions }: ServedDataset,
  since: readonly Offset[],
): Promise<EventStep> {
  const chains = await lake.chains(Math.max(partitions, since.length), { compacted: true, after: since })
  const waiting = chains
    .flatMap(({ segments }) => segments.filter(({ partition, end }) => end > (since[partition] ?? 0)))
    .sort((a, b) => a.createdAtMs - b.createdAtMs || a.start - b.start)
    .slice(0, SEGMENTS_PER_ROUND_MAX)
  const positions = chains.map(({ partition }) =>
    Math.max(
      since[partition] ?? 0,
      ...waiting.filter((segment) => segment.partition === partition).map(({ end }) => end),
    ),
  )
  await lake.check(rowFiles(dataset, waiting))
  return { segments: waiting, positions }
}

/** @param sinceMs events that arrived before are left out: their days are already dropped */
export function eventSource(
  { dataset, lake }: ServedDataset,
  { segments }: EventStep,
  since: readonly Offset[],
  sinceMs: number,
): RowSource {
  const bound = new BoundValues()
  const rows = typedRowsSql(dataset, segments, (file) => lake.resolve(file))
  const partitions = [...new Set(segments.map(({ partition }) => partition))]
  const newer = fromPlaces(new Map(partitions.map((partition) => [partition, since[partition] ?? 0])))
  const arrived = `_arrival >= ${bound.bind(BigInt(sinceMs))}::BIGINT`
  return {
    sql: `SELECT * FROM ${rows} WHERE ${arrived} AND (${newer})`,
    bound,
    members: eventMembers(dataset),
    identity: ['_partition', '_offset'],
    dayMs: '_arrival',
    // An event never changes.
    version: 1,
  }
}
