/** Raw events past their horizon are removed: what every view counted of them stays, whatever is asked, run or rolled back to afterwards. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { count, type DatasetDefinition } from '#core/definition.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { rawFiles, segmentFiles } from '#storage/lake/segment-files.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { BatchFixture, definition, PARTITIONS } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'
import { dueRanges, horizonMs } from './raw-horizon.ts'
import { rollback } from './rollback.ts'

const DAY = 86_400_000
const kept: DatasetDefinition = { ...definition, keep: { raw: '5d' } }

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open(kept)
})
afterEach(() => batch.close())

/** A segment in each partition per day. */
async function landDays(days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    for (let partition = 0; partition < PARTITIONS; partition++) await batch.land(partition, 40 + 10 * day, 2)
    batch.nowMs += DAY
  }
}

const chain = async (partition = 0, lake: Lake = batch.lake): Promise<readonly SegmentManifest[]> =>
  (await lake.chains(PARTITIONS, { compacted: true }))[partition]!.segments

const exists = ({ path }: { readonly path: string }): boolean => existsSync(join(batch.lake.folder, path))

test('a full run keeps the states of old raw events, and a later one removes the events', async () => {
  await landDays(9)
  const old = (await chain()).slice(0, 3)
  const first = await batch.run({ mode: 'full', keepGenerations: 1 })
  await batch.expectAllCounted(first)
  expect(first).toMatchObject({ format: 4, floor: [0, 0] })
  const [summary, ...raw] = await chain()
  expect(summary).toMatchObject({ kind: 'summary', format: 2, start: 0, end: old[2]!.end, rows: 150, deadLetters: 6 })
  expect(raw.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => 'events'))
  // Readers may still use them.
  expect(old.flatMap(rawFiles).every(exists)).toBe(true)
  batch.nowMs += DAY / 2
  const second = await batch.run({ mode: 'full', keepGenerations: 1 })
  await batch.expectAllCounted(second)
  expect(second!.floor).toEqual([summary!.end, summary!.end])
  expect(old.flatMap(segmentFiles).some(exists)).toBe(false)
  const fresh = await batch.openLake()
  expect((await fresh.verifyFiles()).problems).toEqual([])
  await batch.expectAllCounted(await batch.run({ mode: 'full', lake: fresh }), fresh)
  await landDays(2)
  await batch.expectAllCounted(await batch.run({ mode: 'incremental' }))
  await batch.expectAllCounted(await batch.run({ mode: 'full' }))
  expect((await chain())[0]!.end).toBeGreaterThan(summary!.end)
})

test('nothing is removed that a kept generation has not counted, and each of them can be rolled back to', async () => {
  await landDays(2)
  const early = await batch.run({ mode: 'full' })
  await landDays(7)
  await batch.run({ mode: 'full' })
  expect((await chain())[0]).toMatchObject({ kind: 'summary', end: early!.boundary[0] })
  batch.nowMs += DAY
  await batch.run({ mode: 'full' })
  expect((await chain())[0]!.end).toBe(early!.boundary[0])
  await rollback({ lake: batch.lake, id: early!.id })
  await batch.expectAllCounted(await batch.lake.current())
  await batch.expectAllCounted(await batch.run({ mode: 'incremental' }))
  await rollback({ lake: batch.lake, id: early!.id })
  await batch.expectAllCounted(await batch.run({ mode: 'full' }))
})

test.each([
  ['before', false],
  ['after', true],
])('a crash %s a summary is committed changes nothing that is counted', async (_when, isCommitted) => {
  await landDays(9)
  const lake = await batch.openLake()
  const commit = lake.commitCompacted.bind(lake)
  lake.commitCompacted = async (manifest) => {
    if (isCommitted) await commit(manifest)
    throw new Error('crash')
  }
  await batch.expectAllCounted(await batch.run({ mode: 'full', keepGenerations: 1, lake }))
  expect(batch.events.map(({ name }) => name)).toContain('raw-removal-failed')
  const [after, untouched] = [await batch.openLake(), await batch.openLake()]
  expect([(await chain(0, after))[0]!.kind, (await chain(1, untouched))[0]!.kind]).toEqual([
    isCommitted ? 'summary' : 'events',
    'events',
  ])
  await batch.expectAllCounted(await batch.run({ mode: 'full', keepGenerations: 1, lake: after }), after)
  expect((await chain(1, after))[0]!.kind).toBe('summary')
  expect((await after.verifyFiles()).problems).toEqual([])
})

test('without a generation the summary is enough to build one', async () => {
  await landDays(9)
  const first = await batch.run({ mode: 'full', keepGenerations: 1 })
  batch.nowMs += DAY / 2
  await batch.run({ mode: 'full', keepGenerations: 1 })
  const reader = await batch.openLake()
  reader.current = async () => null
  const again = await batch.run({ mode: 'full', lake: reader })
  expect(again!.boundary).toEqual(first!.boundary)
  await batch.expectAllCounted(again)
})

test('raw events are kept while the last verification found differences', async () => {
  await landDays(9)
  const record = { atMs: batch.nowMs, equal: false, generation: null, fullFinishedAtMs: null }
  await batch.lake.recordVerification(record)
  await batch.run({ mode: 'full' })
  expect((await chain())[0]!.kind).toBe('events')
  expect(batch.events.map(({ name }) => name)).toContain('raw-events-kept')
  await batch.lake.recordVerification({ ...record, equal: true })
  await batch.run({ mode: 'full' })
  expect((await chain())[0]!.kind).toBe('summary')
})

test('segments far apart in time are not merged, so that the older ones can be removed', async () => {
  await landDays(6)
  await batch.run({ mode: 'full' })
  const { lake, engine } = batch
  const options = { lake, engine, partitions: PARTITIONS, clock: () => batch.nowMs }
  expect(await compactSegments({ ...options, rawKeptMs: 10 * DAY })).toEqual({ replaced: 12, made: 6 })
  expect((await chain()).map(({ rows }) => rows)).toEqual([90, 130, 170])
})

describe('a changed definition', () => {
  const views = {
    ...kept.views,
    by_country: { ...kept.views.by_country!, measures: { ...kept.views.by_country!.measures, twice: count() } },
  }
  const removed = async (): Promise<SegmentManifest> => {
    await landDays(9)
    await batch.run({ mode: 'full', keepGenerations: 1 })
    batch.nowMs += DAY / 2
    await batch.run({ mode: 'full', keepGenerations: 1 })
    return (await chain())[0]!
  }

  test('of a view that would lose what it counted is refused, until that is accepted', async () => {
    const summary = await removed()
    await batch.redefine({ ...kept, views })
    for (const mode of ['full', 'incremental'] as const)
      await expect(batch.run({ mode })).rejects.toThrow(/'by_country'.*raw events before offset \d+ .*--from-kept/)
    const accepted = await batch.run({ mode: 'incremental', fromKept: true, keepGenerations: 1 })
    const since = { offset: summary.end, timeMaxMs: summary.timeRange!.maxMs }
    expect(accepted!.views.by_country!.since).toEqual([since, since])
    expect(accepted!.views.by_topic!.since).toBeUndefined()
    // It is not asked again, and what it does not count stays the same when more is removed.
    await landDays(2)
    const full = await batch.run({ mode: 'full', keepGenerations: 1 })
    expect(full!.views.by_country!.since).toEqual([since, since])
    const [more] = await chain()
    expect(more!.end).toBeGreaterThan(summary.end)
    expect(more!.partials.by_country!.since).toEqual(since)
    const next = await batch.run({ mode: 'full', keepGenerations: 1 })
    expect(next!.views.by_country!.since).toEqual([since, since])
    // The summary holds its states from now on: the earlier definition has lost them.
    await batch.redefine(kept)
    await expect(batch.run({ mode: 'full' })).rejects.toThrow(/raw events before offset/)
  })

  test('back to the one before has everything again, while the summary holds its states', async () => {
    await removed()
    await batch.redefine({ ...kept, views })
    await batch.run({ mode: 'incremental', fromKept: true })
    await batch.redefine(kept)
    await batch.expectAllCounted(await batch.run({ mode: 'incremental' }))
  })

  test('adds a view, which counts from the first raw event that is kept', async () => {
    const summary = await removed()
    const added = { dimensions: { country: 'country' }, measures: { n: count() } }
    await batch.redefine({ ...kept, views: { ...kept.views, added } })
    const generation = await batch.run({ mode: 'incremental' })
    expect(generation!.views.added!.since!.map(({ offset }) => offset)).toEqual([summary.end, summary.end])
    expect(generation!.views.by_country!.since).toBeUndefined()
  })
})

describe('the horizon', () => {
  const on = (...days: number[]) => days.map((day) => ({ ...emptySegment(0, 0, 1), createdAtMs: day * DAY }))
  const inDays = (days: number[], clockDay = 1_000) => {
    const ms = horizonMs(on(...days), 90 * DAY, clockDay * DAY)
    return ms === null ? null : ms / DAY
  }

  test('follows the arrivals, not the clock of the machine', () => {
    const daily = Array.from({ length: 101 }, (_, day) => day)
    expect(inDays(daily)).toBe(10)
    expect(inDays(daily, 95)).toBe(5)
    expect(inDays([])).toBeNull()
    expect(inDays([5])).toBeNull()
  })

  test('does not follow a jump of the clock before a day of arrivals has confirmed it', () => {
    expect(inDays([0, 1, 2, 400])).toBe(3 - 90)
    expect(inDays([0, 1, 2, 400, 400.9])).toBe(3 - 90)
    expect(inDays([0, 1, 2, 400, 401])).toBe(401 - 90)
    // Set back again: what arrived by the wrong clock is in the future.
    expect(inDays([0, 1, 2, 400, 401, 3, 4, 5], 5)).toBe(5 - 90)
  })

  test('is that of the newest record of a segment, where its manifest tells of it', () => {
    const last = { offset: 9, arrivalMs: 7 * DAY, sha256: 'a'.repeat(64) }
    const segments = [
      { ...emptySegment(0, 0, 10), createdAtMs: 0, last },
      { ...emptySegment(0, 10, 20), createdAtMs: 8 * DAY },
    ]
    const chains = [{ partition: 0, segments, end: 20 }]
    expect(dueRanges(chains, [20], 7 * DAY)).toEqual([])
    expect(dueRanges(chains, [20], 7 * DAY + 1)).toEqual([{ partition: 0, summary: null, segments: [segments[0]] }])
    expect(dueRanges(chains, [5], 7 * DAY + 1)).toEqual([])
  })
})
