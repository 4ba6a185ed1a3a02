/** What every driver of the lake must do; each driver's test runs this suite with its own way to open handles. */
import { describe, expect, it } from 'vitest'
import type { StepHook, StepName } from '#core/steps.ts'
import type { GenerationManifest } from './generation-manifest.ts'
import type { Lake, StagedFile, StagedGeneration } from './lake.ts'
import { segmentManifestName } from './manifest-names.ts'
import type { LakeFile, SegmentManifest } from './segment-manifest.ts'

export interface LakeUnderTest {
  /** opens one more handle on the same folder */
  open(step?: StepHook): Promise<Lake>
  /** writes what the engine would write */
  write(lake: Lake, staged: StagedFile, contents: string): Promise<void>
  read(lake: Lake, file: LakeFile): Promise<string>
  /** ends this test's folder */
  close(): Promise<void>
}

export const DATASET = 'rsvps'
const HASH = 'view-1'

/** A segment's manifest without files. */
export function emptySegment(partition: number, start: number, end: number): SegmentManifest {
  return {
    format: 1,
    dataset: DATASET,
    log: 'log-1',
    kind: 'events',
    partition,
    start,
    end,
    events: null,
    deadLetterFile: null,
    partials: {},
    rows: 0,
    deadLetters: 0,
    timeRange: null,
    late: { rows: 0, maxMs: 0 },
    schemaHash: 'schema-1',
    columns: [{ name: '_offset', type: 'BIGINT' }],
    createdAtMs: 1_000,
  }
}

export function lakeContract(driver: string, make: () => Promise<LakeUnderTest>): void {
  const withLake = (use: (under: LakeUnderTest) => Promise<void>) => async () => {
    const under = await make()
    try {
      await use(under)
    } finally {
      await under.close()
    }
  }

  /** Lands a segment with an events file and one partial. */
  const land = async (
    under: LakeUnderTest,
    lake: Lake,
    partition: number,
    start: number,
    end: number,
    text: string,
  ) => {
    const write = async (kind: string): Promise<LakeFile> => {
      const staged = await lake.stageSegmentFile(partition, start, kind)
      await under.write(lake, staged, `${kind} ${text}`)
      return staged.finish(end - start)
    }
    const manifest: SegmentManifest = {
      ...emptySegment(partition, start, end),
      events: await write('events'),
      partials: { by_country: { hash: HASH, file: await write('partial-by_country') } },
      rows: end - start,
    }
    return { manifest, commit: await lake.commitSegment(manifest) }
  }

  const publish = async (under: LakeUnderTest, lake: Lake, boundary: number[]): Promise<GenerationManifest> => {
    const staged: StagedGeneration = await lake.beginGeneration()
    const view = await staged.stageFile('by_country.parquet')
    await under.write(lake, view, `states up to ${boundary}`)
    const manifest: GenerationManifest = {
      format: 2,
      dataset: DATASET,
      id: staged.id,
      log: 'log-1',
      mode: 'full',
      boundary,
      segments: [],
      base: null,
      views: { by_country: { hash: HASH, files: [await view.finish(1)] } },
      dictionaries: {},
      rows: 0,
      deadLetters: 0,
      lateRows: 0,
      gaps: [],
      startedAtMs: 1,
      finishedAtMs: 2,
    }
    await staged.commit(manifest)
    return manifest
  }

  const compact = async (under: LakeUnderTest, lake: Lake, segments: readonly SegmentManifest[]) => {
    const [first, last] = [segments[0]!, segments.at(-1)!]
    const staged = await lake.stageSegmentFile(first.partition, first.start, 'events')
    await under.write(lake, staged, 'compacted')
    const rows = segments.reduce((sum, segment) => sum + segment.rows, 0)
    const manifest: SegmentManifest = {
      ...emptySegment(first.partition, first.start, last.end),
      events: await staged.finish(rows),
      rows,
      replaces: segments.map(segmentManifestName),
    }
    await lake.commitCompacted(manifest)
    return manifest
  }

  describe(`lake contract: ${driver}`, () => {
    it(
      'finds files whole by their checksums, as often as it is asked',
      withLake(async (under) => {
        const lake = await under.open()
        const { manifest } = await land(under, lake, 0, 0, 10, 'a')
        const files = [manifest.events!, manifest.partials.by_country!.file]
        for (const handle of [lake, lake, await under.open()]) await handle.check(files)
        const edited = { ...files[0]!, sha256: 'f'.repeat(64) }
        await expect(lake.check([files[1]!, edited])).rejects.toMatchObject({
          code: 'file-damaged',
          message: expect.stringMatching(`${edited.path}.*another checksum`),
        })
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
      'gives committed segments back, to every handle, in order',
      withLake(async (under) => {
        const [writer, reader] = [await under.open(), await under.open()]
        await reader.chains(2)
        const first = await land(under, writer, 0, 0, 10, 'a')
        const second = await land(under, writer, 0, 10, 15, 'b')
        await land(under, writer, 1, 0, 3, 'c')
        expect(first.commit).toEqual({ outcome: 'committed' })
        const [chain, other] = await reader.chains(2)
        expect(chain).toEqual({ partition: 0, segments: [first.manifest, second.manifest], end: 15 })
        expect(other!.end).toBe(3)
        expect(await under.read(reader, chain!.segments[1]!.events!)).toBe('events b')
        expect((await reader.verifyFiles()).problems).toEqual([])
      }),
    )

    it(
      'commits a start once: the other owner gets the winner, and its files go',
      withLake(async (under) => {
        const [one, two] = [await under.open(), await under.open()]
        const won = await land(under, one, 0, 0, 10, 'won')
        const lost = await land(under, two, 0, 0, 12, 'lost')
        expect(lost.commit).toEqual({ outcome: 'lost', winner: won.manifest })
        expect((await two.chains(1))[0]!.segments).toEqual([won.manifest])
        expect(() => two.resolve(lost.manifest.events!)).toThrow(/not there/)
        expect(await under.read(two, won.manifest.events!)).toBe('events won')
      }),
    )

    it(
      'lets exactly one of many owners commit at the same time',
      withLake(async (under) => {
        const lakes = await Promise.all(Array.from({ length: 8 }, () => under.open()))
        const results = await Promise.all(lakes.map((lake, index) => land(under, lake, 0, 0, 10 + index, `o${index}`)))
        const winners = results.filter((result) => result.commit.outcome === 'committed')
        expect(winners).toHaveLength(1)
        for (const { commit } of results) {
          if (commit.outcome === 'lost') expect(commit.winner).toEqual(winners[0]!.manifest)
        }
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
        expect(() => lake.resolve(file)).toThrow(/not there/)
        await expect((await lake.stageSegmentFile(0, 0, 'events')).finish(0)).rejects.toThrow(/not written/)
      }),
    )

    it(
      'keeps a file that a manifest names, whatever its writer does afterwards',
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
      'refuses a chain with a hole',
      withLake(async (under) => {
        const lake = await under.open()
        await land(under, lake, 0, 0, 10, 'a')
        await land(under, lake, 0, 20, 30, 'c')
        await expect(lake.chains(1)).rejects.toMatchObject({
          code: 'chain-broken',
          message: expect.stringContaining('[10, 20)'),
        })
      }),
    )

    it(
      'refuses overlapping segments and partitions that the log does not have',
      withLake(async (under) => {
        const lake = await under.open()
        await land(under, lake, 0, 0, 10, 'a')
        await land(under, lake, 0, 5, 15, 'b')
        await expect(lake.chains(1)).rejects.toMatchObject({ code: 'chain-broken' })
        await land(under, lake, 3, 0, 1, 'd')
        await expect(lake.chains(1)).rejects.toMatchObject({ code: 'log-mismatch' })
      }),
    )

    it(
      'gives compacted segments where asked, and else the originals while they are there',
      withLake(async (under) => {
        const [lake, other] = [await under.open(), await under.open()]
        const parts: SegmentManifest[] = []
        for (let start = 0; start < 40; start += 10)
          parts.push((await land(under, lake, 0, start, start + 10, 'x')).manifest)
        const small = await compact(under, lake, parts.slice(0, 2))
        const large = await compact(under, lake, [small, parts[2]!])
        expect((await other.chains(1))[0]!.segments).toEqual(parts)
        expect((await other.chains(1, { compacted: true }))[0]!.segments).toEqual([large, parts[3]])
        await expect(lake.commitCompacted(large)).rejects.toMatchObject({ code: 'already-committed' })
      }),
    )

    it(
      'removes what was replaced and counted, and nothing else',
      withLake(async (under) => {
        const lake = await under.open()
        const parts: SegmentManifest[] = []
        for (let start = 0; start < 40; start += 10)
          parts.push((await land(under, lake, 0, start, start + 10, 'x')).manifest)
        const large = await compact(under, lake, parts.slice(0, 2))
        expect(await lake.removeReplaced([10], 5_000)).toBe(parts[0]!.partials.by_country!.file.bytes)
        expect(await lake.removeReplaced([30], 1_000)).toBe(0)
        expect(await lake.removeReplaced([30], 5_000)).toBeGreaterThan(0)
        const fresh = await under.open()
        expect((await fresh.chains(1))[0]!.segments).toEqual([large, parts[2], parts[3]])
        expect(() => fresh.resolve(parts[1]!.events!)).toThrow(/not there/)
        expect(() => fresh.resolve(parts[2]!.partials.by_country!.file)).toThrow(/not there/)
        expect(await under.read(fresh, parts[2]!.events!)).toBe('events x')
        expect(await under.read(fresh, parts[3]!.partials.by_country!.file)).toBe('partial-by_country x')
        expect(await under.read(fresh, large.events!)).toBe('compacted')
        expect(await lake.removeReplaced([30], 5_000)).toBe(0)
      }),
    )

    it(
      'refuses an owner from long ago whose start was replaced and removed',
      withLake(async (under) => {
        const lake = await under.open()
        const parts: SegmentManifest[] = []
        for (let start = 0; start < 30; start += 10)
          parts.push((await land(under, lake, 0, start, start + 10, 'x')).manifest)
        const large = await compact(under, lake, parts)
        await lake.removeReplaced([30], 5_000)
        const zombie = await land(under, await under.open(), 0, 10, 17, 'zombie')
        expect(zombie.commit).toEqual({ outcome: 'lost', winner: large })
        expect((await lake.chains(1))[0]).toEqual({ partition: 0, segments: [large], end: 30 })
      }),
    )

    it(
      'takes files of another generation over, which stay when that one goes',
      withLake(async (under) => {
        const lake = await under.open()
        const first = await publish(under, lake, [10])
        const [file] = first.views.by_country!.files
        const staged = await lake.beginGeneration()
        const taken = await staged.takeOver(file!, 'by_country.parquet')
        expect(taken).toEqual({ ...file, path: taken.path })
        expect(taken.path).not.toBe(file!.path)
        const more = await staged.stageFile('by_country.1.parquet')
        await under.write(lake, more, 'states of [10, 20)')
        const files = [taken, await more.finish(1)]
        const views = { by_country: { hash: HASH, files } }
        await staged.commit({ ...first, id: staged.id, mode: 'incremental', base: first.id, boundary: [20], views })
        await lake.setCurrent(staged.id)
        await lake.removeGeneration(first.id)
        const reader = await under.open()
        expect(await Promise.all(files.map((each) => under.read(reader, each)))).toEqual([
          'states up to 10',
          'states of [10, 20)',
        ])
        expect((await reader.verifyFiles()).problems).toEqual([])
        const third = await lake.beginGeneration()
        await expect(third.takeOver(file!, 'by_country.parquet')).rejects.toMatchObject({ code: 'file-missing' })
        await third.discard()
      }),
    )

    it(
      'publishes generations, swaps CURRENT and goes back',
      withLake(async (under) => {
        const [lake, reader] = [await under.open(), await under.open()]
        const first = await publish(under, lake, [10])
        expect(await reader.current()).toBeNull()
        await lake.setCurrent(first.id)
        const second = await publish(under, lake, [20])
        expect(await reader.current()).toEqual(first)
        await lake.setCurrent(second.id)
        expect(await reader.current()).toEqual(second)
        expect(await reader.generations()).toEqual([first, second])
        expect(await under.read(reader, second.views.by_country!.files[0]!)).toBe('states up to 20')
        await reader.setCurrent(first.id)
        expect(await lake.current()).toEqual(first)
        await expect(lake.setCurrent('g000009')).rejects.toMatchObject({ code: 'generation-unknown' })
        await expect(lake.setCurrent('../g000001')).rejects.toMatchObject({ code: 'generation-unknown' })
      }),
    )

    it(
      'removes a generation, but never the current one, and never gives its id again',
      withLake(async (under) => {
        const lake = await under.open()
        const first = await publish(under, lake, [10])
        const second = await publish(under, lake, [20])
        const other = await under.open()
        expect(await other.generations()).toEqual([first, second])
        await lake.setCurrent(first.id)
        await expect(lake.removeGeneration(first.id)).rejects.toMatchObject({ code: 'generation-current' })
        await lake.removeGeneration(second.id)
        await expect(lake.removeGeneration(second.id)).rejects.toMatchObject({ code: 'generation-unknown' })
        expect(await other.generations()).toEqual([first])
        await expect(other.setCurrent(second.id)).rejects.toMatchObject({ code: 'generation-unknown' })
        const third = await publish(under, lake, [30])
        expect(third.id).toBe('g000003')
        expect((await (await under.open()).generations()).map((generation) => generation.id)).toEqual([
          first.id,
          third.id,
        ])
      }),
    )

    it(
      'lists no generation that was begun only',
      withLake(async (under) => {
        const lake = await under.open()
        const staged = await lake.beginGeneration()
        await under.write(lake, await staged.stageFile('by_country.parquet'), 'half')
        expect(await lake.generations()).toEqual([])
        await staged.discard()
        const published = await publish(under, lake, [1])
        expect(await lake.generations()).toEqual([published])
      }),
    )

    it(
      'gives its lock to one holder at a time',
      withLake(async (under) => {
        const [one, two] = [await under.open(), await under.open()]
        const held = await one.tryLock()
        expect(held).not.toBeNull()
        expect(await two.tryLock()).toBeNull()
        expect(await one.tryLock()).toBeNull()
        await held!.release()
        const next = await two.tryLock()
        expect(next).not.toBeNull()
        await next!.release()
      }),
    )

    it(
      'sweeps what no manifest names',
      withLake(async (under) => {
        const lake = await under.open()
        const kept = await land(under, lake, 0, 0, 10, 'kept')
        const published = await publish(under, lake, [10])
        const orphan = await lake.stageSegmentFile(0, 10, 'events')
        await under.write(lake, orphan, 'orphan')
        const file = await orphan.finish(1)
        await under.write(lake, await lake.stageSegmentFile(0, 10, 'events'), 'half')
        const begun = await lake.beginGeneration()
        await under.write(lake, await begun.stageFile('by_country.parquet'), 'half')
        expect(await lake.sweepOrphans(Date.now() + 60_000)).toBe('orphan'.length + 'half'.length * 2)
        expect(() => lake.resolve(file)).toThrow(/not there/)
        expect(await under.read(lake, kept.manifest.events!)).toBe('events kept')
        expect(await under.read(lake, published.views.by_country!.files[0]!)).toBe('states up to 10')
        expect((await lake.verifyFiles()).problems).toEqual([])
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
