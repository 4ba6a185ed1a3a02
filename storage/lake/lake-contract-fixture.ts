/** Fixture of the lake's contract suites: opens any number of handles, and lands segments and generations. */
import type { StepHook } from '#core/steps.ts'
import type { GenerationManifest } from './generation-manifest.ts'
import type { Lake, StagedFile, StagedGeneration } from './lake.ts'
import { segmentManifestName } from './manifest-names.ts'
import type { LakeFile, SegmentManifest } from './segment-manifest.ts'

export interface LakeUnderTest {
  /** opens another handle on the same folder */
  open(step?: StepHook): Promise<Lake>
  /** writes a file in place of the engine */
  write(lake: Lake, staged: StagedFile, contents: string): Promise<void>
  read(lake: Lake, file: LakeFile): Promise<string>
  /** removes this test's folder */
  close(): Promise<void>
}

export const DATASET = 'rsvps'
export const HASH = 'view-1'

/** A segment's manifest without files. */
export function emptySegment(partition: number, start: number, end: number): SegmentManifest {
  return {
    format: 1,
    dataset: DATASET,
    log: 'log-1',
    kind: 'events',
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
    schemaHash: 'schema-1',
    columns: [{ name: '_offset', type: 'BIGINT' }],
    createdAtMs: 1_000,
  }
}

/** A generation's manifest without views. */
export function emptyGeneration(id: string, boundary: readonly number[]): GenerationManifest {
  return {
    format: 4,
    dataset: DATASET,
    id,
    log: 'log-1',
    mode: 'full',
    boundary,
    segments: [],
    base: null,
    views: {},
    dictionaries: {},
    rows: 0,
    deadLetters: 0,
    lateRows: 0,
    gaps: [],
    startedAtMs: 1,
    finishedAtMs: 2,
  }
}

export type WithLake = (use: (under: LakeUnderTest) => Promise<void>) => () => Promise<void>

/** Gives each test its own lake. */
export function lakesOf(make: () => Promise<LakeUnderTest>): WithLake {
  return (use) => async () => {
    const under = await make()
    try {
      await use(under)
    } finally {
      await under.close()
    }
  }
}

/** Lands a segment with an events file and one partial. */
export async function land(
  under: LakeUnderTest,
  lake: Lake,
  partition: number,
  start: number,
  end: number,
  text: string,
) {
  const write = async (kind: string): Promise<LakeFile> => {
    const staged = await lake.stageSegmentFile(partition, start, kind)
    await under.write(lake, staged, `${kind} ${text}`)
    return staged.finish(end - start)
  }
  const manifest: SegmentManifest = {
    ...emptySegment(partition, start, end),
    events: await write('events'),
    partials: { by_country: { hash: HASH, file: await write('partial-by_country') } },
    rows: end - start,
  }
  return { manifest, commit: await lake.commitSegment(manifest) }
}

/** Lands segments of ten offsets each, up to `end` of partition 0. */
export async function landTens(under: LakeUnderTest, lake: Lake, end: number): Promise<SegmentManifest[]> {
  const landed: SegmentManifest[] = []
  for (let start = 0; start < end; start += 10)
    landed.push((await land(under, lake, 0, start, start + 10, 'x')).manifest)
  return landed
}

export async function publish(under: LakeUnderTest, lake: Lake, boundary: number[]): Promise<GenerationManifest> {
  const staged: StagedGeneration = await lake.beginGeneration()
  const view = await staged.stageFile('states', 'by_country')
  await under.write(lake, view, `states up to ${boundary}`)
  const views = { by_country: { hash: HASH, files: [await view.finish(1)] } }
  const manifest: GenerationManifest = { ...emptyGeneration(staged.id, boundary), views }
  await staged.commit(manifest)
  return manifest
}

export async function compact(under: LakeUnderTest, lake: Lake, segments: readonly SegmentManifest[]) {
  const [first, last] = [segments[0]!, segments.at(-1)!]
  const staged = await lake.stageSegmentFile(first.partition, first.start, 'events')
  await under.write(lake, staged, 'compacted')
  const rows = segments.reduce((sum, segment) => sum + segment.rows, 0)
  const manifest: SegmentManifest = {
    ...emptySegment(first.partition, first.start, last.end),
    events: await staged.finish(rows),
    rows,
    replaces: segments.map(segmentManifestName),
  }
  await lake.commitCompacted(manifest)
  return manifest
}
