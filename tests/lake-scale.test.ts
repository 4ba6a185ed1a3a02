/**
 * What a lake with 100,000 closed segments costs, beside one with a tenth of them: calls of the file system, counted. The start of a
 * process, a commit, an answer and another look must not open or list more because there is more history.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CheckpointFiles } from '#storage/lake/blob-lake/checkpoint-files.ts'
import { writeRemovalMark } from '#storage/lake/blob-lake/removal-mark.ts'
import { DATASET, emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { makeFolder } from '#storage/lake/local/durable-files.ts'
import { FolderBlobs } from '#storage/lake/local/folder-blobs.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { manifestText } from '#storage/lake/manifest-text.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'

const PARTITIONS = 100
/** of a segment: a hundred of them fill a folder */
const OFFSETS = 10_000
/** closed since the checkpoint, by partition */
const BEHIND = 5
/** in a checkpoint, for each of its segments */
const DESCRIBED_BYTES_MAX = 2
const SCRIPT = fileURLToPath(new URL('lake-scale.fixture.ts', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-scale-'))
  await writeLake(100)
  await writeLake(1_000)
}, 300_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const lakeOf = (segments: number): string => join(folder, String(segments))

/** @param segments of each partition */
async function writeLake(segments: number): Promise<void> {
  const dataset = join(lakeOf(segments), DATASET)
  const lake = await LocalLake.open({ folder: lakeOf(segments), dataset: DATASET })
  const checkpoints = new CheckpointFiles(new FolderBlobs(dataset), DATASET)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const chain = Array.from({ length: segments }, (_, at) => pastSegment(partition, at))
    const paths = chain.map((segment) => join(dataset, manifestPath(segmentManifestName(segment))))
    for (const place of new Set(paths.map((path) => dirname(path)))) await makeFolder(place)
    await Promise.all(chain.map((segment, index) => writeFile(paths[index]!, manifestText(segment, paths[index]!))))
    await checkpoints.write(partition, chain.slice(0, -BEHIND))
  }
  const boundary = Array.from({ length: PARTITIONS }, () => segments * OFFSETS)
  await writeRemovalMark(new FolderBlobs(dataset), { boundary, olderThanMs: 5_000, left: [] })
  const lock = await lake.tryLock('batch')
  const from = boundary.map((end) => end - OFFSETS)
  await lake.markCompaction({ rowsTarget: 1_000_000, spanMsMax: null, from, to: boundary })
  await lock!.release()
  const staged = await lake.beginGeneration()
  await staged.commit(emptyGeneration(staged.id, boundary))
  await lake.setCurrent(staged.id)
}

/** One after the other in time, a millisecond each. */
function pastSegment(partition: number, at: number): SegmentManifest {
  return { ...emptySegment(partition, at * OFFSETS, (at + 1) * OFFSETS), timeRange: { minMs: at, maxMs: at } }
}

/** Calls of the file system, by step. */
interface Counted {
  readonly reads: number
  /** characters of what was read */
  readonly bytes: number
  readonly listings: number
  readonly others: number
}

async function countedOn(segments: number): Promise<Record<string, Counted>> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, lakeOf(segments), String(PARTITIONS)])
  return JSON.parse(stdout) as Record<string, Counted>
}

test('a lake of 100,000 segments: a start, a commit, a look, an answer, the health page, the table of events, also after a compaction, the clean-up after a run, a compaction and a slice of the proof open and list what a tenth of it takes', async () => {
  const [tenth, whole] = [await countedOn(100), await countedOn(1_000)]
  for (const { start, look, commit, after, clean } of [tenth, whole]) {
    // A process opens a checkpoint for each partition, and the manifests behind it.
    expect(start!.reads).toBe(PARTITIONS * (1 + BEHIND))
    // The root, and of each partition its folder and those of checkpoints and of the newest segments: none was compacted.
    expect(start!.listings).toBe(1 + PARTITIONS * 3)
    expect(look).toEqual({ reads: 0, bytes: 0, listings: 0, others: 1 })
    // A commit lists the root; there are no compacted segments of its partition, of which one could cover it.
    expect(commit!.reads).toBe(0)
    expect(commit!.listings).toBe(1)
    expect(commit!.others).toBeLessThanOrEqual(24)
    // Another process reads the one new manifest, and lists no more than what has changed and the root.
    expect(after!.reads).toBe(1)
    expect(after!.listings).toBeLessThanOrEqual(1 + PARTITIONS * 5)
    // Clean-up after an incremental run opens what the writer had not opened yet: checkpoints, what is behind them, and the mark.
    expect(clean!.reads).toBeLessThanOrEqual(PARTITIONS * (1 + BEHIND) + 3)
    // They look at the folders once, together: nobody else changes what they depend on.
    expect(clean!.listings).toBeLessThanOrEqual(1 + PARTITIONS * 4 + 10)
  }
  expect(whole.clean!.others).toBeLessThan(1.2 * tenth.clean!.others)
  for (const step of ['health', 'tables', 'compact', 'compactNothing', 'tablesCompacted', 'slice'])
    expect([whole[step]!.reads, whole[step]!.listings]).toEqual([tenth[step]!.reads, tenth[step]!.listings])
  // Compaction opens what a start does and, of the two partitions that have got something, nothing more: the last small segment is behind
  // their checkpoint. Of the others it does not even ask for that.
  expect(whole.compact!.reads).toBeLessThanOrEqual(PARTITIONS * (1 + BEHIND) + 20)
  expect(whole.compactNothing!.reads).toBeLessThanOrEqual(10)
  // Nor is more read: only who asks for all segments opens the files that have them.
  // A checkpoint says of each of its parts where it is, and of what time.
  const described = DESCRIBED_BYTES_MAX * (100_000 - 10_000)
  for (const step of ['start', 'after', 'clean', 'health', 'tables', 'compact', 'tablesCompacted'])
    expect(whole[step]!.bytes - tenth[step]!.bytes).toBeLessThan(described)
  // A slice opens what a start does, and of each partition a part of the checkpoint, or two.
  expect(whole.slice!.reads).toBeLessThanOrEqual(PARTITIONS * (1 + BEHIND + 2))
  expect(whole.slice!.bytes).toBeLessThan(0.35 * whole.everything!.bytes)
  expect(whole.everything!.bytes).toBeGreaterThan(9 * tenth.everything!.bytes)
}, 300_000)
