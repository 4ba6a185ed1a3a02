/** Records in the lake that a range of offsets was never read: the log dropped it first. */
import type { OffsetRange } from '#core/offsets.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'

export interface GapParts {
  readonly dataset: string
  readonly lake: Lake
  readonly logIdentity: string
  readonly emit: Emit
}

/** Commits `gap` as a segment without rows. Losing to another owner is fine: whoever opens the partition reads the lake again. */
export async function commitGap(
  { dataset, lake, logIdentity, emit }: GapParts,
  gap: OffsetRange,
  atMs: number,
): Promise<void> {
  const { partition, start, end } = gap
  emit({
    name: 'gap-recorded',
    level: 'error',
    dataset,
    message: `partition ${partition}: the log dropped the offsets [${start}, ${end}) before they were read; answers report the gap. Raise the log's retention, or find out why the stream role fell behind`,
    fields: { partition, start, end },
  })
  await lake.commitSegment({
    format: 1,
    dataset,
    log: logIdentity,
    kind: 'gap',
    partition,
    start,
    end,
    events: null,
    deadLetterFile: null,
    partials: {},
    rows: 0,
    deadLetters: 0,
    timeRange: null,
    late: { rows: 0, maxMs: 0 },
    schemaHash: '',
    columns: [],
    createdAtMs: atMs,
  })
}
