import { describe, expect, it } from 'vitest'
import { compact, emptySegment, land, landTens, type WithLake } from './lake-contract-fixture.ts'

/** Contract suite of segments, run for every driver: commits, chains, compaction. */
export function segmentsContract(driver: string, withLake: WithLake): void {
  describe(`lake contract, segments: ${driver}`, () => {
    it(
      'returns committed segments to every handle, in order',
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
      'commits a start once: the other owner gets the winner, and its own files are removed',
      withLake(async (under) => {
        const [one, two] = [await under.open(), await under.open()]
        const won = await land(under, one, 0, 0, 10, 'won')
        const lost = await land(under, two, 0, 0, 12, 'lost')
        expect(lost.commit).toEqual({ outcome: 'lost', winner: won.manifest })
        expect((await two.chains(1))[0]!.segments).toEqual([won.manifest])
        expect(() => two.resolve(lost.manifest.events!)).toThrow(/does not exist/)
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
      'refuses overlapping segments',
      withLake(async (under) => {
        const lake = await under.open()
        await land(under, lake, 0, 0, 10, 'a')
        await land(under, lake, 0, 5, 15, 'b')
        await expect(lake.chains(1)).rejects.toMatchObject({ code: 'chain-broken' })
      }),
    )

    it(
      'has a chain for every requested partition, and for those that have segments',
      withLake(async (under) => {
        const [lake, other] = [await under.open(), await under.open()]
        expect((await other.chains(2)).map(({ end }) => end)).toEqual([0, 0])
        await land(under, lake, 3, 0, 10, 'd')
        for (const compacted of [false, true]) {
          const chains = await other.chains(2, { compacted })
          expect(chains.map(({ partition, end }) => [partition, end])).toEqual([
            [0, 0],
            [1, 0],
            [2, 0],
            [3, 10],
          ])
        }
        expect(await other.chains(6)).toHaveLength(6)
      }),
    )

    it(
      'returns compacted segments if requested, otherwise the originals while they exist',
      withLake(async (under) => {
        const [lake, other] = [await under.open(), await under.open()]
        const parts = await landTens(under, lake, 40)
        const small = await compact(under, lake, parts.slice(0, 2))
        const large = await compact(under, lake, [small, parts[2]!])
        expect((await other.chains(1))[0]!.segments).toEqual(parts)
        expect((await other.chains(1, { compacted: true }))[0]!.segments).toEqual([large, parts[3]])
        await expect(lake.commitCompacted(large)).rejects.toMatchObject({ code: 'already-committed' })
      }),
    )

    it(
      'need not list segments that end at or before an offset, and then says what stands for them',
      withLake(async (under) => {
        const lake = await under.open()
        const parts = await landTens(under, lake, 40)
        const last = { offset: 44, arrivalMs: 7, sha256: 'a'.repeat(64) }
        await lake.commitSegment({ ...emptySegment(0, 40, 45), last })
        await lake.checkpoint([45])
        for (const after of [0, 10, 25, 40, 45, 1_000]) {
          const [whole] = await lake.chains(1)
          for (const { segments, end, past } of [
            (await lake.chains(1, { after: [after] }))[0]!,
            await lake.chain(0, after),
          ]) {
            expect(end).toBe(45)
            expect(segments).toEqual(whole!.segments.slice(whole!.segments.length - segments.length))
            const left = whole!.segments.slice(0, whole!.segments.length - segments.length)
            expect(left.every((segment) => segment.end <= after)).toBe(true)
            const told = { end: left.at(-1)?.end, log: 'log-1', closedAtMs: 1_000, floor: 0 }
            expect(past).toEqual(left.length === 0 ? undefined : left.length === 5 ? { ...told, last } : told)
          }
        }
        const large = await compact(under, lake, parts.slice(0, 2))
        const [compacted] = await lake.chains(1, { after: [10], compacted: true })
        expect(compacted!.segments[0]).toEqual(large)
      }),
    )

    it(
      'has compacted chains in groups, of which it opens those that are wanted',
      withLake(async (under) => {
        const lake = await under.open()
        const parts = await landTens(under, lake, 60)
        await lake.checkpoint([60])
        const large = await compact(under, lake, parts.slice(1, 4))
        const reader = await under.open()
        const asked = await reader.outline(2, ({ outline, isSummarized }) => {
          expect(outline).toMatchObject({ times: null, placed: null, schemaHash: 'schema-1' })
          expect(isSummarized).toBe(false)
          return true
        })
        expect(asked.map(({ partition, end }) => [partition, end])).toEqual([
          [0, 60],
          [1, 0],
        ])
        const [{ groups }] = asked as [(typeof asked)[0]]
        expect(groups.flatMap(({ segments }) => segments)).toEqual([parts[0], large, parts[4], parts[5]])
        expect(groups.reduce((sum, { outline }) => sum + outline.rows, 0)).toBe(60)
        const [closed] = await reader.outline(1, () => false)
        expect(closed).toEqual({ ...asked[0], groups: groups.map((group) => ({ ...group, segments: null })) })
      }),
    )

    it(
      'says whether closed segments were compacted',
      withLake(async (under) => {
        const [lake, other] = [await under.open(), await under.open()]
        const parts = await landTens(under, lake, 30)
        const before = await other.rearrangements()
        await land(under, lake, 1, 0, 10, 'x')
        await lake.checkpoint([30, 10])
        expect(await other.rearrangements()).toEqual(before)
        await compact(under, lake, parts.slice(0, 2))
        const compacted = await lake.rearrangements()
        expect(compacted).toEqual({ ...before, compacted: [expect.stringMatching(/^p0000-0{16}-.*\.c\.json$/)] })
        await lake.removeReplaced([30], 5_000)
        await land(under, lake, 0, 30, 40, 'x')
        expect(await (await under.open()).rearrangements()).toEqual(compacted)
      }),
    )

    it(
      'removes only what was replaced and counted',
      withLake(async (under) => {
        const lake = await under.open()
        const parts = await landTens(under, lake, 40)
        const large = await compact(under, lake, parts.slice(0, 2))
        expect(await lake.removeReplaced([10], 5_000)).toBe(parts[0]!.partials.by_country!.file.bytes)
        expect(await lake.removeReplaced([30], 1_000)).toBe(0)
        expect(await lake.removeReplaced([30], 5_000)).toBeGreaterThan(0)
        const fresh = await under.open()
        expect((await fresh.chains(1))[0]!.segments).toEqual([large, parts[2], parts[3]])
        expect(() => fresh.resolve(parts[1]!.events!)).toThrow(/does not exist/)
        expect(() => fresh.resolve(parts[2]!.partials.by_country!.file)).toThrow(/does not exist/)
        expect(await under.read(fresh, parts[2]!.events!)).toBe('events x')
        expect(await under.read(fresh, parts[3]!.partials.by_country!.file)).toBe('partial-by_country x')
        expect(await under.read(fresh, large.events!)).toBe('compacted')
        expect(await lake.removeReplaced([30], 5_000)).toBe(0)
      }),
    )

    it(
      'removes by looks at what is new, one after the other, what a look at everything would remove; also what was in use',
      withLake(async (under) => {
        const [lake, light] = [await under.open(), { thorough: false }]
        const parts = await landTens(under, lake, 40)
        expect(await lake.removeReplaced([10], 5_000, light)).toBe(parts[0]!.partials.by_country!.file.bytes)
        const large = await compact(under, lake, parts.slice(0, 2))
        const inUse = new Set([parts[1]!.events!.path])
        expect(await (await under.open()).removeReplaced([30], 5_000, { ...light, inUse })).toBeGreaterThan(0)
        const used = await under.open()
        expect(await under.read(used, parts[1]!.events!)).toBe('events x')
        expect(() => used.resolve(parts[2]!.partials.by_country!.file)).toThrow(/does not exist/)
        expect(await used.removeReplaced([30], 5_000, light)).toBeGreaterThan(0)
        const fresh = await under.open()
        expect((await fresh.chains(1))[0]!.segments).toEqual([large, parts[2], parts[3]])
        expect(() => fresh.resolve(parts[1]!.events!)).toThrow(/does not exist/)
        expect(await under.read(fresh, parts[3]!.partials.by_country!.file)).toBe('partial-by_country x')
        expect(await fresh.removeReplaced([30], 5_000)).toBe(0)
      }),
    )

    it(
      'refuses a former owner whose start was replaced and removed',
      withLake(async (under) => {
        const lake = await under.open()
        const parts = await landTens(under, lake, 30)
        const large = await compact(under, lake, parts)
        await lake.removeReplaced([30], 5_000)
        const zombie = await land(under, await under.open(), 0, 10, 17, 'zombie')
        expect(zombie.commit).toEqual({ outcome: 'lost', winner: large })
        expect((await lake.chains(1))[0]).toEqual({ partition: 0, segments: [large], end: 30 })
      }),
    )

    it.each([
      ['begins with it and ends behind it', 0, 37],
      ['begins with it and ends with it', 0, 30],
      ['begins with it and ends inside it', 0, 17],
      ['begins inside it and ends behind it', 10, 37],
      ['begins where no segment begins', 5, 37],
    ])(
      'is not broken by a former owner that dies when it has committed into a compacted range, and the segment %s',
      (_, start, end) =>
        withLake(async (under) => {
          const lake = await under.open()
          const large = await compact(under, lake, await landTens(under, lake, 30))
          const { manifest: next } = await land(under, lake, 0, 30, 45, 'next')
          await lake.removeReplaced([30], 5_000)
          const dying = await under.open((name) => {
            if (name === 'segment:manifest-linked') throw new Error('killed')
          })
          await expect(land(under, dying, 0, start, end, 'former')).rejects.toThrow('killed')
          const fresh = await under.open()
          for (const compacted of [false, true])
            expect((await fresh.chains(1, { compacted }))[0]).toEqual({
              partition: 0,
              segments: [large, next],
              end: 45,
            })
          await fresh.removeReplaced([45], 5_000)
          expect((await (await under.open()).chains(1))[0]!.segments).toEqual([large, next])
          expect(await under.read(fresh, large.events!)).toBe('compacted')
        })(),
    )
  })
}
