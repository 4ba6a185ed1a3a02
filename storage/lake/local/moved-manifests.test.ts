import { link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import { manifestText, readSegmentManifest } from '../manifest-text.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { LocalLake } from './local-lake.ts'
import { manifestFiles } from './manifest-files-fixture.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moved-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => LocalLake.open({ folder, dataset: DATASET })
const inRoot = (name: string): string => join(folder, DATASET, 'manifests', name)
const inFolder = (name: string): string => join(folder, DATASET, manifestPath(name))

async function writeFlat(segment: SegmentManifest): Promise<string> {
  const name = segmentManifestName(segment)
  await mkdir(dirname(inRoot(name)), { recursive: true })
  await writeFile(inRoot(name), manifestText(segment, name))
  return name
}

/** Of partition 0 and 1, far enough apart for several folders, one of them compacted. */
function segments(): SegmentManifest[] {
  const starts = [0, 400_000, 900_000, 1_700_000, 3_000_000]
  const closed = [0, 1].flatMap((partition) =>
    starts.slice(1).map((end, index) => emptySegment(partition, starts[index]!, end)),
  )
  const replaces = closed.slice(0, 2).map(segmentManifestName)
  return [...closed, { ...emptySegment(0, 0, 900_000), replaces }]
}

/** Every state that a crash can leave: a manifest has its earlier name, both, or the new one. */
it('whatever was moved before a crash, every segment is read once, and the rest is moved', async () => {
  const all = segments()
  const states = fc.array(fc.constantFrom('flat', 'both', 'moved'), { minLength: all.length, maxLength: all.length })
  await fc.assert(
    fc.asyncProperty(states, async (chosen) => {
      await rm(join(folder, DATASET), { recursive: true, force: true })
      for (const segment of all) await writeFlat(segment)
      const before = await (await open()).chains(2)
      const watching = await open()
      await watching.chains(2)
      for (const [index, state] of chosen.entries()) {
        const name = segmentManifestName(all[index]!)
        await mkdir(dirname(inFolder(name)), { recursive: true })
        if (state !== 'flat') await link(inRoot(name), inFolder(name))
        if (state === 'moved') await rm(inRoot(name))
      }
      expect(await (await open()).chains(2)).toEqual(before)
      const left = chosen.filter((state) => state !== 'moved').length
      expect(await (await open()).moveManifests()).toBe(left)
      expect(manifestFiles(join(folder, DATASET)).toSorted()).toEqual(
        all.map((segment) => inFolder(segmentManifestName(segment))).toSorted(),
      )
      for (const lake of [watching, await open()]) expect(await lake.chains(2)).toEqual(before)
      expect(await (await open()).moveManifests()).toBe(0)
    }),
    { numRuns: 15 },
  )
})

it('readers see every segment while manifests are moved', async () => {
  const all = Array.from({ length: 300 }, (_, at) => emptySegment(0, at * 10_000, at * 10_000 + 10_000))
  for (const segment of all) await writeFlat(segment)
  const [mover, reader] = [await open(), await open()]
  let isMoved = false
  const moving = mover.moveManifests().finally(() => {
    isMoved = true
  })
  do {
    for (const lake of [reader, await open()]) expect((await lake.chains(1))[0]!.end).toBe(3_000_000)
  } while (!isMoved)
  expect(await moving).toBe(300)
})

it('a segment that an earlier version committed is not committed again', async () => {
  const flat = emptySegment(0, 0, 10)
  await writeFlat(flat)
  const large = { ...emptySegment(1, 0, 30), replaces: [segmentManifestName(emptySegment(1, 0, 10))] }
  await writeFlat(large)
  const lake = await open()
  expect(await lake.commitSegment(emptySegment(0, 0, 12))).toEqual({ outcome: 'lost', winner: flat })
  expect(await lake.commitSegment(emptySegment(1, 10, 17))).toEqual({ outcome: 'lost', winner: large })
  expect((await lake.chains(2)).map(({ segments }) => segments)).toEqual([[flat], [large]])
  expect(await lake.commitSegment(emptySegment(0, 10, 20))).toEqual({ outcome: 'committed' })
})

it('the one that an earlier version committed counts, also beside the one of an owner that died', async () => {
  const flat = emptySegment(0, 0, 10)
  const name = await writeFlat(flat)
  await mkdir(dirname(inFolder(name)), { recursive: true })
  await writeFile(inFolder(name), manifestText(emptySegment(0, 0, 12), name))
  expect(await (await open()).moveManifests()).toBe(0)
  expect((await (await open()).chains(1))[0]!.segments).toEqual([flat])
})

it('damaged manifests, and those that were set aside, are moved as they are', async () => {
  const name = await writeFlat(emptySegment(0, 0, 10))
  await writeFile(inRoot(name), 'torn')
  const aside = `${name}.damaged-0123456789ab`
  await writeFile(inRoot(aside), 'torn earlier')
  const lake = await open()
  expect(await lake.moveManifests()).toBe(2)
  await expect(lake.chains(1)).rejects.toMatchObject({
    code: 'manifest-damaged',
    message: expect.stringContaining(inFolder(name)),
  })
  expect(await readFile(join(dirname(inFolder(name)), aside), 'utf8')).toBe('torn earlier')
})

it('versions that do not know the folders find a manifest that they refuse', async () => {
  await (await open()).commitSegment(emptySegment(0, 0, 10))
  const [fence] = (await readdir(join(folder, DATASET, 'manifests'))).filter((name) => name.endsWith('.json'))
  const text = await readFile(inRoot(fence!), 'utf8')
  expect(() => readSegmentManifest(text, fence!)).toThrow(/newer version of Watershed.*upgrade this process/)
  expect((await (await open()).chains(1))[0]!.end).toBe(10)
})
