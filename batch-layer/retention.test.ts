import { existsSync } from 'node:fs'
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GenerationManifest, SupersededBoundaries } from '#storage/lake/generation-manifest.ts'
import { emptyGeneration } from '#storage/lake/lake-contract-fixture.ts'
import { manifestFiles } from '#storage/lake/local/manifest-files-fixture.ts'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { BatchFixture, PARTITIONS } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'
import { sweepHistory } from './retention.ts'
import { rollback } from './rollback.ts'
import { boundariesReadSince, supersededBy } from './superseded-boundaries.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open()
})
afterEach(() => batch.close())

test('keeps the newest generations and the current one', async () => {
  for (let run = 0; run < 4; run++) {
    await batch.land(0, 50)
    await batch.run({ mode: 'incremental', keepGenerations: 3 })
  }
  const ids = async () => (await batch.lake.generations()).map((generation) => generation.id)
  expect(await ids()).toEqual(['g000002', 'g000003', 'g000004'])
  await rollback({ lake: batch.lake, id: 'g000002' })
  const next = await batch.run({ mode: 'incremental', keepGenerations: 3 })
  expect(await ids()).toEqual(['g000003', 'g000004', 'g000005'])
  await batch.expectRecount(next)
})

test('spares what another process is writing, also under a clock that is 400 days ahead', async () => {
  await batch.land(0, 50)
  const staged = await batch.lake.stageSegmentFile(1, 0, 'events')
  await writeFile(staged.writePath, 'half')
  batch.nowMs = Date.now() + 400 * 86_400_000
  await batch.run({ mode: 'full' })
  expect(await readFile(staged.writePath, 'utf8')).toBe('half')
  expect(batch.events.filter(({ name }) => name === 'retention-failed')).toEqual([])
})

test('what a crash left of a segment goes with a look at all of history, while no batch run is under way', async () => {
  await batch.land(0, 50)
  await batch.run({ mode: 'full' })
  const staged = await batch.lake.stageSegmentFile(1, 0, 'events')
  await writeFile(staged.writePath, 'half')
  const longAgo = new Date(Date.now() - 2 * 3_600_000)
  await utimes(staged.writePath, longAgo, longAgo)
  const isThere = (): boolean => existsSync(staged.writePath)
  await batch.land(0, 50)
  await batch.run({ mode: 'incremental' })
  const options = { lake: batch.lake, emit: () => {} }
  const lock = await batch.lake.tryLock('batch')
  await sweepHistory(options)
  expect(isThere()).toBe(true)
  await lock!.release()
  await sweepHistory(options)
  expect(isThere()).toBe(false)
  await batch.expectRecount(await batch.run({ mode: 'incremental' }))
})

test('continues despite an old generation with an unreadable manifest, and removes it by retention', async () => {
  for (let run = 0; run < 3; run++) {
    await batch.land(0, 50)
    await batch.run({ mode: 'incremental', keepGenerations: 3 })
  }
  await writeFile(join(batch.lake.folder, 'generations', 'g000002', 'manifest.json'), '{"format": 9}')
  batch.lake = await batch.openLake()
  await expect(rollback({ lake: batch.lake, id: 'g000002' })).rejects.toThrow(/a newer version of Watershed/)
  for (let run = 0; run < 2; run++) {
    await batch.land(0, 50)
    await batch.run({ mode: 'incremental', keepGenerations: 3 })
  }
  expect(await batch.lake.generationIds()).toEqual(['g000003', 'g000004', 'g000005'])
  expect(batch.events.filter(({ name }) => name === 'retention-failed')).toEqual([])
})

test('keeps the partials that an unreadable generation may need once it is repaired', async () => {
  const first = await batch.land(0, 50)
  await batch.run({ mode: 'incremental' })
  await batch.land(0, 50)
  await batch.run({ mode: 'incremental' })
  const path = join(batch.lake.folder, 'generations', 'g000001', 'manifest.json')
  await writeFile(path, 'torn')
  batch.lake = await batch.openLake()
  batch.nowMs += 60_000
  const after = { mode: 'incremental', readersGraceMs: 30_000, force: true } as const
  await batch.run(after)
  expect(() => batch.lake.resolve(first.partials.by_topic!.file)).not.toThrow()
  await batch.lake.removeGeneration('g000001')
  await batch.run(after)
  expect(() => batch.lake.resolve(first.partials.by_topic!.file)).toThrow(/does not exist/)
})

test('removes counted partials only after the grace for readers', async () => {
  const first = await batch.land(0, 50)
  await batch.run({ mode: 'incremental', keepGenerations: 1 })
  batch.nowMs += 60_000
  await batch.run({ mode: 'incremental', keepGenerations: 1, force: true })
  expect(() => batch.lake.resolve(first.partials.by_topic!.file)).not.toThrow()
  batch.nowMs += 60_000
  await batch.run({ mode: 'incremental', keepGenerations: 2, readersGraceMs: 30_000, force: true })
  expect(() => batch.lake.resolve(first.partials.by_topic!.file)).toThrow(/does not exist/)
  expect((await batch.lake.verifyFiles()).problems).toEqual([])
  await batch.expectRecount(await batch.run({ mode: 'full' }))
})

test('frequent runs: what compaction replaced and what was counted is removed, although every kept generation is younger than the grace', async () => {
  const GRACE = 600_000
  const often = { mode: 'incremental', keepGenerations: 3, readersGraceMs: GRACE } as const
  const landed: SegmentManifest[] = []
  const next = async (): Promise<void> => {
    landed.push(await batch.land(0, 10))
    batch.nowMs += 60_000
    await batch.run(often)
  }
  const isThere = ({ partials }: SegmentManifest): boolean => {
    try {
      batch.lake.resolve(partials.by_topic!.file)
      return true
    } catch {
      return false
    }
  }
  for (let run = 0; run < 6; run++) await next()
  await compactSegments({ ...batch, partitions: PARTITIONS, clock: () => batch.nowMs })
  for (let run = 0; run < 4; run++) await next()
  expect(isThere(landed[0]!)).toBe(true)
  // A reader can have begun ten minutes ago, with the generation of then: it needs the partials behind that one's boundary.
  for (let run = 0; run < 5; run++) await next()
  expect(landed.map(isThere)).toEqual([...Array(5).fill(false), ...Array(10).fill(true)])
  for (let run = 0; run < 4; run++) await next()
  const names = manifestFiles(batch.lake.folder).map((path) => basename(path))
  expect(names.filter((name) => name < segmentManifestName(landed[4]!))).toEqual([
    expect.stringMatching(/^p0000-0{16}-0{14}40\.c\.json$/),
  ])
  expect(batch.events.filter(({ name }) => name === 'retention-failed')).toEqual([])
  await batch.expectRecount(await batch.run({ mode: 'full' }))
})

describe('superseded boundaries', () => {
  const generation = (
    boundary: number,
    finishedAtMs: number,
    superseded?: SupersededBoundaries,
  ): GenerationManifest => ({
    ...emptyGeneration('g000001', [boundary]),
    finishedAtMs,
    superseded,
  })
  const following = (base: GenerationManifest, boundary: number, atMs: number, graceMs = 0): GenerationManifest =>
    generation(boundary, atMs, supersededBy(base, atMs, graceMs))

  test('are known since the first manifest that tells of them', () => {
    const first = generation(10, 1_000)
    const third = following(following(first, 20, 2_000), 30, 3_000)
    expect(boundariesReadSince(999, [third], third)).toBeNull()
    expect(boundariesReadSince(1_500, [third], third)).toEqual([[10], [20]])
    expect(boundariesReadSince(2_500, [third], third)).toEqual([[20]])
    expect(boundariesReadSince(999, [first, third], third)).toBeNull()
    expect(boundariesReadSince(1_000, [first, third], generation(10, 1_000))).toEqual([])
    expect(supersededBy(null, 7, 0)).toEqual({ sinceMs: 7, boundaries: [] })
  })

  test('are known for as long as readers may use them, and for an hour at least', () => {
    for (const [graceMs, minutes] of [
      [0, 60],
      [2 * 3_600_000, 120],
    ] as const) {
      let newest = generation(0, 0)
      for (let run = 1; run <= 150; run++) newest = following(newest, run, run * 60_000, graceMs)
      const { sinceMs, boundaries } = newest.superseded!
      expect([sinceMs, boundaries.length]).toEqual([(150 - minutes) * 60_000, minutes])
      expect(boundariesReadSince(newest.finishedAtMs - graceMs, [newest], newest)).not.toBeNull()
    }
  })

  test('above their limit are merged, keeping what readers of either one need, and are forgotten after the grace', () => {
    let newest = generation(0, 0)
    for (let run = 1; run <= 3_000; run++) newest = following(newest, run, run * 1_000)
    expect(newest.superseded!.sinceMs).toBe(0)
    expect(newest.superseded!.boundaries).toHaveLength(200)
    for (const run of [1, 500, 1_500, 2_990]) {
      // Current at that moment was the generation of that number.
      const read = boundariesReadSince(run * 1_000, [newest], newest)!
      const needed = Math.min(...read.map(([end]) => end!))
      expect(needed).toBeLessThanOrEqual(run)
      expect(needed).toBeGreaterThan(run - 60)
    }
    newest = following(newest, 3_001, 10_000_000)
    expect(newest.superseded).toEqual({ sinceMs: 3_000_000, boundaries: [{ boundary: [3_000], untilMs: 10_000_000 }] })
  })

  test('of a clock that was ahead do not stay', () => {
    const ahead = following(following(generation(10, 1_000), 20, 2_000), 30, 9e12)
    const next = following(ahead, 40, 3_000)
    expect(next.superseded).toEqual({
      sinceMs: 2_000,
      boundaries: [
        { boundary: [20], untilMs: 3_000 },
        { boundary: [30], untilMs: 3_000 },
      ],
    })
  })
})
