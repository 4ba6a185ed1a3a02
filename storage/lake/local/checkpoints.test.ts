import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CHECKPOINT_SEGMENTS } from '../blob-lake/chain-checkpoints.ts'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import { manifestText, readSegmentManifest } from '../manifest-text.ts'
import { buildChains } from '../segment-chain.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { LocalLake } from './local-lake.ts'
import { manifestFiles } from './manifest-files-fixture.ts'

/** offsets of a segment: a hundred of them fill several folders */
const LENGTH = 60_000
const EVERYTHING = [Number.MAX_SAFE_INTEGER]

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoints-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = () => LocalLake.open({ folder, dataset: DATASET })
const checkpoints = () => readdir(join(folder, DATASET, 'manifests/p0000/checkpoints')).catch(() => [])
const pathOf = (segment: SegmentManifest) => join(folder, DATASET, manifestPath(segmentManifestName(segment)))

async function landMany(lake: LocalLake, count: number): Promise<SegmentManifest[]> {
  let { end } = (await lake.chains(1))[0]!
  const landed: SegmentManifest[] = []
  for (let made = 0; made < count; made++, end += LENGTH) {
    const segment = emptySegment(0, end, end + LENGTH)
    expect(await lake.commitSegment(segment)).toEqual({ outcome: 'committed' })
    landed.push(segment)
  }
  return landed
}

async function compact(lake: LocalLake, segments: readonly SegmentManifest[]): Promise<void> {
  const [first, last] = [segments[0]!, segments.at(-1)!]
  const replaces = segments.map(segmentManifestName)
  await lake.commitCompacted({ ...emptySegment(0, first.start, last.end), replaces })
}

/** The chains by the manifests alone: nothing of folders, listings and checkpoints. */
async function chainsOfManifests() {
  const texts = manifestFiles(join(folder, DATASET)).map(async (path) =>
    readSegmentManifest(await readFile(path, 'utf8'), path),
  )
  const manifests = new Map((await Promise.all(texts)).map((one) => [segmentManifestName(one), one]))
  return buildChains({ dataset: DATASET, manifests }, 1)
}

async function expectSameChains(lake: LocalLake): Promise<void> {
  const { closed, compacted } = await chainsOfManifests()
  expect(await lake.chains(1)).toEqual(closed)
  expect(await lake.chains(1, { compacted: true })).toEqual(compacted)
  expect(await lake.chain(0, 0)).toEqual(closed[0])
  expect(await lake.checkpointFaults()).toEqual([])
}

it('whatever is landed, compacted, removed and checkpointed, every handle has the chains of the manifests', async () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('land' as const), count: fc.integer({ min: 1, max: 70 }) }),
      },
      fc.record({ kind: fc.constant('compact' as const), from: fc.nat(60), count: fc.integer({ min: 2, max: 40 }) }),
      fc.record({ kind: fc.constant('remove' as const), share: fc.constantFrom(0.3, 0.7, 1) }),
      fc.record({ kind: fc.constant('former' as const), at: fc.nat(60) }),
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('checkpoint' as const), share: fc.constantFrom(0.6, 1) }) },
    ),
    { minLength: 4, maxLength: 12, size: 'max' },
  )
  let seen = 0
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      await rm(join(folder, DATASET), { recursive: true, force: true })
      const [writer, watching] = [await open(), await open()]
      await landMany(writer, 80)
      for (const step of chosen) {
        const [{ end } = { end: 0 }] = await writer.chains(1)
        if (step.kind === 'land') await landMany(writer, step.count)
        if (step.kind === 'remove') await writer.removeReplaced([end * step.share], 5_000)
        if (step.kind === 'checkpoint') seen += await writer.checkpoint([end * step.share])
        if (step.kind === 'compact') {
          const [chain] = await writer.chains(1, { compacted: true })
          const group = chain!.segments.slice(step.from, step.from + step.count)
          if (group.length > 1) await compact(writer, group)
        }
        // A former owner dies between its commit and its look for compacted segments.
        if (step.kind === 'former') {
          const start = step.at * LENGTH
          const wide = (await writer.chains(1))[0]!.segments.some(
            (one) => one.replaces && one.start < start && start < one.end,
          )
          const left = emptySegment(0, start, start + LENGTH / 2)
          if (wide) await writeFile(pathOf(left), manifestText(left, 'left'), { flag: 'wx' }).catch(() => {})
        }
        await expectSameChains(watching)
      }
      await expectSameChains(await open())
    }),
    { numRuns: 12 },
  )
  expect(seen).toBeGreaterThan(3)
}, 60_000)

it('a reader sees every segment while others land, compact, remove and write checkpoints', async () => {
  const [owner, batch, reader] = [await open(), await open(), await open()]
  await landMany(owner, 10)
  let isDone = false
  const work = (async () => {
    for (let round = 0; round < 4; round++) {
      const landed = await landMany(owner, CHECKPOINT_SEGMENTS)
      await batch.checkpoint(EVERYTHING)
      await compact(batch, landed)
      await batch.removeReplaced(EVERYTHING, 5_000)
    }
  })().finally(() => {
    isDone = true
  })
  let end = 0
  while (!isDone)
    for (const lake of [reader, await open()]) {
      const before = end
      for (const compacted of [false, true]) end = Math.max(end, (await lake.chains(1, { compacted }))[0]!.end)
      expect((await lake.chain(0, 0)).end).toBeGreaterThanOrEqual(before)
    }
  await work
  expect((await (await open()).chains(1))[0]!.end).toBe((10 + 4 * CHECKPOINT_SEGMENTS) * LENGTH)
})

describe('a checkpoint', () => {
  let landed: SegmentManifest[]
  beforeEach(async () => {
    const lake = await open()
    landed = await landMany(lake, CHECKPOINT_SEGMENTS + 6)
    expect(await lake.checkpoint([landed.at(-5)!.end])).toBe(1)
    expect(await lake.checkpoint([landed.at(-4)!.end])).toBe(0)
  })
  const path = async () => join(folder, DATASET, 'manifests/p0000/checkpoints', (await checkpoints())[0]!)

  it('stands for the manifests before its end, which are not opened', async () => {
    for (const segment of landed.slice(0, -6)) await writeFile(pathOf(segment), 'not opened')
    expect((await (await open()).chains(1))[0]!.segments).toEqual(landed)
  })

  it.each([
    ['torn', (file: string) => truncate(file, 500)],
    ['empty', (file: string) => truncate(file, 0)],
    ['edited', async (file: string) => writeFile(file, (await readFile(file, 'utf8')).replace('"rows":0', '"rows":1'))],
    [
      'of a later format',
      async (file: string) => writeFile(file, (await readFile(file, 'utf8')).replace('"format":1', '"format":9')),
    ],
    ['gone', (file: string) => rm(file)],
  ])('that is %s is not used, and written again from the manifests', async (what, harm) => {
    await harm(await path())
    const lake = await open()
    expect((await lake.chains(1))[0]!.segments).toEqual(landed)
    expect((await lake.checkpointFaults()).map(({ partition }) => partition)).toEqual(what === 'gone' ? [] : [0])
    expect(await lake.checkpoint([landed.at(-5)!.end])).toBe(1)
    expect(await checkpoints()).toHaveLength(1)
    await expectSameChains(await open())
  })

  it('does not complete a lake that lost the end of what it has', async () => {
    for (const segment of landed.slice(-8)) await rm(pathOf(segment))
    expect((await (await open()).chains(1))[0]!.end).toBe(landed.at(-9)!.end)
  })

  it('that has what its manifest does not say, or no manifest says, is reported', async () => {
    await rm(pathOf(landed[3]!))
    await writeFile(pathOf(landed[4]!), manifestText({ ...landed[4]!, createdAtMs: 7 }, 'x'))
    expect((await (await open()).checkpointFaults()).map(({ problem }) => problem)).toEqual([
      expect.stringMatching(/p0000-0{10}180000\.json', whose manifest is missing/),
      expect.stringMatching(/p0000-0{10}240000\.json' other than its manifest/),
    ])
  })

  it('gives way to a segment that was made again', async () => {
    const lake = await open()
    await lake.chains(1)
    await writeFile(pathOf(landed[3]!), 'torn')
    const other = await open()
    expect((await other.unreadableSegments()).map(({ name }) => name)).toEqual([segmentManifestName(landed[3]!)])
    const again = { ...landed[3]!, createdAtMs: 9 }
    await other.restoreSegment(again)
    expect(await checkpoints()).toEqual([])
    for (const one of [lake, await open()]) expect((await one.chains(1))[0]!.segments[3]).toEqual(again)
  })

  it('that was left before the newest one is not read', async () => {
    const [older, text] = [await path(), await readFile(await path(), 'utf8')]
    const lake = await open()
    await landMany(lake, CHECKPOINT_SEGMENTS)
    expect(await lake.checkpoint(EVERYTHING)).toBe(1)
    await writeFile(older, text)
    await rm(pathOf(landed[0]!))
    expect((await (await open()).chains(1))[0]!.end).toBe((2 * CHECKPOINT_SEGMENTS + 6) * LENGTH)
  })
})
