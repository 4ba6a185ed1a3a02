/** Gauges of what answers count, read at each scrape. */
import { sumByColumn } from '#core/conversion-failures.ts'
import type { Snapshot } from '#serving/answers/snapshot.ts'
import { unconvertedOf } from '#storage/lake/segment-manifest.ts'
import type { StateReading } from '#telemetry/metrics.ts'

/** A dataset whose answers this process gives. */
export interface ReadDataset {
  readonly name: string
  snapshot(): Promise<Snapshot>
}

/** Readings of all datasets; one that cannot be read is omitted, so that a scrape never fails. */
export async function stateReadings(datasets: readonly ReadDataset[]): Promise<StateReading[]> {
  const read = async (each: ReadDataset): Promise<StateReading[]> => readingsOf(each.name, await each.snapshot())
  const all = await Promise.all(datasets.map((each) => read(each).catch(() => [])))
  return all.flat()
}

function readingsOf(dataset: string, { generation, segments, partitions, markers, gaps }: Snapshot): StateReading[] {
  const open = [...markers.values()]
  const places = partitions.flatMap(({ partition, position, boundary, behind }): StateReading[] => [
    { name: 'watershed_position_offset', dataset, partition, value: position },
    { name: 'watershed_boundary_offset', dataset, partition, value: boundary },
    ...(behind === null
      ? []
      : [{ name: 'watershed_log_end_offset' as const, dataset, partition, value: position + behind }]),
  ])
  const unconverted = sumByColumn([generation?.unconverted ?? {}, unconvertedOf(segments).unconverted ?? {}])
  const total = (batch: number, closed: (segment: (typeof segments)[number]) => number, rest: number): number =>
    batch + segments.reduce((sum, segment) => sum + closed(segment), 0) + rest
  const sumOpen = (of: (marker: (typeof open)[number]) => number): number =>
    open.reduce((sum, marker) => sum + of(marker), 0)
  const ageSeconds = generation === null ? [] : [(Date.now() - generation.finishedAtMs) / 1_000]
  return [
    ...places,
    {
      name: 'watershed_rows',
      dataset,
      value: total(
        generation?.rows ?? 0,
        ({ rows }) => rows,
        sumOpen(({ rows }) => rows),
      ),
    },
    {
      name: 'watershed_dead_letters',
      dataset,
      value: total(
        generation?.deadLetters ?? 0,
        ({ deadLetters }) => deadLetters,
        sumOpen(({ deadLetters }) => deadLetters),
      ),
    },
    {
      name: 'watershed_late_rows',
      dataset,
      value: total(
        generation?.lateRows ?? 0,
        ({ late }) => late.rows,
        sumOpen(({ lateRows }) => lateRows),
      ),
    },
    ...Object.entries(unconverted).map(
      ([column, value]): StateReading => ({ name: 'watershed_unconverted_values', dataset, column, value }),
    ),
    { name: 'watershed_gap_offsets', dataset, value: gaps.reduce((sum, { start, end }) => sum + end - start, 0) },
    ...ageSeconds.map((value): StateReading => ({ name: 'watershed_generation_age_seconds', dataset, value })),
  ]
}
