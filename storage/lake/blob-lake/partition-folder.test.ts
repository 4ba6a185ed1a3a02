import { expect, test } from 'vitest'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { segmentManifestName } from '../manifest-names.ts'
import {
  checkpointName,
  checkpointText,
  hasManifest,
  type SegmentCheckpoint,
  writtenPart,
} from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { Blobs, Listing, NamesInFolder } from './blobs.ts'
import { CheckpointFiles } from './checkpoint-files.ts'
import { counting } from './counting-fixture.ts'
import { PartitionFolder } from './partition-folder.ts'

const COMPACTED = 2_000
const LENGTH = 100
const PLACE = { dataset: DATASET, partition: 0 }

const compacted = (index: number): SegmentManifest => {
  const [start, end] = [index * LENGTH, (index + 1) * LENGTH]
  return { ...emptySegment(0, start, end), replaces: [segmentManifestName(emptySegment(0, start, start + 1))] }
}
const segments = Array.from({ length: COMPACTED }, (_, index) => compacted(index))
const names = segments.map(segmentManifestName)
const end = COMPACTED * LENGTH
const { part } = writtenPart(PLACE, segments)

test('whether a checkpoint has a compacted segment is not looked for among all of them each time', () => {
  const { counted, looks } = counting(part.compacted)
  const checkpoint: SegmentCheckpoint = { format: 3, ...PLACE, end, parts: [{ ...part, compacted: counted }] }
  expect(names.filter((name) => hasManifest(checkpoint, name))).toEqual(names)
  expect(hasManifest(checkpoint, segmentManifestName(compacted(COMPACTED)))).toBe(false)
  expect(looks()).toBeLessThan(2 * COMPACTED)
})

/** The folder of a partition with a checkpoint of all compacted segments. */
function folderOf(wide: readonly string[]) {
  const listings: Record<string, Listing> = {}
  const put = (folder: string, listed: readonly string[]): void => {
    const place = ['manifests/p0000', folder].filter((each) => each !== '').join('/')
    listings[place] = { version: (listings[place]?.version ?? 0) + 1, names: listed, mark: null }
  }
  const blobs: Pick<Blobs, 'nameOf' | 'read' | 'namesIn'> = {
    nameOf: (path) => path,
    read: async () => checkpointText(PLACE, [part]),
    namesIn: (folder): NamesInFolder => ({ read: async () => listings[folder]!, forget: () => {} }),
  }
  put('', ['0000000000'])
  put('0000000000', [])
  put('compacted', wide)
  put('checkpoints', [checkpointName(0, end, 1)])
  // Not one of the others is called.
  const whole = blobs as Blobs
  return { put, folder: new PartitionFolder(whole, 'p0000', new CheckpointFiles(whole, DATASET)) }
}

test('a look after a commit does not look at the names of compacted segments again', async () => {
  const beyond = segmentManifestName(compacted(COMPACTED))
  const { counted, looks } = counting([...names, beyond])
  const { folder, put } = folderOf(counted)
  const flat = new Set<string>()
  expect((await folder.read(flat)).names).toEqual([beyond])
  const before = looks()
  const landed = segmentManifestName(emptySegment(0, end + LENGTH, end + 2 * LENGTH))
  put('0000000000', [landed])
  expect((await folder.read(flat)).names).toEqual([landed, beyond])
  expect(looks()).toBe(before)

  put('compacted', names.slice(1))
  const { names: all, checkpoint } = await folder.read(flat)
  expect([all, checkpoint]).toEqual([[landed, ...names.slice(1)], null])
})

test('a commit behind all compacted segments does not look at their names', async () => {
  const { counted, looks } = counting(names)
  const { folder, put } = folderOf(counted)
  expect(await folder.wideBeyond(end)).toEqual([])
  const before = looks()
  for (let commits = 0; commits < 10; commits++) expect(await folder.wideBeyond(end + commits)).toEqual([])
  expect(looks()).toBe(before)
  expect(await folder.wideBeyond(end - 1)).toBe(counted)

  const beyond = [...names, segmentManifestName(compacted(COMPACTED))]
  put('compacted', beyond)
  expect(await folder.wideBeyond(end)).toBe(beyond)
})
