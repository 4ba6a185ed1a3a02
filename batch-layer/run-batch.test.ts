import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { count, defineDataset, sum } from '#core/definition.ts'
import type { StepName } from '#core/steps.ts'
import { type GenerationManifest, RANGE_FILES_MAX } from '#storage/lake/generation-manifest.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { DuckDbCompute } from './batch-compute.ts'
import { BatchFixture, crashAt, definition } from './batch-fixture.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open()
})
afterEach(() => batch.close())

const STEPS_OF_A_RUN: readonly StepName[] = [
  'batch:files-written',
  'generation:published',
  'generation:before-current',
  'generation:current-swapped',
]

describe('a batch run', () => {
  it('pins dictionaries in a generation of an empty lake', async () => {
    await batch.dictionary.publish('countries', [{ key: 'us', attributes: { name: 'United States' } }])
    const generation = await batch.run({ mode: 'incremental' })
    expect(generation).toMatchObject({ id: 'g000001', mode: 'full', boundary: [0, 0], segments: [], rows: 0 })
    expect(generation!.dictionaries).toMatchObject({ countries: { version: 'v1', unknownKeys: 0 } })
    expect(batch.events.map((event) => event.name)).toEqual(['dictionary-missing', 'generation-published'])
    await batch.expectRecount(generation)
  })

  it('counts every closed segment in full, and only what is new incrementally', async () => {
    await batch.land(0, 3_000, 2)
    await batch.land(1, 500)
    const full = await batch.run({ mode: 'full' })
    expect(full).toMatchObject({ boundary: [3_002, 500], rows: 3_500, deadLetters: 2, lateRows: 350, base: null })
    await batch.expectRecount(full)
    const added = await batch.land(0, 700)
    await batch.land(0, 0, 4)
    const next = await batch.run({ mode: 'incremental' })
    expect(next).toMatchObject({
      mode: 'incremental',
      base: full!.id,
      boundary: [3_706, 500],
      rows: 4_200,
      deadLetters: 6,
    })
    expect(next!.segments).toHaveLength(2)
    expect(next!.segments[0]).toContain(String(added.start))
    expect(next!.fullFinishedAtMs).toBe(full!.finishedAtMs)
    expect(await batch.lake.current()).toEqual(next)
    await batch.expectRecount(next)
    const again = await batch.run({ mode: 'full' })
    await batch.expectRecount(again)
  })

  it('adds a file per incremental run, which takes in the newest files that are not larger', async () => {
    await batch.close()
    batch = await BatchFixture.open({
      ...definition,
      views: { by_id: { dimensions: { id: 'id' }, measures: { answers: count() } } },
    })
    await batch.land(0, 20_000)
    const full = await batch.run({ mode: 'full' })
    const filesOf = (generation: GenerationManifest | null): readonly LakeFile[] => generation!.views.by_id!.files
    const [whole] = filesOf(full)
    let written = 0
    for (let run = 0; run < 40; run++) {
      await batch.land(run % 2, 50)
      const next = await batch.run({ mode: 'incremental' })
      await batch.expectRecount(next)
      const files = filesOf(next)
      expect(files.length).toBeLessThanOrEqual(RANGE_FILES_MAX)
      expect(files[0]!.sha256).toBe(whole!.sha256)
      written += files.at(-1)!.rows
    }
    // Each of the 40 runs adds 50 rows; doubled again and again, a state is written six times at the most.
    expect(written).toBeLessThanOrEqual(40 * 50 * 6)
    await batch.land(0, 40_000)
    const outweighed = await batch.run({ mode: 'incremental' })
    expect(filesOf(outweighed)).toHaveLength(1)
    await batch.expectRecount(outweighed)
  })

  it('merges files that are not small only when their range has as many as it may have', async () => {
    await batch.close()
    batch = await BatchFixture.open({
      ...definition,
      views: { by_id: { dimensions: { id: 'id' }, measures: { answers: count() } } },
    })
    await batch.land(0, 20_000)
    await batch.run({ mode: 'full' })
    const written: number[] = []
    const lengths: number[] = []
    for (let run = 0; run < RANGE_FILES_MAX; run++) {
      await batch.land(run % 2, 500)
      const next = await batch.run({ mode: 'incremental', stateFileBytes: 256 * 1024 })
      await batch.expectRecount(next)
      const { files } = next!.views.by_id!
      written.push(files.at(-1)!.rows)
      lengths.push(files.length)
    }
    expect(lengths).toEqual([2, 3, 4, 5, 6, 7, 8, 2])
    expect(written).toEqual([500, 500, 500, 500, 500, 500, 500, 4_000])
  })

  it('publishes nothing when nothing is new, unless forced', async () => {
    await batch.land(0, 100)
    const first = await batch.run({ mode: 'incremental' })
    expect(await batch.run({ mode: 'incremental' })).toEqual(first)
    const forced = await batch.run({ mode: 'incremental', force: true })
    expect(forced!.id).toBe('g000002')
    await batch.expectRecount(forced)
  })

  it('pins a new dictionary version without new events, and counts the keys that it lacks', async () => {
    await batch.land(0, 1_000)
    await batch.run({ mode: 'full' })
    await batch.dictionary.publish('countries', [
      { key: 'us', attributes: { name: 'United States' } },
      { key: 'de', attributes: { name: 'Deutschland "ü"' } },
    ])
    await batch.dictionary.publish('topics', [{ key: 'topic 1', attributes: { category: 'one' } }])
    const pinned = await batch.run({ mode: 'incremental' })
    expect(pinned!.id).toBe('g000002')
    const countries = pinned!.dictionaries.countries!
    const countriesSeen = await batch.connection.rows<{ n: number }>(
      `SELECT count(DISTINCT country) AS n FROM '${batch.lake.resolve(pinned!.views.by_country!.files[0]!)}'`,
    )
    expect(countries.unknownKeys).toBe(countriesSeen[0]!.n - 2)
    expect(countries.unknownByLookup).toEqual({ 'by_country.country_name': countries.unknownKeys })
    const { unknownKeys, unknownByLookup } = pinned!.dictionaries.topics!
    expect(unknownKeys).toBeGreaterThan(0)
    expect(Object.values(unknownByLookup!)).toEqual([unknownKeys])
    const stored = await batch.connection.rows(
      `SELECT key, attributes['name'] AS name FROM '${batch.lake.resolve(countries.file)}' ORDER BY key`,
    )
    expect(stored).toEqual([
      { key: 'de', name: 'Deutschland "ü"' },
      { key: 'us', name: 'United States' },
    ])
    expect(await batch.run({ mode: 'incremental' })).toEqual(pinned)
    await batch.land(1, 10)
    const next = await batch.run({ mode: 'incremental' })
    expect(next!.dictionaries.countries).toMatchObject({ version: countries.version, file: { rows: 2 } })
  })

  it('reports its progress by view and dictionary', async () => {
    const seen: string[] = []
    await batch.run({ mode: 'full', onProgress: ({ name, done, total }) => seen.push(`${name} ${done}/${total}`) })
    expect(seen).toEqual(['by_country 0/5', 'by_topic 1/5', 'members 2/5', 'countries 3/5', 'topics 4/5', 'done 5/5'])
  })

  it('stops when asked, publishes nothing, and runs again', async () => {
    await batch.land(0, 100)
    const stop = new AbortController()
    const running = batch.run({ mode: 'full', signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) })
    await expect(running).rejects.toThrow('stopped')
    expect(await batch.lake.generations()).toEqual([])
    await batch.expectRecount(await batch.run({ mode: 'full' }))
  })

  it('stops when asked while it compares files, and computes nothing more', async () => {
    await batch.land(0, 100)
    const stop = new AbortController()
    const recount = vi.spyOn(DuckDbCompute.prototype, 'recount')
    const check = vi.spyOn(batch.lake, 'check').mockImplementation(async () => stop.abort(new Error('stopped')))
    await expect(batch.run({ mode: 'full', signal: stop.signal })).rejects.toThrow('stopped')
    expect(recount).not.toHaveBeenCalled()
    check.mockRestore()
    recount.mockRestore()
    await batch.expectRecount(await batch.run({ mode: 'full' }))
  })
})

describe('a changed definition', () => {
  const changed = defineDataset({
    ...definition,
    views: {
      by_topic: definition.views.by_topic!,
      by_country: {
        dimensions: { country: "coalesce(country, 'none')" },
        time: ['hour'],
        measures: { answers: count() },
      },
      guests: { dimensions: {}, measures: { guests: sum('guests') } },
    },
  })

  it('recounts the views that changed or are new, and merges the others', async () => {
    await batch.land(0, 1_000)
    await batch.run({ mode: 'full' })
    await batch.land(0, 100)
    await batch.redefine(changed)
    await batch.land(1, 100)
    const generation = await batch.run({ mode: 'incremental' })
    expect(Object.keys(generation!.views).sort()).toEqual(['by_country', 'by_topic', 'guests'])
    expect(batch.events.at(-1)!.fields).toMatchObject({ recounted: 2 })
    await batch.expectRecount(generation)
    await batch.land(0, 50)
    const next = await batch.run({ mode: 'incremental' })
    expect(batch.events.at(-1)!.fields).toMatchObject({ recounted: 0 })
    await batch.expectRecount(next)
  })

  it('is noticed without new events', async () => {
    await batch.land(0, 100)
    await batch.run({ mode: 'full' })
    await batch.redefine(changed)
    const generation = await batch.run({ mode: 'incremental' })
    expect(generation!.id).toBe('g000002')
    await batch.expectRecount(generation)
  })

  it('reads files that were written with fewer columns', async () => {
    await batch.land(0, 100)
    await batch.redefine(
      defineDataset({
        name: 'answers',
        time: 'at',
        key: 'id',
        columns: {
          id: { type: 'BIGINT', path: '$.id', required: true },
          at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
          country: { type: 'VARCHAR', path: '$.country' },
          guests: { type: 'BIGINT', path: '$.guests' },
          city: { type: 'VARCHAR', path: '$.city' },
        },
        views: { by_city: { dimensions: { city: 'city' }, measures: { answers: count(), guests: sum('guests') } } },
      }),
    )
    await batch.land(0, 50)
    const generation = await batch.run({ mode: 'incremental' })
    expect(generation!.rows).toBe(150)
    await batch.expectRecount(generation)
  })
})

describe('a crash', () => {
  for (const name of STEPS_OF_A_RUN) {
    it(`at ${name} leaves a whole generation served, and the next run succeeds`, async () => {
      await batch.land(0, 500)
      const before = await batch.run({ mode: 'full' })
      await batch.land(0, 200)
      await batch.land(1, 100)
      const step = crashAt(name)
      await expect(batch.run({ mode: 'incremental', lake: await batch.openLake(step), step })).rejects.toThrow('crash')
      const reader = await batch.openLake()
      const served = await reader.current()
      if (name === 'generation:current-swapped') expect(served!.boundary).toEqual([700, 100])
      else expect(served).toEqual(before)
      await batch.expectRecount(served, reader)
      const after = await batch.run({ mode: 'incremental', force: true, lake: reader })
      expect(after!.boundary).toEqual([700, 100])
      await batch.expectRecount(after, reader)
    })
  }
})

describe('one run at a time', () => {
  it('of two at once, one gets the lock and the other says so', async () => {
    await batch.land(0, 2_000)
    const other = await batch.openLake()
    const results = await Promise.all([batch.run({ mode: 'full' }), batch.run({ mode: 'full', lake: other })])
    expect(results.filter((result) => result === null)).toHaveLength(1)
    expect(batch.events.map((event) => event.name)).toContain('batch-locked')
    expect(await batch.lake.generations()).toHaveLength(1)
  })

  it('a holder killed with SIGKILL loses the lock', async () => {
    const module = fileURLToPath(import.meta.resolve('../storage/lake/local/local-lake.ts'))
    const code = `const { LocalLake } = await import(${JSON.stringify(module)})
      const lake = await LocalLake.open({ folder: ${JSON.stringify(batch.folder)}, dataset: 'answers' })
      console.log(await lake.tryLock('batch') === null ? 'refused' : 'held')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(child.stdout, 'data')
    expect(String(line).trim()).toBe('held')
    expect(await batch.run({ mode: 'full' })).toBeNull()
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await batch.run({ mode: 'full' })).not.toBeNull()
  })
})

describe('partitions that were added', () => {
  it('are counted by a run that knows fewer than the lake has, or than the generation before it', async () => {
    await batch.land(0, 50)
    await batch.land(1, 30)
    const first = await batch.run({ mode: 'incremental', partitions: 1 })
    expect(first!.boundary.slice(0, 2)).toEqual([50, 30])
    await batch.expectRecount(first)
    const wide = await batch.run({ mode: 'incremental', partitions: 5 })
    expect(wide!.boundary).toEqual([50, 30, 0, 0, 0])
    await batch.land(0, 20)
    for (const mode of ['incremental', 'full'] as const) {
      const next = await batch.run({ mode, partitions: 1 })
      expect(next!.boundary).toEqual([70, 30, 0, 0, 0])
      await batch.expectRecount(next)
    }
  })
})

describe('a lake that does not fit', () => {
  it('refuses segments and generations of another log', async () => {
    await batch.land(0, 10)
    await batch.run({ mode: 'full' })
    await expect(batch.run({ mode: 'full', logIdentity: 'log-2' })).rejects.toMatchObject({ code: 'log-mismatch' })
    await batch.land(1, 10, 0, 'log-2')
    await expect(batch.run({ mode: 'full' })).rejects.toThrow(/belongs to log log-2, but this log is log-1/)
  })

  it('refuses to publish over a generation that counted more than the segments hold', async () => {
    await batch.land(0, 10)
    const last = await batch.land(0, 10)
    await batch.run({ mode: 'full' })
    await rm(join(batch.lake.folder, manifestPath(segmentManifestName(last))))
    await expect(batch.run({ mode: 'full', lake: await batch.openLake() })).rejects.toThrow(/up to offset 20/)
  })

  it('names a segment file that is cut short, and keeps the old generation', async () => {
    const segment = await batch.land(0, 1_000)
    const before = await batch.run({ mode: 'full' })
    await writeFile(batch.lake.resolve(segment.events!), 'PAR1')
    await expect(batch.run({ mode: 'full' })).rejects.toMatchObject({
      code: 'file-damaged',
      message: expect.stringContaining(segment.events!.path),
    })
    expect(await batch.lake.current()).toEqual(before)
    expect(await batch.lake.generations()).toHaveLength(1)
  })
})

describe('a full disk', () => {
  it('stops a run in plain words, keeps the old generation, and leaves nothing behind', async ({ skip }) => {
    const place = join(batch.folder, 'small')
    await mkdir(place)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', place], { stdio: 'pipe' })
    } catch {
      return skip('this user cannot mount a tmpfs')
    }
    try {
      batch.lake = await LocalLake.open({ folder: place, dataset: 'answers' })
      await batch.land(0, 20_000)
      const before = await batch.run({ mode: 'full' })
      await batch.land(0, 1_000)
      const filler = join(place, 'filler')
      await writeFile(filler, Buffer.alloc(4 * 1024 * 1024)).catch(() => {})
      await expect(batch.run({ mode: 'full' })).rejects.toMatchObject({ code: 'disk-full' })
      expect(await batch.lake.current()).toEqual(before)
      await batch.expectRecount(before)
      await rm(filler)
      const after = await batch.run({ mode: 'incremental' })
      expect(after!.boundary).toEqual([21_000, 0])
      await batch.expectRecount(after)
      const left = await readdir(place, { recursive: true })
      expect(left.filter((name) => name.includes('inprogress') || name.includes('tmp_'))).toEqual([])
    } finally {
      execFileSync('umount', [place])
    }
  })
})
