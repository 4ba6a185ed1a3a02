/** A query for a part of time opens only the files that can hold its panes, and its answer is the recount of that time. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  definition as answers,
  BatchFixture,
  BY_MINUTE,
  PARTITIONS,
  SMALL_FILE_BYTES,
} from '#batch-layer/batch-fixture.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import type { ViewQuery } from '#core/query.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { viewSource } from '#serving/presented-indices/presented-view.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import { filesWithin, rangeOf } from '#storage/lake/state-ranges.ts'
import { typedRowsSql } from '#storage/lake/typed-rows.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'

const definition: DatasetDefinition = {
  ...answers,
  views: {
    by_minute: BY_MINUTE,
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
})
afterAll(() => fixture.close())

const current = async (): Promise<readonly StateFile[]> => (await fixture.lake.current())!.views.by_minute!.files

/** The answer's totals, and the files of states that it opened. */
async function ask(query: Omit<ViewQuery, 'dataset' | 'view'>) {
  const { dataset, engine, lake } = fixture
  const resolved = vi.spyOn(lake, 'resolve')
  try {
    const served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
    const { rowsJson } = await answerQuery(served, {
      dataset: dataset.name,
      view: 'by_minute',
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
