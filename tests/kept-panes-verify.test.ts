/** Verification where panes were merged and removed, at once and in slices, also where raw events were removed as well. */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { definition as answers, BatchFixture, LOG, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import { count, countDistinct, type DatasetDefinition, sum } from '#core/definition.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { withNextSlice } from '#runtime/health/prove-slice.ts'
import { recordVerification } from '#runtime/health/record-verification.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { Slice } from '#verification/slice.ts'
import { type MergedSnapshot, type VerifyReport, verifyDataset } from '#verification/verify-dataset.ts'

const DAY = 86_400_000
const NIGHTS = 3
const definition = (raw: '4d' | 'forever'): DatasetDefinition => ({
  ...answers,
  keep: { raw, panes: { minute: '2d', hour: '5d' } },
  views: {
    by_minute: {
      dimensions: { id: 'id % 7' },
      time: ['minute', 'hour', 'day'],
      measures: { answers: count(), guests: sum('guests'), members: countDistinct('member') },
    },
    by_hour: { dimensions: { country: 'country' }, time: ['hour'], measures: { answers: count() } },
  },
})

let batch: BatchFixture
let store: SqliteSpeedStore
beforeEach(async () => {
  batch = await BatchFixture.open(definition('forever'))
  batch.stepMs = 360_000
  const { name } = batch.dataset
  store = await SqliteSpeedStore.open({ file: join(batch.folder, 'speed.sqlite'), dataset: name, log: LOG })
})
afterEach(async () => {
  await store.close()
  await batch.close()
})

/** Each day's events arrive at its end. */
async function landDays(days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    batch.nowMs += DAY
    await batch.land(0, 240, 1)
  }
}

/** Everything is in closed segments: neither the log nor open partials are read. */
async function verified(
  slice: Slice | null = null,
  seen: (snapshot: MergedSnapshot) => MergedSnapshot = (snapshot) => snapshot,
): Promise<VerifyReport> {
  const { dataset, lake, engine, folder } = batch
  const log = new MemoryLog({ records: memoryLogRecords({ partitions: PARTITIONS }) })
  const served = { dataset, lake, store, engine, partitions: PARTITIONS }
  const snapshot = async (): Promise<MergedSnapshot> => seen(await mergedSnapshot(served, slice?.panes))
  return verifyDataset({ ...served, log, scratchFolder: folder, slice, snapshot })
}

test('merged and removed panes are compared as they are left, also behind the boundary, and what is wrong is found', async () => {
  await landDays(8)
  await batch.run({ mode: 'full', stateFileBytes: 1_500 })
  // The other partition begins where this one did: late events in merged and removed panes.
  await batch.land(1, 900)
  expect(await verified()).toMatchObject({ equal: true, notes: [] })
  await batch.run({ mode: 'incremental', stateFileBytes: 1_500 })
  const whole = await verified()
  expect(whole).toMatchObject({ equal: true, problems: [] })
  const rounds: VerifyReport[] = []
  for (let night = 0; night < NIGHTS; night++) {
    rounds.push((await withNextSlice(batch, NIGHTS, (slice) => verified(slice)))!)
    await recordVerification(batch.lake, rounds.at(-1)!, () => batch.nowMs)
  }
  expect(rounds.map(({ equal }) => equal)).toEqual([true, true, true])
  const rowsOf = ({ views }: VerifyReport): number[] => views.map(({ merged }) => merged)
  expect(rounds.map(rowsOf).reduce((one, other) => one.map((rows, at) => rows + other[at]!))).toEqual(rowsOf(whole))
  for (const { slice } of rounds) expect((slice!.panes.fromMs ?? 0) % DAY).toBe(0)
  const wrong = await verified(null, (snapshot) => ({
    ...snapshot,
    merged: (view) => {
      const { sql, parameters } = snapshot.merged(view)
      const oldest = `pane = (SELECT min(pane) FROM ${sql})`
      return { sql: `(SELECT * REPLACE (answers + (${oldest})::INTEGER AS answers) FROM ${sql})`, parameters }
    },
  }))
  expect(wrong.equal).toBe(false)
})

test('states of removed raw events are taken as given with the panes that are left', async () => {
  await batch.redefine(definition('4d'))
  await landDays(9)
  await batch.run({ mode: 'full' })
  await landDays(1)
  await batch.run({ mode: 'full' })
  const report = await verified()
  expect(report).toMatchObject({ equal: true, notes: [] })
  expect(report.partitions[0]!.summarized).toBeGreaterThan(0)
  await batch.expectAllCounted(await batch.lake.current())
})
