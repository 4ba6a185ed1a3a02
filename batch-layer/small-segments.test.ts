import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { CompactionRule } from '#storage/lake/compaction-mark.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { compact, DATASET, emptySegment, type LakeUnderTest, land } from '#storage/lake/lake-contract-fixture.ts'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import { memoryLakeFolder } from '#storage/lake/memory/memory-folder.ts'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { lookForSmall } from './small-segments.ts'

const RULE: CompactionRule = { rowsTarget: 100, spanMsMax: null }
const PARTITIONS = 2

function underTest(): LakeUnderTest {
  const folder = memoryLakeFolder()
  return {
    open: async () => new MemoryLake({ dataset: DATASET, folder }),
    write: async (lake, staged, contents) => (lake as MemoryLake).put(staged.writePath, contents),
    read: async (lake, file) => (lake as MemoryLake).get(file),
    close: async () => {},
  }
}

const endsOf = async (lake: Lake): Promise<number[]> => (await lake.chains(PARTITIONS)).map(({ end }) => end)

/** As if nothing had been looked at before. */
const withoutMark = (lake: Lake): Pick<Lake, 'chains' | 'compactionMark'> => ({
  chains: (...asked) => lake.chains(...asked),
  compactionMark: async () => null,
})

const namesOf = (groups: readonly (readonly SegmentManifest[])[]): string[][] =>
  groups.map((group) => group.map(segmentManifestName))

/** @param upTo how many groups are merged before the process dies; default: all of them, and then the mark is written */
async function compactAll(
  under: LakeUnderTest,
  lake: Lake,
  boundary: readonly number[],
  { upTo, rule = RULE }: { readonly upTo?: number | undefined; readonly rule?: CompactionRule } = {},
): Promise<void> {
  const { groups, next } = await lookForSmall(lake, boundary, rule)
  for (const group of groups.slice(0, upTo)) await compact(under, lake, group)
  if (upTo === undefined && next !== null) await lake.markCompaction(next)
}

it('what is found by looking at what is new is what a look at everything finds, also after crashes', async () => {
  const steps = fc.array(
    fc.record({
      landed: fc.array(fc.record({ partition: fc.nat(PARTITIONS - 1), rows: fc.integer({ min: 1, max: 80 }) }), {
        maxLength: 8,
      }),
      gap: fc.boolean(),
      share: fc.constantFrom(0.5, 1),
      crashAfter: fc.option(fc.nat(2), { nil: undefined }),
      swept: fc.nat(5).map((nth) => nth === 0),
    }),
    { minLength: 2, maxLength: 8 },
  )
  let found = 0
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      const under = underTest()
      const lake = await under.open()
      let boundary = [0, 0]
      for (const { landed, gap, share, crashAfter, swept } of chosen) {
        for (const { partition, rows } of landed) {
          const end = (await endsOf(lake))[partition]!
          await land(under, lake, partition, end, end + rows, 'x')
        }
        if (gap) {
          const [end] = await endsOf(lake)
          await lake.commitSegment({ ...emptySegment(0, end!, end! + 5), kind: 'gap' })
        }
        if (swept) await lake.sweepOrphans(0)
        const chains = await lake.chains(PARTITIONS)
        boundary = chains.map(({ segments, end }, partition) => {
          const counted = segments.findLast((segment) => segment.end <= end * share)?.end ?? 0
          return Math.max(boundary[partition]!, counted)
        })
        const all = namesOf((await lookForSmall(withoutMark(lake), boundary, RULE)).groups)
        expect(namesOf((await lookForSmall(lake, boundary, RULE)).groups)).toEqual(all)
        found += all.length
        await compactAll(under, lake, boundary, { upTo: crashAfter })
      }
    }),
    { numRuns: 100 },
  )
  expect(found).toBeGreaterThan(100)
})

it('a partition is not looked at again before something was counted, and then from its last small segment on', async () => {
  const under = underTest()
  const lake = await under.open()
  for (const end of [40, 80, 110]) await land(under, lake, 0, (await endsOf(lake))[0]!, end, 'x')
  await land(under, lake, 1, 0, 60, 'x')
  await compactAll(under, lake, [110, 60])
  expect(await lake.compactionMark()).toEqual({ ...RULE, from: [80, 60], to: [110, 60] })
  expect(await lookForSmall(lake, [110, 60], RULE)).toEqual({ groups: [], next: null })
  await land(under, lake, 0, 110, 130, 'x')
  const { groups, next } = await lookForSmall(lake, [130, 60], RULE)
  expect(groups.map((group) => group.map(({ start }) => start))).toEqual([[80, 110]])
  expect(next).toEqual({ ...RULE, from: [80, 60], to: [130, 60] })
})

it('what is still small when it was merged is looked at again', async () => {
  const under = underTest()
  const lake = await under.open()
  const rule = { ...RULE, rowsTarget: 1_000_000 }
  for (let end = 1; end <= 1_002; end++) await land(under, lake, 0, end - 1, end, 'x')
  await compactAll(under, lake, [1_002, 0], { rule })
  expect(await lake.compactionMark()).toEqual({ ...rule, from: [0, 0], to: [0, 0] })
  await compactAll(under, lake, [1_002, 0], { rule })
  expect(await lake.compactionMark()).toEqual({ ...rule, from: [0, 0], to: [1_002, 0] })
  expect((await lake.chains(1, { compacted: true }))[0]!.segments).toHaveLength(1)
})

it('with another rule, or in a lake that was restored from an older copy, everything is looked at', async () => {
  const under = underTest()
  const lake = await under.open()
  for (const end of [60, 120]) await land(under, lake, 0, (await endsOf(lake))[0]!, end, 'x')
  await compactAll(under, lake, [120, 0])
  expect((await lookForSmall(lake, [120, 0], { ...RULE, rowsTarget: 200 })).groups).toHaveLength(1)
  expect((await lookForSmall(lake, [120, 0], { ...RULE, spanMsMax: 5 })).next).not.toBeNull()
  const older = underTest()
  const restored = await older.open()
  for (const end of [30, 50, 90]) await land(older, restored, 0, (await endsOf(restored))[0]!, end, 'x')
  await restored.markCompaction((await lake.compactionMark())!)
  expect((await lookForSmall(restored, [90, 0], RULE)).groups).toHaveLength(1)
})
