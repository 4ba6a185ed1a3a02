/** Verification where raw events were removed, and the definition and the generation of before are taken back. */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchFixture, definition, LOG, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import { rollback } from '#batch-layer/rollback.ts'
import { count, type DatasetDefinition } from '#core/definition.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { type VerifyReport, verifyDataset } from '#verification/verify-dataset.ts'

const DAY = 86_400_000
const kept: DatasetDefinition = { ...definition, keep: { raw: '5d' } }
const { by_country } = kept.views
const changed: DatasetDefinition = {
  ...kept,
  views: { ...kept.views, by_country: { ...by_country!, measures: { ...by_country!.measures, twice: count() } } },
}

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open(kept)
})
afterEach(() => batch.close())

async function landDays(days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    for (let partition = 0; partition < PARTITIONS; partition++) await batch.land(partition, 40)
    batch.nowMs += DAY
  }
}

/** Everything is in closed segments: neither the log nor open partials are read. */
async function verified(): Promise<VerifyReport> {
  const { dataset, lake, engine, folder } = batch
  const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: dataset.name, log: LOG })
  const log = new MemoryLog({ records: memoryLogRecords({ partitions: PARTITIONS }) })
  const served = { dataset, lake, store, engine, partitions: PARTITIONS }
  try {
    return await verifyDataset({ ...served, log, scratchFolder: folder, snapshot: () => mergedSnapshot(served) })
  } finally {
    await store.close()
  }
}

test('states of another definition are not compared with what a generation counts, and that is said', async () => {
  await landDays(9)
  await batch.run({ mode: 'full' })
  expect(await verified()).toMatchObject({ equal: true, notes: [] })
  const before = await batch.lake.current()
  await landDays(2)
  await batch.redefine(changed)
  await batch.run({ mode: 'incremental', fromKept: true })
  await batch.run({ mode: 'full' })
  expect(await verified()).toMatchObject({ equal: true, notes: [] })
  await batch.redefine(kept)
  await rollback({ lake: batch.lake, id: before!.id })
  await batch.expectAllCounted(await batch.lake.current())
  const taken = await verified()
  expect(taken).toMatchObject({ equal: true, problems: [] })
  expect(taken.notes).toEqual([expect.stringMatching(/^view by_country: what the generation counts before offset \d+/)])
})
