/** Which keys a dictionary lacks, run after run: as a plain count of all events says it, from what each run adds. */
import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { count, defineDataset, latest, lookup } from '#core/definition.ts'
import { Random } from '#datasets/random.ts'
import type { DictionaryPin, GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { typedRowsSql } from '#storage/lake/typed-rows.ts'
import { BatchFixture, definition, PARTITIONS } from './batch-fixture.ts'
import { UNKNOWN_KEYS_MAX, UnknownKeys } from './unknown-keys.ts'

const enriched = (per: number) =>
  defineDataset({
    ...definition,
    views: {
      by_block: {
        dimensions: { block: `id // ${per}`, country: 'country' },
        measures: { answers: count() },
        enrich: { block_name: lookup('names', 'block', 'name'), country_name: lookup('names', 'country', 'name') },
      },
      by_hour: {
        dimensions: { block: 'id // 7' },
        time: ['hour'],
        measures: { answers: count() },
        enrich: { name: lookup('names', 'block', 'name'), category: lookup('names', 'block', 'category') },
      },
      newest: {
        dimensions: { country: 'country' },
        measures: { topics: latest('topics') },
        enrich: { categories: lookup('names', 'topics', 'category') },
      },
    },
  })

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open(enriched(5))
})
afterEach(() => batch.close())

/** column → the keys of all events that the dictionary lacks, by sets in memory; of `newest.topics` also those that no row presents any more */
async function lackedOf(generation: GenerationManifest, known: ReadonlySet<string>, per: number) {
  const chains = await batch.lake.chains(PARTITIONS)
  const segments = chains.flatMap(({ partition, segments }) =>
    segments.filter(({ end }) => end <= generation.boundary[partition]!),
  )
  const rows = await batch.connection.rows<{ id: number; country: string | null; topics: string[] }>(
    `SELECT id::DOUBLE AS id, country, topics FROM ${typedRowsSql(batch.dataset, segments, (file) => batch.lake.resolve(file))}`,
  )
  const lacked = (keys: readonly (string | null)[]): Set<string> =>
    new Set(keys.filter((key): key is string => key !== null && !known.has(key)))
  return {
    'by_block.block': lacked(rows.map(({ id }) => String(Math.floor(id / per)))),
    'by_block.country': lacked(rows.map(({ country }) => country)),
    'by_hour.block': lacked(rows.map(({ id }) => String(Math.floor(id / 7)))),
    'newest.topics': lacked(rows.flatMap(({ topics }) => topics)),
  }
}

/** column → the keys that a pin names */
async function namedBy(pin: DictionaryPin): Promise<Record<string, Set<string>>> {
  const file = pin.unknown!.file
  const rows =
    file === null
      ? []
      : await batch.connection.rows<{ asked: string; key: string }>(`FROM '${batch.lake.resolve(file)}'`)
  return Object.fromEntries(
    pin.unknown!.columns.map((column) => [
      column,
      new Set(rows.filter(({ asked }) => asked === column).map(({ key }) => key)),
    ]),
  )
}

describe('keys that a dictionary lacks', () => {
  it.each([1, 2, 3])('are those of all events, whatever is published and redefined between runs (%i)', async (seed) => {
    const random = new Random(seed)
    let [per, known] = [5, new Set<string>()]
    const publish = async (): Promise<void> => {
      const fresh = [...Array.from({ length: 40 }, (_, n) => String(n * 2)), 'us', 'xx', 'topic 3'].filter(() =>
        random.chance(0.3),
      )
      // Mostly keys are added; now and then some are removed.
      known = random.chance(0.7) ? new Set([...known, ...fresh]) : new Set(fresh)
      const entries = [...known].map((key) => ({ key, attributes: { name: `name of ${key}`, category: 'some' } }))
      await batch.dictionary.publish('names', entries)
    }
    await publish()
    let carried = 0
    for (let run = 0; run < 12; run++) {
      await batch.land(random.below(PARTITIONS), 1 + random.below(60))
      if (random.chance(0.4)) await publish()
      if (random.chance(0.15)) {
        per = random.pick([5, 6])
        await batch.redefine(enriched(per))
      }
      const mode = random.chance(0.2) ? 'full' : 'incremental'
      const told: string[] = []
      const generation = (await batch.run({ mode, onUnknownKeys: (_, keys) => told.push(...keys) }))!
      const pin = generation.dictionaries.names!
      if (generation.mode === 'incremental') carried++
      const { 'newest.topics': topics, ...named } = await namedBy(pin)
      const { 'newest.topics': everTopics, ...lacked } = await lackedOf(generation, known, per)
      expect(named).toEqual(lacked)
      expect([...topics!].filter((topic) => !everTopics.has(topic))).toEqual([])
      const all = new Set([...Object.values(named).flatMap((keys) => [...keys]), ...topics!])
      expect(pin.unknownKeys).toBe(all.size)
      expect(told.toSorted()).toEqual([...all].toSorted())
      expect(pin.unknownByLookup).toEqual({
        'by_block.block_name': lacked['by_block.block'].size,
        'by_block.country_name': lacked['by_block.country'].size,
        'by_hour.name': lacked['by_hour.block'].size,
        'by_hour.category': lacked['by_hour.block'].size,
        'newest.categories': topics!.size,
      })
    }
    expect(carried).toBeGreaterThan(3)
  })

  it('are looked for in what a run adds, not in the states of all time', async () => {
    await batch.dictionary.publish('names', [{ key: 'us', attributes: { name: 'United States', category: 'some' } }])
    await batch.land(0, 500)
    const base = (await batch.run({ mode: 'full' }))!
    const added = await batch.land(1, 30)
    const partials = Object.values(added.partials).map(({ file }) => file)
    const checked: LakeFile[] = []
    const lake = {
      resolve: (file: LakeFile) => batch.lake.resolve(file),
      check: async (files: readonly LakeFile[]) => void checked.push(...files),
    }
    const { views, dictionaries } = base
    const plans = new Map(
      Object.entries(views).map(([name, { files }]) => {
        const partial = added.partials[name]!.file
        return [name, { kind: 'extend' as const, base: files, added: [partial] }]
      }),
    )
    const staged = await batch.lake.beginGeneration()
    const pinned = dictionaries.names!.file
    const counted = await new UnknownKeys(batch.connection, batch.dataset, lake).count({
      ...{ dictionary: 'names', pinned, before: dictionaries.names, plans, views, generation: staged },
    })
    expect(counted.unknownKeys).toBeGreaterThanOrEqual(dictionaries.names!.unknownKeys)
    const names = new Set(checked.map(({ path }) => path))
    expect(names).toEqual(new Set([pinned, ...partials].map(({ path }) => path)))
    await staged.discard()
  })

  it('are not looked for everywhere because a version lacks few keys of the one before: these count once they are added, or in a full run', async () => {
    const publish = (without: string | null) =>
      batch.dictionary.publish(
        'names',
        Array.from({ length: 300 }, (_, n) => String(n))
          .filter((key) => key !== without)
          .map((key) => ({ key, attributes: { name: key, category: 'some' } })),
      )
    const lacked = async (mode: 'full' | 'incremental'): Promise<number> =>
      (await batch.run({ mode }))!.dictionaries.names!.unknownByLookup!['by_block.block_name']!
    await publish(null)
    await batch.land(0, 200)
    expect(await lacked('full')).toBe(0)
    await publish('3')
    await batch.land(0, 10)
    expect(await lacked('incremental')).toBe(0)
    // Its first events are of the blocks from 0 on.
    await batch.land(1, 20)
    expect(await lacked('incremental')).toBe(1)
    await publish('5')
    await batch.land(0, 10)
    expect(await lacked('incremental')).toBe(0)
    expect(await lacked('full')).toBe(1)
  })

  it('are named by the same file while none is added', async () => {
    await batch.dictionary.publish('names', [{ key: '0', attributes: { name: 'zero', category: 'some' } }])
    await batch.land(0, 100)
    const base = (await batch.run({ mode: 'full' }))!
    const next = (await batch.run({ mode: 'incremental', force: true }))!
    expect(next.mode).toBe('incremental')
    expect(next.dictionaries).toEqual(base.dictionaries)
  })

  it('remain with their generation, and are found missing again if their file is lost', async () => {
    await batch.dictionary.publish('names', [])
    await batch.land(0, 100)
    const base = (await batch.run({ mode: 'full' }))!
    const { file } = base.dictionaries.names!.unknown!
    await rm(batch.lake.resolve(file!))
    await batch.land(0, 10)
    const reopened = await batch.openLake()
    const next = (await batch.run({ mode: 'incremental', lake: reopened }))!
    const { 'newest.topics': _topics, ...named } = await namedBy(next.dictionaries.names!)
    const { 'newest.topics': _ever, ...lacked } = await lackedOf(next, new Set(), 5)
    expect(named).toEqual(lacked)
  })

  it('are counted up to a limit for each column', async () => {
    await batch.redefine(
      defineDataset({
        ...definition,
        views: {
          by_id: {
            dimensions: { id: 'id', country: 'country' },
            measures: { answers: count() },
            enrich: { name: lookup('names', 'id', 'name'), country_name: lookup('names', 'country', 'name') },
          },
        },
      }),
    )
    await batch.dictionary.publish('names', [])
    await batch.land(0, UNKNOWN_KEYS_MAX + 1_000)
    const base = (await batch.run({ mode: 'full' }))!
    await batch.land(1, 100)
    const next = (await batch.run({ mode: 'incremental' }))!
    for (const { dictionaries } of [base, next]) {
      expect(dictionaries.names!.unknownByLookup).toEqual({ 'by_id.name': UNKNOWN_KEYS_MAX, 'by_id.country_name': 2 })
      expect(dictionaries.names!.unknown!.file!.rows).toBe(UNKNOWN_KEYS_MAX + 2)
    }
  })
})
