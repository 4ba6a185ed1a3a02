/** A query for a part of time opens only the files that can hold its panes, and its answer is the recount of that time. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  definition as answers,
  BatchFixture,
  BY_MINUTE,
  byKey,
  PARTITIONS,
  SMALL_FILE_BYTES,
} from '#batch-layer/batch-fixture.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import type { Filter, ViewQuery } from '#core/query.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { viewSource } from '#serving/presented-indices/presented-view.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import { filesWithin, isOfSlots, isSameRange, rangeOf } from '#storage/lake/state-ranges.ts'
import { typedRowsSql } from '#storage/lake/typed-rows.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'

const definition: DatasetDefinition = {
  ...answers,
  views: {
    by_minute: BY_MINUTE,
    by_key: byKey(10),
  },
}
const HOUR = 3_600_000
let fixture: BatchFixture
beforeAll(async () => {
  fixture = await BatchFixture.open(definition)
  await fixture.land(0, 40_000)
  await fixture.run({ mode: 'full', stateFileBytes: SMALL_FILE_BYTES })
  // Of the same hours as the other partition's first events.
  await fixture.land(1, 5_000)
  await fixture.run({ mode: 'incremental', stateFileBytes: SMALL_FILE_BYTES })
  // Less than what is distributed over the ranges of keys.
  await fixture.land(1, 20)
  await fixture.run({ mode: 'incremental', stateFileBytes: SMALL_FILE_BYTES })
})
afterAll(() => fixture.close())

const current = async (view = 'by_minute'): Promise<readonly StateFile[]> =>
  (await fixture.lake.current())!.views[view]!.files

/** The answer's totals, and the files of states that it opened. */
async function ask(query: Omit<ViewQuery, 'dataset' | 'view'>, view = 'by_minute') {
  const { dataset, engine, lake } = fixture
  const resolved = vi.spyOn(lake, 'resolve')
  try {
    const served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
    const { rowsJson } = await answerQuery(served, {
      dataset: dataset.name,
      view,
      dimensions: [],
      ...query,
    })
    const [row] = JSON.parse(rowsJson) as { answers: number; guests: number }[]
    const opened = [...new Set(resolved.mock.calls.map(([file]) => file.path))].sort()
    return { counted: [row?.answers ?? 0, row?.guests ?? 0], opened }
  } finally {
    resolved.mockRestore()
  }
}

async function recount(fromMs: number, toMs: number): Promise<number[]> {
  const segments = (await fixture.lake.chains(PARTITIONS)).flatMap((chain) => chain.segments)
  const rows = typedRowsSql(fixture.dataset, segments, (file) => fixture.lake.resolve(file))
  const [row] = await fixture.connection.rows<{ answers: number; guests: number }>(
    `SELECT count(*) AS answers, coalesce(sum(guests), 0)::BIGINT AS guests FROM ${rows} WHERE _time >= ${fromMs} AND _time < ${toMs}`,
  )
  return [Number(row!.answers), Number(row!.guests)]
}

test('one hour opens the files of that hour, wherever it lies', async () => {
  const files = await current()
  const edges = files.flatMap((file) => rangeOf(file).fromMs ?? [])
  expect(edges.length).toBeGreaterThan(5)
  for (const fromMs of [edges[0]! - HOUR, ...new Set(edges)]) {
    const panes = { fromMs, toMs: fromMs + HOUR }
    const { counted, opened } = await ask(panes)
    expect(counted).toEqual(await recount(panes.fromMs, panes.toMs))
    const own = filesWithin(files, { fromMs, beforeMs: panes.toMs })
    expect(opened).toEqual(own.map(({ path }) => path).sort())
    expect(own.length).toBeLessThan(files.length / 2)
  }
})

test('a range across files, one without an end, and all of time are the recount', async () => {
  const files = await current()
  const { fromMs } = rangeOf(files.at(-1)!)
  const [early, late] = [fromMs! - 3 * HOUR - 60_000, fromMs! + 60_000]
  expect((await ask({ fromMs: early, toMs: late })).counted).toEqual(await recount(early, late))
  expect((await ask({ fromMs: late })).counted).toEqual(await recount(late, Number.MAX_SAFE_INTEGER))
  const all = await ask({})
  expect(all.counted).toEqual(await recount(0, Number.MAX_SAFE_INTEGER))
  expect(all.opened).toHaveLength(files.length)
})

test('an update of presented rows opens the files of the panes that events touched', async () => {
  const { dataset, engine, lake, connection } = fixture
  const files = await current()
  const view = dataset.views.get('by_minute')!
  const served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
  const snapshot = await takeSnapshot(served, { views: [view] })
  const { fromMs } = rangeOf(files.at(-1)!)
  const panes = [fromMs! + 60_000, fromMs! + 180_000]
  const resolved = vi.spyOn(lake, 'resolve')
  const source = await viewSource({ served, snapshot, connection }, view, panes)
  const opened = [...new Set(resolved.mock.calls.map(([file]) => file.path))].sort()
  resolved.mockRestore()
  const own = filesWithin(files, { fromMs: panes[0]!, beforeMs: panes[1]! + 1 })
  expect(opened).toEqual(own.map(({ path }) => path).sort())
  expect(own.length).toBeLessThan(files.length / 2)
  const [row] = await connection.rows<{ answers: number }>(
    `SELECT sum(answers) AS answers FROM (${source.sql})`,
    source.bound.parameters,
  )
  const wanted = await Promise.all(panes.map((pane) => recount(pane, pane + 60_000)))
  expect(Number(row!.answers)).toBe(wanted[0]![0]! + wanted[1]![0]!)
  expect(Number(row!.answers)).toBeGreaterThan(0)
})

test('a comparison with an earlier period opens the files of both periods', async () => {
  const files = await current()
  const fromMs = rangeOf(files.at(-1)!).fromMs!
  const { opened } = await ask({ fromMs, toMs: fromMs + HOUR, compare: '4h' })
  const both = filesWithin(files, { fromMs: fromMs - 4 * HOUR, beforeMs: fromMs + HOUR })
  expect(opened).toEqual(both.map(({ path }) => path).sort())
})

test('a look-up of one key opens the files of its slot, and what was added since; one of several keys opens all', async () => {
  const files = await current('by_key')
  const cut = files.filter(isOfSlots)
  expect(cut.length).toBeGreaterThan(10)
  expect(files.length).toBeGreaterThan(cut.length)
  const segments = (await fixture.lake.chains(PARTITIONS)).flatMap((chain) => chain.segments)
  const rows = typedRowsSql(fixture.dataset, segments, (file) => fixture.lake.resolve(file))
  const recounted = await fixture.connection.rows<{ key: string; country: string | null; n: number; guests: number }>(
    `SELECT * FROM (SELECT id // 10 AS key, country, count(*)::INTEGER AS n, sum(guests)::INTEGER AS guests FROM ${rows} GROUP BY ALL) ORDER BY md5(concat(key, country)) LIMIT 30`,
  )
  expect(recounted.some(({ country }) => country === null)).toBe(true)
  const used = new Set<string>()
  for (const { key, country, n, guests } of recounted) {
    const ofCountry: Filter =
      country === null
        ? { dimension: 'country', operator: 'null', values: [] }
        : { dimension: 'country', operator: 'eq', values: [country] }
    const ofKey: Filter = { dimension: 'key', operator: 'eq', values: [String(key)] }
    const { counted, opened } = await ask({ filters: [ofKey, ofCountry] }, 'by_key')
    expect(counted).toEqual([n, guests])
    const own = cut.find(({ path }) => opened.includes(path))!
    const wanted = files.filter((file) => !isOfSlots(file) || isSameRange(rangeOf(file), rangeOf(own)))
    expect(opened).toEqual(wanted.map(({ path }) => path).sort())
    expect(wanted.length).toBeLessThan(files.length / 4)
    for (const path of opened) used.add(path)
  }
  expect(used.size).toBeGreaterThan(cut.length / 2)
  const all = await ask({ filters: [{ dimension: 'country', operator: 'eq', values: ['us'] }] }, 'by_key')
  expect(all.opened).toHaveLength(files.length)
})
