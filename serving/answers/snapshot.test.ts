/** The reader's order against a speed store and a lake that move on underneath it. */
import { describe, expect, test } from 'vitest'
import type { CompiledDataset } from '#core/compiled.ts'
import type { OffsetRange } from '#core/offsets.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { gapsOf, type ServedDataset, takeSnapshot } from './snapshot.ts'

const segment = (start: number, end: number, more: Partial<SegmentManifest> = {}): SegmentManifest =>
  ({
    partition: 0,
    start,
    end,
    log: 'l',
    kind: 'events',
    rows: end - start,
    createdAtMs: 500,
    ...more,
  }) as SegmentManifest

const chain = (...segments: SegmentManifest[]): SegmentChain => ({
  partition: 0,
  segments,
  end: segments.at(-1)?.end ?? 0,
})

const marker = (segmentStart: number, through: number): Marker => ({
  partition: 0,
  segmentStart,
  through,
  atMs: 900,
  rows: through - segmentStart,
  deadLetters: 0,
  lateRows: 0,
  timeMaxMs: null,
  views: ['h'],
})

/** A dataset whose lake gives `chains` one after the other, and whose store holds one open segment. */
function dataset(parts: {
  readonly chains: readonly SegmentChain[]
  readonly open?: Marker
  readonly generation?: Partial<GenerationManifest>
  readonly logEnd?: number
  readonly ahead?: number
}): { readonly served: ServedDataset; readonly asked: number[] } {
  const chains = [...parts.chains]
  const asked: number[] = []
  const lake = {
    current: async () => parts.generation ?? null,
    refusals: async () => new Map(),
    chains: async () => [chains.length > 1 ? chains.shift()! : chains[0]!],
  } as unknown as Lake
  const store = {
    read: async (_views: readonly string[], starts: ReadonlyMap<number, number>) => {
      const start = starts.get(0)
      if (start !== undefined) asked.push(start)
      const found = parts.open !== undefined && parts.open.segmentStart === start
      return {
        markers: new Map(found ? [[0, parts.open!]] : []),
        rows: new Map([['h', found ? ['{}'] : []]]),
        ...(parts.ahead === undefined ? {} : { ahead: new Map([[0, parts.ahead]]) }),
      }
    },
    markers: async () => new Map(parts.open ? [[0, parts.open]] : []),
  } as unknown as SpeedStore
  const log =
    parts.logEnd === undefined ? undefined : { range: async () => ({ partition: 0, start: 0, end: parts.logEnd! }) }
  const compiled = { name: 'd', views: new Map([['v', { hash: 'h' }]]) } as unknown as CompiledDataset
  return { served: { dataset: compiled, lake, store, log, partitions: 1, engine: {} as DuckDbEngine }, asked }
}

test('asks the speed store for the segment that starts where the lake ends, and for no other', async () => {
  const { served, asked } = dataset({ chains: [chain(segment(0, 10), segment(10, 20))], open: marker(20, 25) })
  const snapshot = await takeSnapshot(served)
  expect(asked).toEqual([20])
  expect(snapshot.partitions).toEqual([
    { partition: 0, boundary: 0, closedEnd: 20, position: 25, asOfMs: 900, ahead: null, behind: null, missing: null },
  ])
  expect(snapshot.open.get('h')).toEqual(['{}'])
})

test('says which partition was read while a flush was half written', async () => {
  const { served } = dataset({ chains: [chain(segment(0, 10), segment(10, 20))], open: marker(20, 25), ahead: 27 })
  expect((await takeSnapshot(served)).partitions[0]).toMatchObject({ position: 25, ahead: 27 })
})

test('a segment that closes while it reads is seen closed: nothing twice, nothing left out', async () => {
  const before = chain(segment(0, 10))
  const after = chain(segment(0, 10), segment(10, 20))
  const { served, asked } = dataset({ chains: [before, after], open: marker(20, 22) })
  const snapshot = await takeSnapshot(served)
  expect(asked).toEqual([10, 20])
  expect(snapshot.segments.map(({ end }) => end)).toEqual([10, 20])
  expect(snapshot.partitions[0]!.position).toBe(22)
})

test('of many partitions only those are read again that closed a segment and of which nothing was read', async () => {
  const PARTITIONS = 256
  const landed = Array.from({ length: PARTITIONS }, (_, partition) => ({
    ...chain(segment(0, 10, { partition })),
    partition,
  }))
  const markers = new Map(landed.map(({ partition }) => [partition, { ...marker(10, 14), partition }]))
  const asked: number[][] = []
  /** Each read finds that meanwhile some segments closed: of half of them the partials are still there. */
  const close = (partition: number): void => {
    landed[partition] = { ...chain(segment(0, 10, { partition }), segment(10, 20, { partition })), partition }
    markers.set(partition, { ...marker(20, 22), partition })
  }
  const store = {
    markers: async () => markers,
    read: async (_: unknown, starts: ReadonlyMap<number, number>) => {
      asked.push([...starts.keys()])
      if (asked.length === 1) for (const partition of [3, 5]) close(partition)
      const found = [...starts].map(([partition, start]): [number, Marker] => [
        partition,
        partition === 3 && start === 10 ? { ...marker(10, 18), partition } : markers.get(partition)!,
      ])
      const open = found.filter(([partition, one]) => one.segmentStart === starts.get(partition))
      if (asked.length <= 2) close(asked.length === 1 ? 7 : 9)
      return { markers: new Map(open), rows: new Map([['h', open.map(([partition]) => `${partition}`)]]) }
    },
  } as unknown as SpeedStore
  const lake = {
    current: async () => null,
    chains: async () => [...landed],
    refusals: async () => new Map(),
  } as unknown as Lake
  const { served } = dataset({ chains: [] })
  const { partitions, open } = await takeSnapshot({ ...served, lake, store, partitions: PARTITIONS })
  expect(asked.map((those) => those.length)).toEqual([PARTITIONS, 1])
  expect(asked[1]).toEqual([5])
  const position = new Map(partitions.map((place) => [place.partition, place.position]))
  expect([3, 5, 7, 9, 11].map((partition) => position.get(partition))).toEqual([18, 22, 14, 14, 14])
  expect(open.get('h')!.toSorted()).toEqual(landed.map(({ partition }) => `${partition}`).toSorted())
})

test('what a lost owner wrote for a segment that is closed already is not counted', async () => {
  const { served } = dataset({ chains: [chain(segment(0, 10), segment(10, 20))], open: marker(10, 99) })
  const snapshot = await takeSnapshot(served)
  expect(snapshot.partitions[0]!.position).toBe(20)
  expect(snapshot.open.get('h')).toEqual([])
  expect(snapshot.partitions[0]!.asOfMs).toBe(500)
})

test('an open segment that was folded by another definition is not counted: the answer ends before it', async () => {
  const open = { ...marker(10, 14), views: ['of-another-definition'] }
  const { served } = dataset({ chains: [chain(segment(0, 10))], open, logEnd: 14 })
  const snapshot = await takeSnapshot(served)
  expect(snapshot.partitions[0]).toMatchObject({ position: 10, behind: 4 })
  expect(snapshot.markers.size).toBe(0)
})

test('parts that go on disagreeing are an error, never half an answer', async () => {
  const { served, asked } = dataset({ chains: [chain(segment(0, 10))], open: marker(20, 22) })
  await expect(takeSnapshot(served)).rejects.toThrow(/dataset 'd': partition 0: .*offset 20.*watershed doctor/)
  expect(asked).toEqual([10])
})

describe('partitions that were added', () => {
  const of = <Part extends object>(part: Part): Part => ({ ...part, partition: 1 })
  /** A lake as it is: a chain for each partition that is asked for, and for each that has segments. */
  const lakeOf = (landed: readonly SegmentChain[], generation: Partial<GenerationManifest> | null = null): Lake =>
    ({
      current: async () => generation,
      refusals: async () => new Map(),
      chains: async (partitions: number) =>
        Array.from(
          { length: Math.max(partitions, landed.length) },
          (_, partition) => landed[partition] ?? { partition, segments: [], end: 0 },
        ),
    }) as unknown as Lake
  const storeOf = (...open: readonly Marker[]): SpeedStore => {
    const markers = new Map(open.map((one) => [one.partition, one]))
    return {
      markers: async () => markers,
      read: async (_: unknown, starts: ReadonlyMap<number, number>) => ({
        markers: new Map([...markers].filter(([partition, one]) => starts.get(partition) === one.segmentStart)),
        rows: new Map(),
      }),
    } as unknown as SpeedStore
  }
  const { served } = dataset({ chains: [chain(segment(0, 10))] })
  const first = chain(segment(0, 10))
  const positions = async (lake: Lake, store: SpeedStore): Promise<readonly number[]> =>
    (await takeSnapshot({ ...served, lake, store })).partitions.map(({ position }) => position)

  test('are counted when only the speed store knows of them', async () => {
    expect(await positions(lakeOf([first]), storeOf(marker(10, 14), of(marker(0, 7))))).toEqual([14, 7])
  })

  test('are counted when they have closed segments', async () => {
    const landed = [first, of(chain(of(segment(0, 5))))]
    expect(await positions(lakeOf(landed), storeOf(marker(10, 14), of(marker(5, 7))))).toEqual([14, 7])
  })

  test('are named when only a generation has them', async () => {
    const generation = { id: 'g000001', log: 'l', boundary: [10, 0, 0], gaps: [] }
    expect(await positions(lakeOf([first], generation), storeOf(marker(10, 14)))).toEqual([14, 0, 0])
  })
})

test('a refused log is not answered from, and one that has another record than was counted neither', async () => {
  const print = { offset: 9, arrivalMs: 1, sha256: 'counted' }
  const { served } = dataset({ chains: [chain({ ...segment(0, 10), last: print })] })
  const why = 'the log was cut'
  const refusals = async () => new Map([[0, { partition: 0, why, atMs: 1 }]])
  await expect(takeSnapshot({ ...served, lake: { ...served.lake, refusals } })).rejects.toThrow(
    /refused before.*was cut/,
  )
  const records = memoryLogRecords({ partitions: 1 })
  const log = Object.assign(new MemoryLog({ records }), { identity: 'l' })
  await log.append([{ partition: 0, lines: Buffer.from('1\n'.repeat(10)), count: 10 }])
  await expect(takeSnapshot({ ...served, log })).rejects.toThrow(/record at offset 9 is not the one that was counted/)
  log.dropBefore(0, 10)
  expect((await takeSnapshot({ ...served, log })).partitions[0]!.position).toBe(10)
})

test('the segments of another log are not counted under the offsets of this one', async () => {
  const { served } = dataset({ chains: [chain(segment(0, 10))], logEnd: 12 })
  const log = { range: served.log!.range }
  expect((await takeSnapshot({ ...served, log: { ...log, identity: 'l' } })).partitions[0]!.position).toBe(10)
  const other = takeSnapshot({ ...served, log: { ...log, identity: 'another' } })
  await expect(other).rejects.toThrow(
    /partition 0: .*belong to log l, but this log is another: it was re-created or replaced; restore/,
  )
})

test('a boundary that the lake does not reach, or that no segment ends at, is refused', async () => {
  const generation = { id: 'g000001', log: 'l', boundary: [15], gaps: [] }
  const short = dataset({ chains: [chain(segment(0, 10))], generation })
  await expect(takeSnapshot(short.served)).rejects.toThrow(/counts up to offset 15, but the lake ends at offset 10/)
  const inside = dataset({ chains: [chain(segment(0, 20))], generation })
  await expect(takeSnapshot(inside.served)).rejects.toThrow(/boundary 15 .* inside a segment/)
  const other = dataset({ chains: [chain(segment(0, 15))], generation: { ...generation, log: 'x' } })
  await expect(takeSnapshot(other.served)).rejects.toThrow(/g000001 belongs to log x, but .* belong to log l/)
})

test('only what is behind the boundary is read from segments; gaps of both sides are told', async () => {
  const gap = { partition: 0, start: 2, end: 3 }
  const { served } = dataset({
    chains: [chain(segment(0, 10), segment(10, 15, { kind: 'gap', rows: 0 }), segment(15, 20))],
    generation: { id: 'g000001', log: 'l', boundary: [10], gaps: [gap] },
  })
  const snapshot = await takeSnapshot(served)
  expect(snapshot.segments.map(({ start }) => start)).toEqual([10, 15])
  expect(snapshot.gaps).toEqual([gap, { partition: 0, start: 10, end: 15 }])
})

test('says how many events of the log are not counted yet; caught up, it is of now', async () => {
  const behind = dataset({ chains: [chain(segment(0, 10))], open: marker(10, 14), logEnd: 20 })
  expect((await takeSnapshot(behind.served)).partitions[0]).toMatchObject({ behind: 6, asOfMs: 900 })
  const before = Date.now()
  const caughtUp = dataset({ chains: [chain(segment(0, 10))], open: marker(10, 14), logEnd: 14 })
  const [place] = (await takeSnapshot(caughtUp.served)).partitions
  expect(place!.behind).toBe(0)
  expect(place!.asOfMs).toBeGreaterThanOrEqual(before)
})

test('a log that fails, does not answer or went back keeps no answer back: how far behind it is, it does not know', async () => {
  const { served } = dataset({ chains: [chain(segment(0, 10))], open: marker(10, 14) })
  const wentBack = async () => ({ partition: 0, start: 0, end: 12 })
  for (const range of [() => Promise.reject(new Error('away')), () => new Promise<never>(() => {}), wentBack]) {
    const snapshot = await takeSnapshot({ ...served, log: { range } })
    expect(snapshot.partitions[0]).toMatchObject({ position: 14, behind: null, asOfMs: 900 })
  }
})

test('a log that does not answer keeps one answer waiting, and is not asked again before it has given up', async () => {
  const { served } = dataset({ chains: [chain(segment(0, 10))], open: marker(10, 14) })
  const asked: PromiseWithResolvers<OffsetRange>[] = []
  const log = {
    range: () => {
      asked.push(Promise.withResolvers<OffsetRange>())
      return asked.at(-1)!.promise
    },
  }
  const answered = async () => (await takeSnapshot({ ...served, log })).partitions[0]!.behind
  expect(await answered()).toBeNull()
  for (let query = 0; query < 20; query++) expect(await answered()).toBeNull()
  expect(asked).toHaveLength(1)
  asked[0]!.reject(new Error('away'))
  await asked[0]!.promise.catch(() => {})
  expect(await answered()).toBeNull()
  expect(asked).toHaveLength(1)
})

test('a log that answers again is asked again', async () => {
  const { served } = dataset({ chains: [chain(segment(0, 10))], open: marker(10, 14) })
  const late = Promise.withResolvers<OffsetRange>()
  const ends = [late.promise, Promise.resolve({ partition: 0, start: 0, end: 20 })]
  const log = { range: () => ends.shift()! }
  const answered = async () => (await takeSnapshot({ ...served, log })).partitions[0]!.behind
  expect(await answered()).toBeNull()
  late.resolve({ partition: 0, start: 0, end: 19 })
  await late.promise
  expect(await answered()).toBe(6)
})

describe('a speed store that cannot be read', () => {
  const chains = [chain(segment(0, 10), segment(10, 15), segment(15, 20))]
  const generation = { id: 'g000001', log: 'l', boundary: [10], gaps: [] }
  const down = (): Promise<never> => Promise.reject(new Error('down'))
  const optional = { live: 'optional' } as const
  const faults: readonly (readonly [string, Partial<SpeedStore>])[] = [
    ['fails', { read: down }],
    ['fails after its partials were read', { markers: down }],
  ]

  test.each(faults)('%s: what is closed is counted, contiguous from the boundary', async (_name, fault) => {
    const { served } = dataset({ chains, generation, open: marker(20, 24), logEnd: 27 })
    const store = { ...served.store, ...fault } as SpeedStore
    await expect(takeSnapshot({ ...served, store })).rejects.toThrow('down')
    const snapshot = await takeSnapshot({ ...served, store }, optional)
    expect(snapshot.segments.map(({ start }) => start)).toEqual([10, 15])
    expect(snapshot.partitions).toMatchObject([
      { boundary: 10, position: 20, behind: 7, missing: 'the speed store cannot be read: down' },
    ])
    expect([snapshot.markers.size, snapshot.open.size]).toEqual([0, 0])
  })

  test('lacks nothing if the closed segments reach the end of the log', async () => {
    const { served } = dataset({ chains, logEnd: 20 })
    const store = { ...served.store, read: down } as SpeedStore
    const snapshot = await takeSnapshot({ ...served, store }, optional)
    expect(snapshot.partitions).toMatchObject([{ position: 20, behind: 0, missing: null }])
  })

  test('does not excuse a lake that lost segments before the boundary', async () => {
    const { served } = dataset({ chains: [chain(segment(0, 5))], generation })
    const store = { ...served.store, read: down } as SpeedStore
    await expect(takeSnapshot({ ...served, store }, optional)).rejects.toThrow(/the lake ends at offset 5/)
  })
})

test('gaps among removed raw events stay gaps, also without a generation', () => {
  const gaps = [{ partition: 0, start: 3, end: 5 }]
  const summary: SegmentManifest = { ...emptySegment(0, 0, 10), kind: 'summary', gaps }
  const gap: SegmentManifest = { ...emptySegment(0, 10, 12), kind: 'gap' }
  expect(gapsOf(null, [summary, gap])).toEqual([...gaps, { partition: 0, start: 10, end: 12 }])
})
