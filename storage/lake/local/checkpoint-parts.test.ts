import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { CHECKPOINT_SEGMENTS } from '../blob-lake/chain-checkpoints.ts'
import { DATASET } from '../lake-contract-fixture.ts'
import { segmentManifestName } from '../manifest-names.ts'
import { manifestText, sealed } from '../manifest-text.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import {
  checkpoints,
  compact,
  EVERYTHING,
  expectOutlined,
  expectSameChains,
  folder,
  inFolders,
  LENGTH,
  landMany,
  open,
  PLACE,
  pathOf,
  saved,
} from './checkpoints-fixture.ts'

inFolders()

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

  it.each([{ thorough: true }, { thorough: false }])(
    'that is damaged is replaced by the next run ($thorough) also where compaction left few segments',
    async ({ thorough }) => {
      const writer = await open()
      await compact(writer, landed.slice(0, 60))
      await writer.removeReplaced(EVERYTHING, 5_000)
      await truncate(await path(), 200)
      const lake = await open()
      expect(await lake.checkpoint(EVERYTHING, { thorough })).toBe(1)
      expect(await lake.checkpointFaults(EVERYTHING)).toEqual([])
      expect(await (await open()).checkpoint(EVERYTHING, { thorough })).toBe(0)
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
