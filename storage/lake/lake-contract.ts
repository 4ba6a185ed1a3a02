/** Contract suite of the lake, run for every driver. */
import { describe, expect, it } from 'vitest'
import type { StepName } from '#core/steps.ts'
import { generationsContract } from './generations-contract.ts'
import { emptySegment, type LakeUnderTest, lakesOf, land, publish, type WithLake } from './lake-contract-fixture.ts'
import type { LakeFile } from './segment-manifest.ts'
import { segmentsContract } from './segments-contract.ts'
import { sharedFilesContract } from './shared-files-contract.ts'

export function lakeContract(driver: string, make: () => Promise<LakeUnderTest>): void {
  const withLake = lakesOf(make)
  wholeLakeContract(driver, withLake)
  segmentsContract(driver, withLake)
  generationsContract(driver, withLake)
  sharedFilesContract(driver, withLake)
}

/** Files, the lock, the sweep and the steps: what segments and generations have in common. */
function wholeLakeContract(driver: string, withLake: WithLake): void {
  describe(`lake contract, as a whole: ${driver}`, () => {
    it(
      'verifies files by their checksums, any number of times',
      withLake(async (under) => {
        const lake = await under.open()
        const { manifest } = await land(under, lake, 0, 0, 10, 'a')
        const files = [manifest.events!, manifest.partials.by_country!.file]
        for (const handle of [lake, lake, await under.open()]) await handle.check(files)
        const edited = { ...files[0]!, sha256: 'f'.repeat(64) }
        await expect(lake.check([files[1]!, edited])).rejects.toMatchObject({
          code: 'file-damaged',
          message: expect.stringMatching(`${edited.path}.*does not have the checksum`),
        })
      }),
    )

    it(
      'keeps the result of the newest verification for every handle',
      withLake(async (under) => {
        const [lake, reader] = [await under.open(), await under.open()]
        expect(await reader.verification()).toBeNull()
        const first = { atMs: 5, equal: true, generation: null, fullFinishedAtMs: null }
        await lake.recordVerification(first)
        expect(await reader.verification()).toEqual(first)
        const second = { atMs: 9, equal: false, generation: 'g000001', fullFinishedAtMs: 7 }
        await reader.recordVerification(second)
        expect(await lake.verification()).toEqual(second)
      }),
    )

    it(
      'keeps up to where compaction has looked for every handle, until a thorough sweep',
      withLake(async (under) => {
        const [lake, reader] = [await under.open(), await under.open()]
        expect(await reader.compactionMark()).toBeNull()
        const first = { rowsTarget: 100, spanMsMax: null, from: [10, 0], to: [20, 0] }
        for (const mark of [first, { ...first, spanMsMax: 5, to: [30, 7] }]) {
          await lake.markCompaction(mark)
          expect(await reader.compactionMark()).toEqual(mark)
        }
        await lake.sweepOrphans(0, { thorough: false })
        expect(await reader.compactionMark()).not.toBeNull()
        await lake.sweepOrphans(0)
        expect(await reader.compactionMark()).toBeNull()
      }),
    )

    it(
      'keeps the first refusal of a partition for every handle, until it is lifted',
      withLake(async (under) => {
        const [lake, reader] = [await under.open(), await under.open()]
        expect(await reader.refusals()).toEqual(new Map())
        const [first, other] = [
          { partition: 1, why: 'it was cut', atMs: 5 },
          { partition: 12_345, why: 'it was "replaced"\n', atMs: 6 },
        ]
        await lake.refuse(first)
        await lake.refuse({ ...first, why: 'found again', atMs: 9 })
        await reader.refuse(other)
        expect(await reader.refusals()).toEqual(
          new Map([
            [1, first],
            [12_345, other],
          ]),
        )
        for (const handle of [lake, reader]) await handle.liftRefusal(1)
        expect(await lake.refusals()).toEqual(new Map([[12_345, other]]))
      }),
    )

    it(
      'starts empty',
      withLake(async ({ open }) => {
        const lake = await open()
        expect(await lake.chains(2)).toEqual([
          { partition: 0, segments: [], end: 0 },
          { partition: 1, segments: [], end: 0 },
        ])
        expect(await lake.current()).toBeNull()
        expect(await lake.generations()).toEqual([])
      }),
    )

    it(
      'discards an unfinished file, and a finished one that no manifest names',
      withLake(async (under) => {
        const lake = await under.open()
        const unfinished = await lake.stageSegmentFile(0, 0, 'events')
        await under.write(lake, unfinished, 'half')
        await unfinished.discard()
        const finished = await lake.stageSegmentFile(0, 0, 'events')
        await under.write(lake, finished, 'whole')
        const file = await finished.finish(1)
        await finished.discard()
        expect(() => lake.resolve(file)).toThrow(/does not exist/)
        await expect((await lake.stageSegmentFile(0, 0, 'events')).finish(0)).rejects.toThrow(/not written/)
      }),
    )

    it(
      'keeps a file that a manifest names, even if its writer discards it',
      withLake(async (under) => {
        const lake = await under.open()
        const staged = await lake.stageSegmentFile(0, 0, 'events')
        await under.write(lake, staged, 'kept')
        const file = await staged.finish(10)
        await lake.commitSegment({ ...emptySegment(0, 0, 10), events: file, rows: 10 })
        await staged.discard()
        expect(await under.read(lake, file)).toBe('kept')
      }),
    )

    it(
      'has a lock for each work',
      withLake(async (under) => {
        const [one, two] = [await under.open(), await under.open()]
        const batch = await one.tryLock('batch')
        const stream = await two.tryLock('stream')
        expect(stream).not.toBeNull()
        await batch!.release()
        expect(await one.tryLock('stream')).toBeNull()
        await stream!.release()
        const next = await one.tryLock('stream')
        expect(next).not.toBeNull()
        await next!.release()
      }),
    )

    it(
      'gives its lock to one holder at a time',
      withLake(async (under) => {
        const [one, two] = [await under.open(), await under.open()]
        const held = await one.tryLock('batch')
        expect(held).not.toBeNull()
        expect(await two.tryLock('batch')).toBeNull()
        expect(await one.tryLock('batch')).toBeNull()
        await held!.release()
        const next = await two.tryLock('batch')
        expect(next).not.toBeNull()
        await next!.release()
      }),
    )

    it(
      'sweeps files that no manifest names',
      withLake(async (under) => {
        const lake = await under.open()
        const kept = await land(under, lake, 0, 0, 10, 'kept')
        const published = await publish(under, lake, [10])
        const orphan = await lake.stageSegmentFile(0, 10, 'events')
        await under.write(lake, orphan, 'orphan')
        const file = await orphan.finish(1)
        await under.write(lake, await lake.stageSegmentFile(0, 10, 'events'), 'half')
        const begun = await lake.beginGeneration()
        await under.write(lake, await begun.stageFile('states', 'by_country'), 'half')
        expect(await lake.sweepOrphans(-60_000)).toBe('orphan'.length + 'half'.length * 2)
        expect(() => lake.resolve(file)).toThrow(/does not exist/)
        expect(await under.read(lake, kept.manifest.events!)).toBe('events kept')
        expect(await under.read(lake, published.views.by_country!.files[0]!)).toBe('states up to 10')
        expect((await lake.verifyFiles()).problems).toEqual([])
      }),
    )

    it(
      'hands files from one handle to another, until they are removed or swept',
      withLake(async (under) => {
        const [giver, taker] = [await under.open(), await under.open()]
        const give = async (contents: string): Promise<LakeFile> => {
          const staged = await giver.stageHandoff('by_country')
          await under.write(giver, staged, contents)
          return staged.finish(1)
        }
        const files = [await give('one'), await give('other'), await give('one')]
        expect(new Set(files.map(({ path }) => path)).size).toBe(3)
        await taker.check(files)
        expect(await Promise.all(files.map((file) => under.read(taker, file)))).toEqual(['one', 'other', 'one'])
        await taker.removeHandoff(files[0]!)
        await taker.removeHandoff(files[0]!)
        expect(() => taker.resolve(files[0]!)).toThrow(/does not exist/)
        const unfinished = await giver.stageHandoff('by_country')
        await under.write(giver, unfinished, 'half')
        const dropped = await giver.stageHandoff('by_country')
        await under.write(giver, dropped, 'dropped')
        await dropped.discard()
        expect(await giver.sweepOrphans(-60_000)).toBe('other'.length + 'one'.length + 'half'.length)
        await expect((await under.open()).check([files[1]!])).rejects.toThrow(/does not exist/)
        expect((await taker.verifyFiles()).problems).toEqual([])
      }),
    )

    it(
      'passes the protocol steps in their order',
      withLake(async (under) => {
        const steps: StepName[] = []
        const lake = await under.open((name) => {
          steps.push(name)
        })
        await land(under, lake, 0, 0, 10, 'a')
        await lake.setCurrent((await publish(under, lake, [10])).id)
        expect(steps).toEqual([
          'segment:before-manifest',
          'segment:manifest-linked',
          'generation:published',
          'generation:before-current',
          'generation:current-swapped',
        ])
      }),
    )

    it(
      'leaves the old state before a step and the new one after it',
      withLake(async (under) => {
        const crashAt = (wanted: StepName) =>
          under.open((name) => {
            if (name === wanted) throw new Error(`crash at ${name}`)
          })
        const lake = await under.open()
        await expect(land(under, await crashAt('segment:before-manifest'), 0, 0, 10, 'a')).rejects.toThrow('crash')
        expect((await lake.chains(1))[0]!.end).toBe(0)
        await expect(land(under, await crashAt('segment:manifest-linked'), 0, 0, 10, 'a')).rejects.toThrow('crash')
        expect((await lake.chains(1))[0]!.end).toBe(10)
        const published = await publish(under, lake, [10])
        await expect((await crashAt('generation:before-current')).setCurrent(published.id)).rejects.toThrow('crash')
        expect(await lake.current()).toBeNull()
        await expect((await crashAt('generation:current-swapped')).setCurrent(published.id)).rejects.toThrow('crash')
        expect(await lake.current()).toEqual(published)
      }),
    )
  })
}
