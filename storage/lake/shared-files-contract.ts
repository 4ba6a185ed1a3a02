import { describe, expect, it } from 'vitest'
import type { Lake, SegmentShare } from './lake.ts'
import { compact, emptySegment, HASH, type LakeUnderTest, land, type WithLake } from './lake-contract-fixture.ts'
import { segmentFiles, storedFiles } from './segment-files.ts'
import type { SegmentManifest } from './segment-manifest.ts'

const VIEWS = ['by_country', 'by_topic'] as const
const CREATED_AT_MS = 1_000

/** Contract suite of files that segments share, run for every driver: those without such files store each partial by itself. */
export function sharedFilesContract(driver: string, withLake: WithLake): void {
  /** Runs where files are shared. */
  const sharing = (use: (under: LakeUnderTest, lake: Lake) => Promise<void>): (() => Promise<void>) =>
    withLake(async (under) => {
      const lake = await under.open()
      const alone = lake.shareFiles({ partition: 0, start: 0, createdAtMs: CREATED_AT_MS })
      expect(alone === null).toBe(!lake.sharesFiles)
      await alone?.leave()
      if (lake.sharesFiles) await use(under, lake)
    })

  describe(`lake contract, shared files: ${driver}`, () => {
    it(
      'stores the partials of segments that close together in one file, of which each reader finds those of each segment',
      sharing(async (under, lake) => {
        const closed = await closeTogether(under, lake, [0, 1, 2])
        expect(stored(closed)).toHaveLength(1)
        for (const manifest of closed) {
          expect(manifest).toMatchObject({ format: 4, together: closed.map(({ partition }) => memberOf(partition)) })
          expect(await lake.commitSegment(manifest)).toEqual({ outcome: 'committed' })
        }
        const reader = await under.open()
        expect(segmentsOf(await reader.chains(3))).toEqual(closed)
        for (const handle of [lake, reader]) await expectPartials(under, handle, closed)
        expect(await reader.verifyFiles()).toMatchObject({ files: 4, problems: [] })
      }),
    )

    it(
      'waits for nobody who has left, and stores a single file as one of its own',
      sharing(async (under, lake) => {
        const [one, other] = [joined(lake, 0), joined(lake, 1)]
        const [writePath] = [await one.stage('partial-by_country'), await other.stage('partial-by_country')]
        await write(under, lake, writePath, 'alone')
        const finished = one.finish(new Map([[writePath, 3]]))
        await other.leave()
        const { files, together } = await finished
        expect([files[0]!.within, together]).toEqual([undefined, undefined])
        expect(await under.read(await under.open(), files[0]!)).toBe('alone')
        await one.leave()
        expect(await (await under.open()).sweepOrphans(-60_000)).toBe(0)
      }),
    )

    it(
      'does not wait for a segment that begins to close when another one is written already',
      sharing(async (under, lake) => {
        const first = await written(under, lake, joined(lake, 0), 0)
        const slow = joined(lake, 1)
        const finished = first()
        const late = joined(lake, 2)
        await (await written(under, lake, late, 2))()
        await slow.leave()
        expect((await finished).together).toEqual([memberOf(0)])
      }),
    )

    it(
      'gives each segment of a draft that is missing the fault, and lets the others close again',
      sharing(async (under, lake) => {
        const [one, other] = [joined(lake, 0), joined(lake, 1)]
        const finish = await written(under, lake, one, 0)
        const missing = await other.stage('partial-by_country')
        await expect(other.finish(new Map([[missing, 1]]))).rejects.toThrow(/not written/)
        await other.leave()
        expect((await finish()).together).toEqual([memberOf(0)])
      }),
    )

    it(
      'keeps the file for the others when another owner has closed one of the segments first',
      sharing(async (under, lake) => {
        const closed = await closeTogether(under, lake, [0, 1])
        const taker = await under.open()
        const { manifest: winner } = await land(under, taker, 0, 0, 7, 'winner')
        // The loser is the first that the shared file's writer commits.
        expect(await lake.commitSegment(closed[0]!)).toEqual({ outcome: 'lost', winner })
        expect(await lake.commitSegment(closed[1]!)).toEqual({ outcome: 'committed' })
        const reader = await under.open()
        expect(segmentsOf(await reader.chains(2))).toEqual([winner, closed[1]])
        await expectPartials(under, reader, [closed[1]!])
        expect(await under.read(reader, winner.partials.by_country!.file)).toBe('partial-by_country winner')
        expect(await reader.sweepOrphans(-60_000)).toBe(0)
        await expectPartials(under, await under.open(), [closed[1]!])
        // What the winner does not name is needless with what it does.
        await reader.removeReplaced([7, 10], 5_000)
        await expectNoFile(under, closed[1]!)
      }),
    )

    it(
      'sweeps a file that no manifest names, and keeps one that a single one does',
      sharing(async (under, lake) => {
        const kept = await closeTogether(under, lake, [0, 1])
        await lake.commitSegment(kept[1]!)
        const crashed = await closeTogether(under, await under.open(), [0, 2])
        const sweeper = await under.open()
        const bytes = storedBytes(crashed) + crashed.length * 'events 0'.length + 'events 0'.length
        expect(await sweeper.sweepOrphans(-60_000)).toBe(bytes)
        await expectNoFile(under, crashed[0]!)
        await expectPartials(under, await under.open(), [kept[1]!])
        // Its owner was only slow: it must not commit what is gone.
        await expect((await under.open()).commitSegment(crashed[0]!)).rejects.toMatchObject({ code: 'file-missing' })
      }),
    )

    it.each([[true], [false]])(
      'removes it when all of its segments are counted, and not before (thorough: %s)',
      (thorough) =>
        sharing(async (under, lake) => {
          const closed = await closeTogether(under, lake, [0, 1, 2])
          for (const manifest of closed) await lake.commitSegment(manifest)
          expect(await lake.removeReplaced([10, 10, 0], 5_000)).toBe(0)
          await expectPartials(under, await under.open(), closed)
          expect(await lake.removeReplaced([10, 10, 10], CREATED_AT_MS + 2, { thorough })).toBe(0)
          await expectPartials(under, await under.open(), closed)
          expect(await lake.removeReplaced([10, 10, 10], 5_000, { thorough })).toBe(storedBytes(closed))
          await expectNoFile(under, closed[0]!)
          expect(segmentsOf(await (await under.open()).chains(3))).toEqual(closed)
          expect(await lake.removeReplaced([10, 10, 10], 5_000, { thorough: false })).toBe(0)
        })(),
    )

    it(
      'is kept for the others when one of its segments was compacted',
      sharing(async (under, lake) => {
        const closed = await closeTogether(under, lake, [0, 1])
        for (const manifest of closed) await lake.commitSegment(manifest)
        const { manifest: next } = await land(under, lake, 0, 10, 20, 'next')
        const large = await compact(under, lake, [closed[0]!, next])
        await lake.removeReplaced([20, 0], 5_000)
        const reader = await under.open()
        expect(segmentsOf(await reader.chains(2))).toEqual([large, closed[1]])
        await expectPartials(under, reader, [closed[1]!])
        expect(await lake.removeReplaced([20, 10], 5_000, { thorough: false })).toBe(storedBytes(closed))
        await expectNoFile(under, closed[1]!)
      }),
    )
  })
}

function memberOf(partition: number) {
  return { partition, start: 0, createdAtMs: CREATED_AT_MS + partition }
}

function joined(lake: Lake, partition: number): SegmentShare {
  return lake.shareFiles(memberOf(partition))!
}

function write(under: LakeUnderTest, lake: Lake, writePath: string, contents: string): Promise<void> {
  return under.write(lake, { writePath } as Parameters<LakeUnderTest['write']>[1], contents)
}

/** Writes a segment's partials. @returns what finishes them */
async function written(under: LakeUnderTest, lake: Lake, share: SegmentShare, partition: number) {
  const rows = new Map<string, number>()
  for (const view of VIEWS) {
    const writePath = await share.stage(`partial-${view}`)
    await write(under, lake, writePath, `${view} of ${partition}`)
    rows.set(writePath, partition + 1)
  }
  return () => share.finish(rows)
}

/** Manifests of segments [0, 10) of these partitions, which one process closes; none is committed. */
async function closeTogether(
  under: LakeUnderTest,
  lake: Lake,
  partitions: readonly number[],
): Promise<SegmentManifest[]> {
  const shares = partitions.map((partition) => joined(lake, partition))
  return Promise.all(
    partitions.map(async (partition, at): Promise<SegmentManifest> => {
      const finish = await written(under, lake, shares[at]!, partition)
      const staged = await lake.stageSegmentFile(partition, 0, 'events')
      await under.write(lake, staged, `events ${partition}`)
      const [events, { files, together }] = [await staged.finish(10), await finish()]
      return {
        ...emptySegment(partition, 0, 10),
        ...(together !== undefined && { format: 4, together }),
        ...{ events, rows: 10, createdAtMs: CREATED_AT_MS + partition },
        partials: Object.fromEntries(VIEWS.map((view, each) => [view, { hash: HASH, file: files[each]! }])),
      }
    }),
  )
}

async function expectPartials(under: LakeUnderTest, lake: Lake, closed: readonly SegmentManifest[]): Promise<void> {
  for (const { partition, partials } of closed)
    for (const view of VIEWS) expect(await under.read(lake, partials[view]!.file)).toBe(`${view} of ${partition}`)
}

/** To a process that has read nothing of it yet. */
async function expectNoFile(under: LakeUnderTest, { partials }: SegmentManifest): Promise<void> {
  const reader = await under.open()
  await expect(under.read(reader, partials.by_topic!.file)).rejects.toMatchObject({ code: 'file-missing' })
}

function segmentsOf(chains: Awaited<ReturnType<Lake['chains']>>): readonly SegmentManifest[] {
  return chains.flatMap(({ segments }) => segments)
}

function stored(closed: readonly SegmentManifest[]) {
  return storedFiles(closed.flatMap(segmentFiles)).filter(({ path }) => path.includes('/shared/'))
}

function storedBytes(closed: readonly SegmentManifest[]): number {
  return stored(closed).reduce((sum, { bytes }) => sum + bytes, 0)
}
