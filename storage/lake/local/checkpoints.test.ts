import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CHECKPOINT_SEGMENTS } from '../blob-lake/chain-checkpoints.ts'
import type { SegmentChain } from '../lake.ts'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import { manifestText, readSegmentManifest, sealed } from '../manifest-text.ts'
import { buildChains } from '../segment-chain.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { placedMs } from '../segment-outline.ts'
import { FolderBlobs } from './folder-blobs.ts'
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
const PLACE = 'manifests/p0000/checkpoints'
const saved = async (ending: string) =>
  (await readdir(join(folder, DATASET, PLACE)).catch(() => [])).filter((name) => name.endsWith(ending)).toSorted()
const checkpoints = () => saved('.checkpoint')
const pathOf = (segment: SegmentManifest) => join(folder, DATASET, manifestPath(segmentManifestName(segment)))

async function landMany(lake: LocalLake, count: number): Promise<SegmentManifest[]> {
  let { end } = (await lake.chains(1))[0]!
  const landed: SegmentManifest[] = []
  for (let made = 0; made < count; made++, end += LENGTH) {
    const segment = { ...emptySegment(0, end, end + LENGTH), timeRange: { minMs: end, maxMs: end + LENGTH - 1 } }
    expect(await lake.commitSegment(segment)).toEqual({ outcome: 'committed' })
    landed.push(segment)
  }
  return landed
}

async function compact(lake: LocalLake, segments: readonly SegmentManifest[]): Promise<void> {
  const [first, last] = [segments[0]!, segments.at(-1)!]
  const replaces = segments.map(segmentManifestName)
  const timeRange = { minMs: first.start, maxMs: last.end - 1 }
  await lake.commitCompacted({ ...emptySegment(0, first.start, last.end), timeRange, replaces })
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
  for (const share of [0, 0.5, 1]) await expectOutlined(lake, compacted[0]!, share)
  const places = [closed[0]!.segments, compacted[0]!.segments].flatMap((segments) =>
    [0.4, 1].map((share) => segments[Math.ceil(segments.length * share) - 1]!.end),
  )
  for (const at of new Set(places))
    for (const [whole, options] of [
      [closed[0]!, { after: [at] }],
      [compacted[0]!, { after: [at], compacted: true }],
    ] as const)
      expectRest((await lake.chains(1, options))[0]!, whole, at)
}

/** @param share of the groups that are opened, the first ones */
async function expectOutlined(lake: LocalLake, whole: SegmentChain, share: number): Promise<void> {
  const [chain] = await lake.outline(1, ({ end }) => end <= whole.end * share)
  expect(chain!.end).toBe(whole.end)
  let begun = 0
  for (const { start, end, outline, segments } of chain!.groups) {
    const own = whole.segments.filter((segment) => segment.start >= start && segment.start < end)
    expect([start, end]).toEqual([begun, own.at(-1)!.end])
    expect(segments).toEqual(end <= whole.end * share ? own : null)
    expect(outline).toMatchObject({ rows: 0, times: { minMs: start, maxMs: end - 1 }, schemaHash: 'schema-1' })
    for (const segment of own) {
      expect(outline.placed!.minMs).toBeLessThanOrEqual(placedMs(segment)!)
      expect(outline.placed!.maxMs).toBeGreaterThanOrEqual(placedMs(segment)!)
    }
    begun = end
  }
  expect(begun).toBe(whole.end)
}

/** What is left out ends at or before `after`, and the rest is as it was. */
function expectRest({ segments, end, past }: SegmentChain, whole: SegmentChain, after: number): void {
  expect(end).toBe(whole.end)
  const begun = past?.end ?? 0
  expect(begun).toBeLessThanOrEqual(after)
  expect(segments).toEqual(whole.segments.filter(({ start }) => start >= begun))
  expect(segments[0]?.start ?? end).toBe(begun)
}

it('whatever is landed, compacted, removed and checkpointed, every handle has the chains of the manifests', async () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('land' as const), count: fc.integer({ min: 1, max: 70 }) }),
      },
      fc.record({ kind: fc.constant('compact' as const), from: fc.nat(60), count: fc.integer({ min: 2, max: 40 }) }),
      fc.record({ kind: fc.constant('remove' as const), share: fc.constantFrom(0.3, 0.7, 1), thorough: fc.boolean() }),
      fc.record({ kind: fc.constant('former' as const), at: fc.nat(60) }),
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('checkpoint' as const),
          share: fc.constantFrom(0.6, 1),
          thorough: fc.boolean(),
        }),
      },
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
        if (step.kind === 'remove') await writer.removeReplaced([end * step.share], 5_000, step)
        if (step.kind === 'checkpoint') seen += await writer.checkpoint([end * step.share], step)
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
    { numRuns: 10 },
  )
  expect(seen).toBeGreaterThan(3)
})

it('what a removal leaves that a crash interrupts is removed after the next look at everything', async () => {
  const lake = await open()
  const landed = await landMany(lake, CHECKPOINT_SEGMENTS + 6)
  // Before the compacted segment was made.
  await lake.removeReplaced(EVERYTHING, 0)
  await lake.checkpoint(EVERYTHING)
  await compact(lake, landed.slice(0, 10))
  const crash = vi.spyOn(FolderBlobs.prototype, 'remove').mockRejectedValueOnce(new Error('killed'))
  await expect(lake.removeReplaced(EVERYTHING, 5_000, { thorough: false })).rejects.toThrow('killed')
  crash.mockRestore()
  const next = await open()
  const left = (): number => manifestFiles(join(folder, DATASET)).length
  await next.removeReplaced(EVERYTHING, 5_000, { thorough: false })
  expect(left()).toBe(landed.length + 1)
  await next.sweepOrphans(0, { thorough: true })
  await next.removeReplaced(EVERYTHING, 5_000, { thorough: false })
  expect(left()).toBe(landed.length + 1 - 10)
  await expectSameChains(next)
})

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

const HARMS: readonly (readonly [what: string, harm: (file: string) => Promise<void>])[] = [
  ['torn', (file) => truncate(file, 200)],
  ['empty', (file) => truncate(file, 0)],
  ['edited', async (file) => writeFile(file, (await readFile(file, 'utf8')).replace('"log":"log-1"', '"log":"log-2"'))],
  [
    'of a later format',
    async (file) => writeFile(file, (await readFile(file, 'utf8')).replace(/"format":\d/, '"format":9')),
  ],
  ['gone', (file) => rm(file)],
]

describe('a checkpoint', () => {
  let landed: SegmentManifest[]
  beforeEach(async () => {
    const lake = await open()
    landed = await landMany(lake, CHECKPOINT_SEGMENTS + 6)
    expect(await lake.checkpoint([landed.at(-5)!.end])).toBe(1)
    expect(await lake.checkpoint([landed.at(-4)!.end])).toBe(0)
  })
  const path = async (ending = '.checkpoint') => join(folder, DATASET, PLACE, (await saved(ending))[0]!)

  it('stands for the manifests before its end, which are not opened', async () => {
    for (const segment of landed.slice(0, -6)) await writeFile(pathOf(segment), 'not opened')
    expect((await (await open()).chains(1))[0]!.segments).toEqual(landed)
  })

  it('is enough for what is new: the part with its segments is not opened', async () => {
    await writeFile(await path('.segments'), 'not opened')
    const lake = await open()
    const [{ segments, past }, one] = [
      (await lake.chains(1, { after: [landed.at(-5)!.end] }))[0]!,
      await lake.chain(0, EVERYTHING[0]!),
    ]
    expect(segments).toEqual(landed.slice(-4))
    expect(past).toEqual({ end: landed.at(-5)!.end, log: 'log-1', closedAtMs: 1_000, floor: 0 })
    expect(one).toEqual({ partition: 0, segments, end: landed.at(-1)!.end, past })
  })

  it('is continued behind its last part, which stays as it is; small parts are put together', async () => {
    const [lake, light] = [await open(), { thorough: false }]
    const [first] = await saved('.segments')
    await landMany(lake, 2 * CHECKPOINT_SEGMENTS)
    expect(await lake.checkpoint(EVERYTHING, light)).toBe(1)
    // 66 are fewer than the 132 that follow.
    expect(await saved('.segments')).toHaveLength(1)
    const [both] = await saved('.segments')
    expect(both).not.toBe(first)
    await landMany(await open(), CHECKPOINT_SEGMENTS)
    expect(await (await open()).checkpoint(EVERYTHING, light)).toBe(1)
    expect(await saved('.segments')).toEqual([both, expect.stringMatching(/segments$/)])
    expect(await checkpoints()).toHaveLength(1)
    await expectSameChains(await open())
  })

  it('is opened from the part on that has what is asked for', async () => {
    const lake = await open()
    landed.push(...(await landMany(lake, 2 * CHECKPOINT_SEGMENTS)))
    expect(await lake.checkpoint(EVERYTHING, { thorough: false })).toBe(1)
    const before = landed.length
    landed.push(...(await landMany(lake, CHECKPOINT_SEGMENTS)))
    expect(await (await open()).checkpoint(EVERYTHING, { thorough: false })).toBe(1)
    expect(await saved('.segments')).toHaveLength(2)
    await writeFile(await path('.segments'), 'not opened')
    const reader = await open()
    const { end } = landed[before - 1]!
    for (const after of [end, end + 1, landed[before]!.end])
      for (const chain of [(await reader.chains(1, { after: [after] }))[0]!, await reader.chain(0, after)]) {
        expect(chain.segments).toEqual(landed.slice(before))
        expect(chain.past).toEqual({ end, log: 'log-1', closedAtMs: 1_000, floor: 0 })
      }
    // Without that part, the manifests are read.
    expect((await reader.chains(1, { after: [end - 1] }))[0]!.segments).toEqual(landed)
  })

  it('loses the parts with what is compacted and removed, and keeps those before', async () => {
    const [lake, light] = [await open(), { thorough: false }]
    const more = await landMany(lake, CHECKPOINT_SEGMENTS - 4)
    expect(await lake.checkpoint(EVERYTHING, light)).toBe(1)
    const [first, second] = await saved('.segments')
    await lake.removeReplaced([more.at(-1)!.end], 500)
    await compact(lake, more.slice(5, 20))
    await lake.removeReplaced([more.at(-1)!.end], 6_000, light)
    const after = await saved('.segments')
    expect(after[0]).toBe(first)
    expect(after).not.toContain(second)
    await expectSameChains(await open())
  })

  it('of an earlier version, with the segments themselves, is read, and gives way to one of this version', async () => {
    const [file, part] = [await path(), await path('.segments')]
    const { segments } = JSON.parse(await readFile(part, 'utf8')) as { segments: SegmentManifest[] }
    const earlier = sealed({ format: 1, dataset: DATASET, partition: 0, end: segments.at(-1)!.end, segments })
    await writeFile(file, `${JSON.stringify(earlier)}\n`)
    await rm(part)
    for (const segment of segments.slice(0, -1)) await writeFile(pathOf(segment), 'not opened')
    const lake = await open()
    expect((await lake.chains(1, { after: EVERYTHING }))[0]!.past!.end).toBe(earlier.end)
    expect((await lake.chains(1))[0]!.segments).toEqual(landed)
    landed.push(...(await landMany(lake, CHECKPOINT_SEGMENTS)))
    expect(await lake.checkpoint(EVERYTHING, { thorough: false })).toBe(1)
    expect(await saved('.segments')).toHaveLength(1)
    expect((await (await open()).chains(1))[0]!.segments).toEqual(landed)
  })

  it('of an earlier version, whose parts have no outline, is read, and its parts are written anew with the next one', async () => {
    const file = await path()
    const { checksum, ...now } = JSON.parse(await readFile(file, 'utf8')) as { checksum: string; parts: object[] }
    const parts = now.parts.map((part) => ({ ...part, outline: undefined }))
    const earlier = JSON.parse(JSON.stringify({ ...now, format: 2, parts })) as object
    expect(sealed(earlier).checksum).not.toBe(checksum)
    await writeFile(file, `${JSON.stringify(sealed(earlier))}\n`)
    for (const segment of landed.slice(0, -6)) await writeFile(pathOf(segment), 'not opened')
    const lake = await open()
    expect((await lake.chains(1, { after: EVERYTHING }))[0]!.past!.end).toBe(landed.at(-5)!.end)
    await expectOutlined(lake, (await lake.chains(1))[0]!, 1)
    landed.push(...(await landMany(lake, CHECKPOINT_SEGMENTS)))
    expect(await lake.checkpoint(EVERYTHING, { thorough: false })).toBe(1)
    const written = JSON.parse(await readFile(await path(), 'utf8')) as { format: number; parts: object[] }
    expect(written.format).toBe(3)
    for (const part of written.parts) expect(part).toHaveProperty('outline')
    expect((await (await open()).chains(1))[0]!.segments).toEqual(landed)
  })

  it('of whose parts only the wanted ones are opened, and where one of these is damaged, manifests', async () => {
    const lake = await open()
    landed.push(...(await landMany(lake, 4 * CHECKPOINT_SEGMENTS)))
    expect(await lake.checkpoint(EVERYTHING)).toBe(1)
    expect(await saved('.segments')).toHaveLength(2)
    await writeFile(await path('.segments'), 'not opened')
    const [whole] = await lake.chains(1, { after: EVERYTHING, compacted: true })
    const reader = await open()
    const [chain] = await reader.outline(1, ({ start }) => start > 0)
    expect(chain!.groups[0]!.segments).toBeNull()
    expect(chain!.groups[1]!.segments).toEqual(landed.slice(256))
    expect(chain!.end).toBe(whole!.end)
    await expectOutlined(reader, (await reader.chains(1))[0]!, 1)
  })

  it.each(['.checkpoint', '.segments'].flatMap((ending) => HARMS.map(([what, harm]) => ({ what, ending, harm }))))(
    'whose file *$ending is $what is not used, and written again from the manifests',
    async ({ what, ending, harm }) => {
      await harm(await path(ending))
      const lake = await open()
      expect((await lake.chains(1))[0]!.segments).toEqual(landed)
      const isGone = what === 'gone' && ending === '.checkpoint'
      expect(await lake.checkpointFaults()).toMatchObject([
        { partition: 0, name: isGone ? null : expect.stringMatching(/checkpoint$/) },
      ])
      expect(await lake.checkpoint([landed.at(-5)!.end])).toBe(1)
      expect(await checkpoints()).toHaveLength(1)
      await expectSameChains(await open())
    },
  )

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

it('what another handle has changed is seen by the next holder of the batch lock, however short the time is', async () => {
  const [one, other, light] = [await open(), await open(), { thorough: false }]
  const landed = await landMany(one, 2 * CHECKPOINT_SEGMENTS + 6)
  const hold = async (lake: LocalLake, work: () => Promise<unknown>): Promise<void> => {
    const lock = await lake.tryLock('batch')
    await work()
    await lock!.release()
  }
  await hold(one, () => one.checkpoint([landed[CHECKPOINT_SEGMENTS]!.end], light))
  await hold(one, () => one.chains(1))
  // Between two looks of the first one, what its checkpoint has is compacted and removed, and a part is written anew.
  await hold(other, async () => {
    await compact(other, landed.slice(2, 9))
    await other.removeReplaced(EVERYTHING, 5_000, light)
  })
  await hold(one, async () => expect(await one.checkpoint(EVERYTHING, light)).toBe(1))
  expect(await checkpoints()).toHaveLength(1)
  await expectSameChains(await open())
})
