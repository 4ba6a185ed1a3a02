/** Panes past `keep.panes` are merged or removed: what is left is the recount of it, and a run writes what passes the horizon. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { count, type DatasetDefinition, sum } from '#core/definition.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import type { GenerationManifest, StateFile } from '#storage/lake/generation-manifest.ts'
import { rangesOf } from '#storage/lake/state-ranges.ts'
import { DuckDbCompute } from './batch-compute.ts'
import { definition as answers, BatchFixture, PARTITIONS } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'
import { lookAtPaneRetention, type RetentionOfPanes } from './pane-retention-look.ts'
import { rollback } from './rollback.ts'

const [HOUR, DAY] = [3_600_000, 86_400_000]
const BEGAN = Math.floor(1_700_000_000_000 / DAY) * DAY
const measures = { answers: count(), guests: sum('guests') }
const minutes: DatasetDefinition['views'] = {
  by_minute: { dimensions: { id: 'id % 11' }, time: ['minute', 'hour', 'day'], measures },
}
const keeping = (
  panes: NonNullable<DatasetDefinition['keep']>['panes'],
  views: DatasetDefinition['views'] = minutes,
): DatasetDefinition => ({ ...answers, keep: { panes }, views })
/** less than a day of minutes has */
const FILE_BYTES = 1_500
const POLICY = { minute: '3d', hour: '10d', '5m': '5d' } as const

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open(keeping(POLICY))
  // 600 events a day
  batch.stepMs = 144_000
})
afterEach(() => batch.close())

/** Each day's events arrive at its end. */
async function landDays(days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    batch.nowMs += DAY
    await batch.land(0, 600)
  }
}

const run = async (mode: 'full' | 'incremental'): Promise<GenerationManifest> =>
  (await batch.run({ mode, stateFileBytes: FILE_BYTES }))!

const filesOf = ({ views }: GenerationManifest, view = 'by_minute'): readonly StateFile[] => views[view]!.files
const bytesOf = (files: readonly StateFile[]): number => files.reduce((total, { bytes }) => total + bytes, 0)

function writtenBy(next: GenerationManifest, base: GenerationManifest): StateFile[] {
  const known = new Set(filesOf(base).map(({ path }) => path))
  return filesOf(next).filter(({ path }) => !known.has(path))
}

/** In days and hours since the first event's day. */
function daysOf(horizon: PaneHorizon | undefined): unknown[] | undefined {
  return horizon?.map(({ beforeMs, grain }) => [(beforeMs - BEGAN) / DAY, grain])
}

test('a full run merges old minutes into hours, old hours into days, and removes old panes of windows', async () => {
  const views: DatasetDefinition['views'] = {
    ...minutes,
    recent: { dimensions: { country: 'country' }, window: { size: '1h', every: '10m' }, measures },
    by_key: { dimensions: { id: 'id % 50' }, measures },
  }
  await batch.redefine(keeping(POLICY, views))
  await landDays(15)
  const full = await run('full')
  await batch.expectRecount(full)
  expect(full.format).toBe(6)
  // The first event was at 22:13:20, the last ones arrived 15 days later.
  expect(daysOf(full.views.by_minute!.horizon)).toEqual([
    [5, 'day'],
    [12 + 22 / 24, 'hour'],
  ])
  const recent = full.views.recent!.horizon!
  expect(recent).toEqual([{ beforeMs: Math.floor((batch.nowMs - 5 * DAY) / 600_000) * 600_000, grain: null }])
  expect(full.views.by_key!.horizon).toBeUndefined()
  await batch.redefine(keeping({}, views))
  const whole = await run('full')
  await batch.expectRecount(whole)
  expect(whole.format).toBe(4)
  expect(bytesOf(filesOf(full))).toBeLessThan(bytesOf(filesOf(whole)) / 2)
})

test('incremental runs write the ranges that passed the horizon since, once, and what is new', async () => {
  await batch.redefine(keeping({ minute: '3d' }))
  await landDays(10)
  let base = await run('full')
  const passed: number[] = []
  for (const [hours, events] of Array.from(
    { length: 4 },
    () =>
      [
        [24, 450],
        [0, 150],
      ] as const,
  ).flat()) {
    batch.nowMs += hours * HOUR
    await batch.land(0, events)
    const next = await run('incremental')
    await batch.expectRecount(next)
    const [before, after] = [base, next].map(({ views }) => views.by_minute!.horizon!.at(-1)!.beforeMs)
    const written = writtenBy(next, base)
    const old = written.filter(({ grain }) => grain !== undefined)
    for (const { range, grain } of old) {
      expect(grain).toBe('hour')
      expect(range!.beforeMs).toBeGreaterThan(before!)
      expect(range!.beforeMs).toBeLessThanOrEqual(after!)
    }
    // Nothing between the horizon and what is new.
    const [oldest] = rangesOf(written.filter((file) => !old.includes(file)))
    expect(oldest!.fromMs).toBeGreaterThanOrEqual(rangesOf(filesOf(base)).at(-1)!.fromMs!)
    passed.push(old.length)
    base = next
  }
  expect(passed.filter((files) => files > 0).length).toBeGreaterThan(2)
  // Behind the horizon, all that a range of minutes became is hours.
  const horizon = base.views.by_minute!.horizon!.at(-1)!.beforeMs
  const behind = filesOf(base).filter(({ range }) => (range?.beforeMs ?? Infinity) <= horizon)
  expect(behind.length).toBeGreaterThan(2)
  expect(behind.every(({ grain }) => grain === 'hour')).toBe(true)
  // One state for each hour and key.
  const paths = behind.map((file) => `'${batch.lake.resolve(file)}'`).join(', ')
  const [states] = await batch.connection.rows<{ all: number; keys: number; hours: number }>(
    `SELECT count(*) AS "all", count(DISTINCT (pane, id)) AS keys, count(DISTINCT (pane // ${HOUR}, id)) AS hours FROM read_parquet([${paths}])`,
  )
  expect([states!.all, states!.keys]).toEqual([states!.hours, states!.hours])
  // A run after which nothing is new changes nothing.
  expect((await run('incremental')).id).toBe(base.id)
  expect((await batch.lake.verifyFiles()).problems).toEqual([])
})

test('ranges that are past the time of all panes are no longer named', async () => {
  await batch.redefine(keeping({ minute: '3d', hour: '3d', day: '4d' }))
  await landDays(9)
  const full = await run('full')
  await landDays(2)
  const next = await run('incremental')
  await batch.expectRecount(next)
  expect(daysOf(next.views.by_minute!.horizon)![0]).toEqual([7, null])
  const removedMs = next.views.by_minute!.horizon![0]!.beforeMs
  const isGone = ({ range }: StateFile): boolean => (range?.beforeMs ?? Infinity) <= removedMs
  expect(filesOf(full).filter(isGone).length).toBeGreaterThan(0)
  expect(filesOf(next).filter(isGone)).toEqual([])
  expect(rangesOf(filesOf(next))[0]).toEqual({ beforeMs: expect.any(Number) })
})

test('states of one file are merged and removed once as much is old as is kept, not with each run', async () => {
  const views: DatasetDefinition['views'] = { ...minutes, removed: { ...minutes.by_minute!, time: ['minute'] } }
  await batch.redefine(keeping({ minute: '3d' }, views))
  await landDays(9)
  let base = (await batch.run({ mode: 'full' }))!
  const sizes: number[] = []
  const rewritten: number[] = []
  for (let day = 0; day < 8; day++) {
    await landDays(1)
    const next = (await batch.run({ mode: 'incremental' }))!
    await batch.expectRecount(next)
    for (const view of ['by_minute', 'removed']) {
      const files = filesOf(next, view)
      expect(rangesOf(files)).toHaveLength(1)
      const horizon = next.views[view]!.horizon!.at(-1)!.beforeMs
      const paths = files.map((file) => `'${batch.lake.resolve(file)}'`).join(', ')
      const [fine] = await batch.connection.rows<{ oldest: number }>(
        `SELECT min(pane)::DOUBLE AS oldest FROM read_parquet([${paths}]) WHERE pane % ${HOUR} <> 0`,
      )
      sizes.push((horizon - fine!.oldest) / DAY)
      if (files.length === 1 && filesOf(base, view)[0]!.path !== files[0]!.path) rewritten.push(day)
    }
    base = next
  }
  // Three days are kept, and a part of the present hour: with the fourth day, as much is old, and both files are written again.
  expect([Math.max(...sizes) > 2, Math.max(...sizes) <= 4]).toEqual([true, true])
  expect(rewritten.slice(0, 2)).toEqual([3, 3])
  // Again four days later, or one day earlier if file sizes cause a merge: they differ by a few bytes between runs.
  expect(rewritten).toHaveLength(4)
  expect(Math.min(...rewritten.slice(2))).toBeGreaterThanOrEqual(6)
})

test('late events are counted in the panes that are left, and those of removed panes nowhere', async () => {
  await landDays(12)
  const full = await run('full')
  const coarse = filesOf(full).filter(({ grain }) => grain !== undefined).length
  // The other partition begins where this one did.
  await batch.land(1, 900)
  await batch.expectRecount(await run('incremental'))
  await batch.land(1, 900)
  const next = await run('incremental')
  await batch.expectRecount(next)
  expect(next.mode).toBe('incremental')
  expect(filesOf(next).filter(({ grain }) => grain !== undefined).length).toBeGreaterThanOrEqual(coarse)
  await batch.expectRecount(await run('full'))
})

test('no state is in a file whose range it is not of, wherever merged panes begin', async () => {
  // Days of minutes are cut within the day.
  const views = { by_minute: { ...minutes.by_minute!, time: ['minute', 'day'] as const } }
  await batch.redefine(keeping({}, views))
  await landDays(8)
  await run('full')
  await batch.redefine(keeping({ minute: '3d' }, views))
  for (let step = 0; step < 3; step++) {
    // Late, in all ranges, some of which a day that was merged would lie across.
    await batch.land(1, 1_600)
    const next = await run('incremental')
    await batch.expectRecount(next)
    expect(daysOf(next.views.by_minute!.horizon)).toEqual([[5, 'day']])
    for (const file of filesOf(next)) {
      const { fromMs = -Infinity, beforeMs = Infinity } = file.range ?? {}
      const [panes] = await batch.connection.rows<{ first: number; last: number }>(
        `SELECT min(pane)::DOUBLE AS first, max(pane)::DOUBLE AS last FROM read_parquet('${batch.lake.resolve(file)}')`,
      )
      expect([panes!.first >= fromMs, panes!.last < beforeMs]).toEqual([true, true])
    }
  }
})

test('a run that rewrites a large file merges its old panes with each other, not only with new states', async () => {
  await batch.redefine(keeping({}))
  await landDays(4)
  const full = (await batch.run({ mode: 'full' }))!
  // Of one hour, long ago.
  const { partials } = await batch.land(1, 20)
  const { connection, dataset, lake, folder } = batch
  const compute = new DuckDbCompute(connection, dataset, (file) => lake.resolve(file))
  const [file] = filesOf(full)
  const beforeMs = BEGAN + 3 * DAY
  const path = `${folder}/merged.parquet`
  const horizon = [{ beforeMs, grain: 'hour' as const }]
  await compute.merge(dataset.views.get('by_minute')!, [file!, partials.by_minute!.file], path, {}, horizon)
  const [states] = await connection.rows<{ old: number; hours: number; events: number }>(
    `SELECT count(*) FILTER (pane < ${beforeMs}) AS old, count(DISTINCT (pane, id)) FILTER (pane < ${beforeMs} AND pane % ${HOUR} = 0) AS hours,
      sum(answers__n) AS events FROM read_parquet('${path}')`,
  )
  expect(states!.old).toBe(states!.hours)
  expect(Number(states!.events)).toBe(4 * 600 + 20)
})

test('panes that are to be kept longer come back with a full run, and go at once when they are kept shorter', async () => {
  await landDays(9)
  const first = await run('full')
  const horizonOf = ({ views }: GenerationManifest) => views.by_minute!.horizon?.at(-1)?.beforeMs ?? -Infinity
  await batch.redefine(keeping({ minute: '7d' }))
  await landDays(1)
  const longer = await run('incremental')
  expect(horizonOf(longer)).toBe(horizonOf(first))
  await batch.expectRecount(longer)
  const restored = await run('full')
  expect(horizonOf(restored)).toBe(horizonOf(first) - 3 * DAY)
  await batch.expectRecount(restored)
  // Nothing is new but the definition.
  await batch.redefine(keeping({ minute: '1d' }))
  const shorter = await run('incremental')
  expect(horizonOf(shorter)).toBe(horizonOf(restored) + 6 * DAY)
  await batch.expectRecount(shorter)
  await rollback({ lake: batch.lake, id: restored.id })
  await batch.expectRecount(await batch.lake.current())
  expect(horizonOf(await run('incremental'))).toBe(horizonOf(shorter))
})

test('an incremental run reads the segments since its base only', async () => {
  await landDays(6)
  await run('full')
  const { lake } = batch
  for (let day = 0; day < 2; day++) {
    await landDays(1)
    const chains = vi.spyOn(lake, 'bothChains')
    const next = await run('incremental')
    expect(chains.mock.calls.map(([, options]) => options?.after !== undefined)).toEqual([true])
    chains.mockRestore()
    await batch.expectRecount(next)
    expect(next.views.by_minute!.horizon!.at(-1)!.beforeMs).toBe(Math.floor((batch.nowMs - 3 * DAY) / HOUR) * HOUR)
  }
})

test('nothing is old before events were: neither by a clock alone, nor where the oldest event is younger', async () => {
  await landDays(1)
  batch.nowMs += 100 * DAY
  const early = await run('full')
  expect(early.views.by_minute!.horizon).toBeUndefined()
  // A jump of the clock is believed after a day of events.
  await batch.land(0, 10)
  expect((await run('full')).views.by_minute!.horizon).toBeUndefined()
  batch.nowMs += DAY
  await batch.land(0, 10)
  expect((await run('full')).views.by_minute!.horizon).not.toBeUndefined()
})

test('compaction takes nothing of what tells what is old', async () => {
  await landDays(8)
  const before = await run('full')
  const { lake, engine } = batch
  const clock = (): number => batch.nowMs
  await compactSegments({ lake, engine, partitions: PARTITIONS, clock })
  await landDays(1)
  const after = await run('full')
  await batch.expectRecount(after)
  const [one, other] = [before, after].map(({ views }) => views.by_minute!.horizon!.at(-1)!.beforeMs)
  expect(other! - one!).toBe(24 * HOUR)
})

test('what is said of the next incremental run is what it does', async () => {
  const views: DatasetDefinition['views'] = {
    ...minutes,
    recent: { dimensions: { id: 'id % 11' }, window: { size: '1h', every: '1m' }, measures },
  }
  await batch.redefine(keeping({ minute: '3d' }, views))
  await landDays(8)
  const { lake } = batch
  const look = (): Promise<RetentionOfPanes> =>
    lookAtPaneRetention({
      ...{ lake, dataset: batch.dataset, partitions: PARTITIONS },
      clockMs: batch.nowMs,
      stateFileBytes: FILE_BYTES,
    })
  const first = await look()
  expect(first.states).toEqual([])
  expect(first.panes).toMatchObject([
    { view: 'by_minute', panes: 'minute', keptMs: 3 * DAY, grain: 'hour', beforeMs: null },
    { view: 'recent', panes: 'minute', keptMs: 3 * DAY, grain: null, beforeMs: null },
  ])
  const base = await run('full')
  await landDays(1)
  const told = await look()
  const next = await run('incremental')
  for (const { view, beforeMs, nextBeforeMs, movesAtMs } of told.panes) {
    const [was, is] = [base, next].map(({ views }) => views[view]!.horizon!.at(-1)!.beforeMs)
    expect([beforeMs, nextBeforeMs]).toEqual([was, is])
    expect(movesAtMs! - batch.nowMs).toBeGreaterThan(0)
    expect(movesAtMs! - batch.nowMs).toBeLessThanOrEqual(view === 'recent' ? 60_000 : HOUR)
  }
  const [minute, recent] = told.states
  for (const { view, bytes, dueBytes, removedBytes } of told.states) {
    expect(bytes).toBe(bytesOf(filesOf(base, view)))
    const gone = filesOf(base, view).filter(({ path }) => !filesOf(next, view).some((file) => file.path === path))
    // Besides, the run writes ranges that new events fall into.
    expect(bytesOf(gone)).toBeGreaterThanOrEqual(dueBytes + removedBytes)
  }
  expect([minute!.dueBytes > 0, minute!.removedBytes, recent!.dueBytes, recent!.removedBytes > 0]).toEqual([
    true,
    0,
    0,
    true,
  ])
  expect(minute!.waitingBytes).toBeLessThan(minute!.bytes / 4)
  const after = await look()
  for (const { dueBytes, removedBytes } of after.states) expect([dueBytes, removedBytes]).toEqual([0, 0])
})
