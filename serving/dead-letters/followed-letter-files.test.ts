/** Which files of dead letters are known while segments close, are compacted and removed, and how much is listed for that. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ChainsOptions } from '#storage/lake/lake.ts'
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
  followed = new FollowedLetterFiles({
    current: () => lake.current(),
    chains: (partitions, options = {}) => {
      asked.push(options)
      return lake.chains(partitions, options)
    },
  })
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
const listed = async (generation = emptyGeneration('g000001', [0]), letters = 1): Promise<string[]> =>
  (await followed.list(generation, 1, letters)).map(({ file }) => file.path)

test('where there are no letters, nothing is listed', async () => {
  await land(0, 10, 0)
  expect(await listed(undefined, 0)).toEqual([])
  expect(asked).toEqual([])
})

test('all files are those of the segments, by the generation and what closed after it', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 0)]
  const staged = await lake.beginGeneration()
  await staged.commit({ ...emptyGeneration(staged.id, [20]), deadLetters: 1 })
  await lake.setCurrent(staged.id)
  const all = async (): Promise<string[]> => (await followed.all(1)).map(({ file }) => file.path)
  expect(await all()).toEqual(pathsOf(landed))
  landed.push(await land(20, 30, 2))
  expect(await all()).toEqual(pathsOf(landed))
  expect(asked.map(({ after }) => after)).toEqual([[20], undefined, [20], [20]])
})

test('history is listed once; after that, what closed since', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 0), await land(20, 30, 2)]
  expect(await listed()).toEqual(pathsOf(landed))
  landed.push(await land(30, 40, 3))
  expect(await listed()).toEqual(pathsOf(landed))
  expect(asked.map(({ after }) => after)).toEqual([undefined, [30]])
  // The letters are those of the files that it replaces.
  await compact(landed)
  expect(await listed()).toEqual(pathsOf(landed))
  followed.forget()
  expect(await listed()).toHaveLength(1)
})

test('history is listed again where compaction merged and removed more than was known, and where letters were removed', async () => {
  const landed = [await land(0, 10, 1), await land(10, 20, 2)]
  expect(await listed()).toEqual(pathsOf(landed))
  const large = await compact([...landed, await land(20, 30, 3)])
  expect(await listed()).toEqual(pathsOf([large]))
  asked = []
  expect(await listed({ ...emptyGeneration('g000002', [30]), floor: [10] })).toEqual(pathsOf([large]))
  expect(asked.map(({ after }) => after)).toEqual([undefined])
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
