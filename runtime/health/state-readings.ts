/** Gauges that are read from log, lake and speed store at each scrape. */
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { StateReading } from '#telemetry/metrics.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'

/** Readings of all datasets; one that cannot be read is omitted, so that a scrape never fails. */
export async function stateReadings(datasets: readonly OpenDataset[]): Promise<StateReading[]> {
  const all = await Promise.all(datasets.map((open) => readingsOf(open).catch(() => [])))
  return all.flat()
}

async function readingsOf(open: OpenDataset): Promise<StateReading[]> {
  const { lake, log, store, partitions } = open
  const dataset = open.dataset.name
  const generation = await lake.current()
  const chains = await lake.chains(partitions)
  const markers = await store.markers()
  const readings: StateReading[] = []
  const totals = { rows: 0, dead: 0, late: 0, gaps: 0 }
  for (const { partition, segments, end } of chains) {
    const newest = markers.get(partition)
    const marker = newest?.segmentStart === end ? newest : undefined
    const say = (name: StateReading['name'], value: number): void => {
      readings.push({ name, dataset, partition, value })
    }
    say('watershed_log_end_offset', (await log.range(partition)).end)
    say('watershed_position_offset', marker?.through ?? end)
    say('watershed_boundary_offset', generation?.boundary[partition] ?? 0)
    totals.rows += sumOf(segments, (segment) => segment.rows) + (marker?.rows ?? 0)
    totals.dead += sumOf(segments, (segment) => segment.deadLetters) + (marker?.deadLetters ?? 0)
    totals.late += sumOf(segments, (segment) => segment.late.rows) + (marker?.lateRows ?? 0)
    totals.gaps += sumOf(segments, (segment) => (segment.kind === 'gap' ? segment.end - segment.start : 0))
  }
  const ageSeconds = generation === null ? [] : [(Date.now() - generation.finishedAtMs) / 1_000]
  readings.push(
    { name: 'watershed_rows', dataset, value: totals.rows },
    { name: 'watershed_dead_letters', dataset, value: totals.dead },
    { name: 'watershed_late_rows', dataset, value: totals.late },
    { name: 'watershed_gap_offsets', dataset, value: totals.gaps },
    ...ageSeconds.map((value): StateReading => ({ name: 'watershed_generation_age_seconds', dataset, value })),
  )
  return readings
}

function sumOf(segments: readonly SegmentManifest[], of: (segment: SegmentManifest) => number): number {
  return segments.reduce((sum, segment) => sum + of(segment), 0)
}
