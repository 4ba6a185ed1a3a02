import { describe, expect, it } from 'vitest'
import { HASH, publish, type WithLake } from './lake-contract-fixture.ts'

/** What every driver must do with generations: publishing, CURRENT, removal. */
export function generationsContract(driver: string, withLake: WithLake): void {
  describe(`lake contract, generations: ${driver}`, () => {
    it(
      'refers to files of another generation, which remain until the last one that names them is removed',
      withLake(async (under) => {
        const lake = await under.open()
        const first = await publish(under, lake, [10])
        const [file] = first.views.by_country!.files
        const staged = await lake.beginGeneration()
        expect(await staged.refer('states', 'by_country', file!)).toEqual(file)
        const more = await staged.stageFile('states', 'by_country')
        await under.write(lake, more, 'states of [10, 20)')
        const files = [file!, await more.finish(1)]
        const views = { by_country: { hash: HASH, files } }
        await staged.commit({ ...first, id: staged.id, mode: 'incremental', base: first.id, boundary: [20], views })
        await lake.setCurrent(staged.id)
        await lake.removeGeneration(first.id)
        await lake.sweepOrphans(-60_000)
        const reader = await under.open()
        expect(await Promise.all(files.map((each) => under.read(reader, each)))).toEqual([
          'states up to 10',
          'states of [10, 20)',
        ])
        expect(await reader.verifyFiles()).toMatchObject({ files: 2, problems: [] })
        const third = await publish(under, lake, [30])
        await lake.setCurrent(third.id)
        await lake.removeGeneration(staged.id)
        expect(await lake.sweepOrphans(-60_000)).toBe('states up to 10'.length + 'states of [10, 20)'.length)
        for (const each of files) expect(() => lake.resolve(each)).toThrow(/does not exist/)
        expect(await under.read(reader, third.views.by_country!.files[0]!)).toBe('states up to 30')
      }),
    )

    it(
      'has equal content once, and keeps it when a generation that wrote it again is discarded',
      withLake(async (under) => {
        const lake = await under.open()
        const first = await publish(under, lake, [10])
        const [file] = first.views.by_country!.files
        const staged = await lake.beginGeneration()
        const again = await staged.stageFile('states', 'by_country')
        await under.write(lake, again, 'states up to 10')
        expect(await again.finish(1)).toEqual(file)
        const other = await staged.stageFile('states', 'by_country')
        await under.write(lake, other, 'states of a failed run')
        const created = await other.finish(1)
        await staged.discard()
        expect(await under.read(lake, file!)).toBe('states up to 10')
        expect(() => lake.resolve(created)).toThrow(/does not exist/)
      }),
    )

    it(
      'publishes no generation that names a missing file',
      withLake(async (under) => {
        const lake = await under.open()
        const first = await publish(under, lake, [10])
        const staged = await lake.beginGeneration()
        const gone = { ...first.views.by_country!.files[0]!, path: `states/by_country/${'0'.repeat(64)}.parquet` }
        const manifest = { ...first, id: staged.id, views: { by_country: { hash: HASH, files: [gone] } } }
        await expect(staged.commit(manifest)).rejects.toMatchObject({ code: 'file-missing' })
        expect(await lake.generations()).toEqual([first])
      }),
    )

    it(
      'publishes no generation with files that were swept after its base was removed',
      withLake(async (under) => {
        const lake = await under.open()
        const base = await publish(under, lake, [10])
        const [file] = base.views.by_country!.files
        const other = await publish(under, lake, [20])
        await lake.setCurrent(other.id)
        const staged = await (await under.open()).beginGeneration()
        await staged.refer('states', 'by_country', file!)
        await lake.removeGeneration(base.id)
        await lake.sweepOrphans(-60_000)
        const manifest = { ...base, id: staged.id, mode: 'incremental' as const, base: base.id }
        await expect(staged.commit(manifest)).rejects.toMatchObject({ code: 'file-missing' })
        expect(await lake.generations()).toEqual([other])
      }),
    )

    it(
      'publishes generations, switches CURRENT and rolls back',
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
      'removes a generation, but never the current one, and never reuses its id',
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
      'does not list a generation that was only started',
      withLake(async (under) => {
        const lake = await under.open()
        const staged = await lake.beginGeneration()
        await under.write(lake, await staged.stageFile('states', 'by_country'), 'half')
        expect(await lake.generations()).toEqual([])
        await staged.discard()
        const published = await publish(under, lake, [1])
        expect(await lake.generations()).toEqual([published])
      }),
    )
  })
}
