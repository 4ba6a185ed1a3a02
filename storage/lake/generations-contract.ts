import { describe, expect, it } from 'vitest'
import { HASH, publish, type WithLake } from './lake-contract-fixture.ts'

/** What every driver must do with generations: publishing, CURRENT, removal. */
export function generationsContract(driver: string, withLake: WithLake): void {
  describe(`lake contract, generations: ${driver}`, () => {
    it(
      'takes over files of another generation, which remain when that generation is removed',
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
        await under.write(lake, await staged.stageFile('by_country.parquet'), 'half')
        expect(await lake.generations()).toEqual([])
        await staged.discard()
        const published = await publish(under, lake, [1])
        expect(await lake.generations()).toEqual([published])
      }),
    )
  })
}
