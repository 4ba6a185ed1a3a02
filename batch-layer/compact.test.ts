import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { BatchFixture, crashAt, PARTITIONS } from './batch-fixture.ts'
import { compactSegments, describeCompacted } from './compact.ts'
import { groupSmall } from './small-segments.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open()
})
afterEach(() => batch.close())

const compact = (options: Partial<Parameters<typeof compactSegments>[0]> = {}) =>
  compactSegments({
    lake: batch.lake,
    engine: batch.engine,
    partitions: PARTITIONS,
    clock: () => batch.nowMs,
    ...options,
  })

const compactedChain = async (partition = 0): Promise<readonly SegmentManifest[]> =>
  (await (await batch.openLake()).chains(PARTITIONS, { compacted: true }))[partition]!.segments

describe('compaction', () => {
  it('merges what every kept generation has counted, and nothing later', async () => {
    await batch.land(0, 100, 3)
    await batch.land(0, 0, 2)
    await batch.land(0, 200)
    await batch.land(1, 50)
    const first = await batch.run({ mode: 'full' })
    await batch.land(0, 70)
    await batch.run({ mode: 'incremental' })
    expect(await compact()).toEqual({ replaced: 3, made: 1 })
    const [large, late] = await compactedChain()
    expect(large).toMatchObject({
      start: 0,
      end: first!.boundary[0],
      rows: 300,
      deadLetters: 5,
      late: { rows: 30, maxMs: 5 },
      events: { rows: 300 },
      eventsCodec: 'snappy',
      deadLetterFile: { rows: 5 },
      partials: {},
    })
    expect(late!.rows).toBe(70)
    const offsets = await batch.connection.rows<{ o: number }>(
      `SELECT _offset AS o FROM '${batch.lake.resolve(large!.events!)}'`,
    )
    expect(offsets.map(({ o }) => o)).toEqual([...offsets.map(({ o }) => o)].sort((a, b) => a - b))
    const codecs = await batch.connection.rows(
      `SELECT DISTINCT lower(compression) AS codec FROM parquet_metadata('${batch.lake.resolve(large!.events!)}')`,
    )
    expect(codecs).toEqual([{ codec: 'snappy' }])
    expect(await compact()).toEqual({ replaced: 0, made: 0 })
  })

  it('keeps every recount, incremental runs and rollback equal, also when the originals are gone', async () => {
    for (let segment = 0; segment < 4; segment++) await batch.land(segment % 2, 300)
    const first = await batch.run({ mode: 'full' })
    await batch.land(0, 40)
    expect(await compact()).toEqual({ replaced: 4, made: 2 })
    await batch.expectRecount(await batch.run({ mode: 'incremental' }))
    await batch.expectRecount(await batch.run({ mode: 'full' }))
    batch.nowMs += 3_600_000
    await batch.land(1, 60)
    const next = await batch.run({ mode: 'incremental' })
    const lake = await batch.openLake()
    expect((await lake.chains(PARTITIONS))[0]!.segments.map((segment) => segment.end)).toEqual([600, 640])
    expect((await lake.verifyFiles()).problems).toEqual([])
    await batch.expectRecount(next, lake)
    await lake.setCurrent(first!.id)
    await batch.expectRecount(await batch.run({ mode: 'incremental', lake }), lake)
    await batch.expectRecount(await batch.run({ mode: 'full', lake }), lake)
  })

  it('merges again what has become small beside newer segments', async () => {
    for (let round = 0; round < 3; round++) {
      await batch.land(0, 100)
      await batch.land(0, 100)
      await batch.run({ mode: 'full', keepGenerations: 1 })
      await compact()
      batch.nowMs += 3_600_000
    }
    const generation = await batch.run({ mode: 'full', keepGenerations: 1 })
    expect((await compactedChain()).map((segment) => segment.rows)).toEqual([600])
    await batch.expectRecount(generation, await batch.openLake())
  })

  it('can be cut off at any point', async () => {
    await batch.land(0, 100)
    await batch.land(0, 100)
    const generation = await batch.run({ mode: 'full' })
    await expect(compact({ step: crashAt('compact:committed') })).rejects.toThrow('crash')
    await batch.expectRecount(generation, await batch.openLake())
    expect(await compact()).toEqual({ replaced: 0, made: 0 })
    await batch.expectRecount(await batch.run({ mode: 'full' }))
  })

  it('waits for nobody: null while a run holds the lock', async () => {
    const lock = await (await batch.openLake()).tryLock('batch')
    expect(await compact()).toBeNull()
    await lock!.release()
  })

  it('does nothing before the first generation', async () => {
    await batch.land(0, 100)
    await batch.land(0, 100)
    expect(await compact()).toEqual({ replaced: 0, made: 0 })
  })
})

describe('groups of small segments', () => {
  const segment = (rows: number, more: Partial<SegmentManifest> = {}): SegmentManifest =>
    ({
      kind: 'events',
      log: 'l',
      schemaHash: 's',
      columns: [],
      createdAtMs: 0,
      rows,
      ...more,
    }) as Partial<SegmentManifest> as SegmentManifest
  const sizes = (segments: SegmentManifest[]) => groupSmall(segments, 100).map((group) => group.map(({ rows }) => rows))

  it('fill up to the target and leave large ones alone', () => {
    expect(sizes([30, 40, 50, 60, 10, 10, 90, 5].map((rows) => segment(rows)))).toEqual([
      [30, 40],
      [10, 10],
    ])
  })

  it('end at gaps and at another schema', () => {
    const gap = segment(0, { kind: 'gap' })
    const newer = { schemaHash: 't' }
    expect(sizes([segment(1), segment(2), gap, segment(3), segment(4, newer), segment(5, newer)])).toEqual([
      [1, 2],
      [4, 5],
    ])
  })
})

it('a compacted segment tells of the last record that those it replaces have counted', () => {
  const last = { offset: 17, arrivalMs: 5, sha256: 'a'.repeat(64) }
  const group = [
    { ...emptySegment(0, 0, 10), last: { ...last, offset: 9 } },
    { ...emptySegment(0, 10, 20), last },
    emptySegment(0, 20, 30),
  ]
  expect(describeCompacted(group, null, null, null, 1)).toMatchObject({ start: 0, end: 30, last })
  expect(describeCompacted([emptySegment(0, 0, 10), emptySegment(0, 10, 20)], null, null, null, 1)).not.toHaveProperty(
    'last',
  )
})
