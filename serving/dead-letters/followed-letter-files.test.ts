/** Which files of dead letters are known while segments close, are compacted and removed, and how much is listed for that. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { ChainsOptions, Lake } from '#storage/lake/lake.ts'
import { DATASET, emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { FollowedLetterFiles } from './followed-letter-files.ts'
import { withLetterFiles } from './letter-files.ts'

let folder: string
let lake: LocalLake
let asked: ChainsOptions[]
let followed: FollowedLetterFiles
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-letter-files-'))
  lake = await LocalLake.open({ folder, dataset: DATASET })
  asked = []
  const asking: Pick<Lake, 'current' | 'chains'> = {
    current: () => lake.current(),
    chains: (partitions, options = {}) => {
      asked.push(options)
      return lake.chains(partitions, options)
    },
  }
  followed = new FollowedLetterFiles(asking, 4)
})
afterEach(() => rm(folder, { recursive: true }))

async function lettersOf(start: number, letters: number): Promise<LakeFile> {
  const staged = await lake.stageSegmentFile(0, start, 'dead-letters')
  await writeFile(staged.writePath, `${letters} letters from ${start}`)
  return staged.finish(letters)
}

async function land(start: number, end: number, letters: number): Promise<SegmentManifest> {
  const deadLetterFile = letters === 0 ? null : await lettersOf(start, letters)
  const manifest = { ...emptySegment(0, start, end), deadLetterFile, deadLetters: letters }
  await lake.commitSegment(manifest)
  return manifest
}

/** Merges segments, and removes the originals. */
async function compact(segments: readonly SegmentManifest[]): Promise<SegmentManifest> {
  const [{ start }, { end }] = [segments[0]!, segments.at(-1)!]
  const letters = segments.reduce((sum, { deadLetters }) => sum + deadLetters, 0)
  const manifest: SegmentManifest = {
    ...emptySegment(0, start, end),
    deadLetterFile: await lettersOf(start, letters),
    deadLetters: letters,
    replaces: segments.map(segmentManifestName),
  }
  await lake.commitCompacted(manifest)
  await lake.removeReplaced([end], 5_000)
  return manifest
}

const pathsOf = (segments: readonly SegmentManifest[]): string[] =>
  segments.flatMap(({ deadLetterFile }) => deadLetterFile?.path ?? [])
const all = async (): Promise<string[]> => (await followed.all(1)).map(({ file }) => file.path)

/** @param counts what it counts, and where letters were removed */
async function publish(boundary: number, counts: Pick<GenerationManifest, 'deadLetters' | 'floor'>): Promise<void> {
  const staged = await lake.beginGeneration()
  await staged.commit({ ...emptyGeneration(staged.id, [boundary]), ...counts })
  await lake.setCurrent(staged.id)
}

test('what a generation counts is not listed if it has no letters', async () => {
  await land(0, 10, 0)
  await publish(10, { deadLetters: 0 })
  expect(await all()).toEqual([])
  const newer = await land(10, 20, 2)
  expect(await all()).toEqual(pathsOf([newer]))
  expect(asked.map(({ after }) => after)).toEqual([[10], [10]])
})

test('history is listed once; after that, what closed since', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 0), await land(20, 30, 2)]
  await publish(20, { deadLetters: 1 })
  expect(await all()).toEqual(pathsOf(landed))
  landed.push(await land(30, 40, 3))
  expect(await all()).toEqual(pathsOf(landed))
  expect(asked.map(({ after }) => after)).toEqual([[0], [30]])
  // The letters are those of the files that it replaces.
  await compact(landed)
  expect(await all()).toEqual(pathsOf(landed))
  followed.forget()
  expect(await all()).toHaveLength(1)
})

test('history is listed again when there are more and twice as many files: it has fewer after compaction', async () => {
  const landed = [await land(0, 10, 1)]
  for (let start = 10; start <= 40; start += 10) {
    expect(await all()).toHaveLength(landed.length)
    landed.push(await land(start, start + 10, 1))
  }
  expect(await all()).toHaveLength(5)
  const large = await compact(landed)
  expect(await all()).toEqual(pathsOf([large]))
  expect(asked.map(({ after }) => after)).toEqual([[0], [10], [20], [30], [40], [0]])
})

test('looks at the same time list each file once', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 2)]
  await Promise.all([all(), all()])
  expect(await all()).toEqual(pathsOf(landed))
})

test('history is listed again where compaction merged and removed more than was known, and where letters were removed', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 2)]
  await publish(20, { deadLetters: 3 })
  expect(await all()).toEqual(pathsOf(landed))
  const large = await compact([...landed, await land(20, 30, 3)])
  expect(await all()).toEqual(pathsOf([large]))
  asked = []
  await publish(30, { deadLetters: 6, floor: [10] })
  expect(await all()).toEqual(pathsOf([large]))
  expect(asked.map(({ after }) => after)).toEqual([[0]])
})

test('what reads files that compaction has removed meanwhile reads those that took their place', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 2)]
  const read = (): Promise<string[]> =>
    withLetterFiles({ lake, partitions: 1 }, async (files) => {
      for (const { file } of files) lake.resolve(file)
      return files.map(({ file }) => file.path)
    })
  expect((await read()).toSorted()).toEqual(pathsOf(landed))
  const large = await compact(landed)
  expect(await read()).toEqual(pathsOf([large]))
})
