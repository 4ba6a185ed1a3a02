/** All of history, proved in slices: each compares its part only, and reads what that part needs. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { BatchFixture, definition, LOG, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import { quoteName } from '#core/sql-names.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { withNextSlice } from '#runtime/health/prove-slice.ts'
import { recordVerification } from '#runtime/health/record-verification.ts'
import { CheckpointFiles } from '#storage/lake/blob-lake/checkpoint-files.ts'
import { FolderBlobs } from '#storage/lake/local/folder-blobs.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { type MergedSnapshot, type VerifyReport, verifyDataset } from '#verification/verify-dataset.ts'

const NIGHTS = 3
const { by_country, by_topic } = definition.views

let batch: BatchFixture
let store: SqliteSpeedStore
/** files whose bytes were compared with their checksums */
let checked: LakeFile[]
/** what the answers say wrongly */
let wrong: (snapshot: MergedSnapshot) => MergedSnapshot

async function open(of: DatasetDefinition): Promise<void> {
  batch = await BatchFixture.open(of)
  const { name } = batch.dataset
  store = await SqliteSpeedStore.open({ file: join(batch.folder, 'speed.sqlite'), dataset: name, log: LOG })
  ;[checked, wrong] = [[], (snapshot) => snapshot]
  const check = batch.lake.check.bind(batch.lake)
  vi.spyOn(batch.lake, 'check').mockImplementation((files) => {
    const all = [...files]
    checked.push(...all)
    return check(all)
  })
}

beforeEach(() => open(definition))
afterEach(async () => {
  await store.close()
  await batch.close()
})

/** Segments one after the other in time, the late ones of the fixture apart. */
async function landAll(segments: number): Promise<void> {
  for (let each = 0; each < segments; each++)
    for (let partition = 0; partition < PARTITIONS; partition++) await batch.land(partition, 1_000, each % 3)
}

/** Proves the next slice, and records that. */
async function night(nights = NIGHTS): Promise<VerifyReport> {
  const { dataset, lake, engine, folder } = batch
  const log = new MemoryLog({ records: memoryLogRecords({ partitions: PARTITIONS }) })
  const served = { dataset, lake, store, engine, partitions: PARTITIONS }
  const report = await withNextSlice(batch, nights, async (slice) => {
    const snapshot = async (): Promise<MergedSnapshot> => wrong(await mergedSnapshot(served, slice.panes))
    return verifyDataset({ ...served, log, scratchFolder: folder, slice, snapshot })
  })
  batch.nowMs += 86_400_000
  await recordVerification(batch.lake, report!, () => batch.nowMs)
  return report!
}

async function round(nights = NIGHTS): Promise<VerifyReport[]> {
  const reports: VerifyReport[] = []
  for (let each = 0; each < nights; each++) reports.push(await night(nights))
  return reports
}

/** The answers of a view, with one too many where the condition holds. */
function oneTooMany(view: string, measure: string, where: string): void {
  wrong = (snapshot) => ({
    ...snapshot,
    merged: (of) => {
      const merged = snapshot.merged(of)
      if (of.name !== view) return merged
      const name = quoteName(measure)
      const sql = `(SELECT * REPLACE (CASE WHEN ${where} THEN ${name} + 1 ELSE ${name} END AS ${name}) FROM ${merged.sql})`
      return { ...merged, sql }
    },
  })
}

describe('a round of slices', () => {
  test('compares every row of every view once, and every offset at least once', async () => {
    await landAll(4)
    await batch.run({ mode: 'full' })
    await landAll(1)
    const reports = await round()
    expect(reports.map(({ equal, problems }) => ({ equal, problems }))).toEqual(
      reports.map(() => ({ equal: true, problems: [] })),
    )
    const whole = await verifyWhole()
    for (const [index, { view, merged }] of whole.views.entries()) {
      const rows = reports.map(({ views }) => views[index]!.merged)
      expect({ view, rows: rows.reduce((sum, own) => sum + own, 0) }).toEqual({ view, rows: merged })
    }
    const panes = reports.map(({ views }) => views.find(({ view }) => view === 'by_country')!.merged)
    expect(Math.min(...panes)).toBeGreaterThan(0)
    expect(await batch.lake.verification()).toMatchObject({ equal: true, proof: { done: NIGHTS, nights: NIGHTS } })
  })

  test('finds what is wrong in the slice that has it, and tells it until a later round found nothing', async () => {
    await landAll(4)
    await batch.run({ mode: 'full' })
    await round()
    const { wholeSinceMs } = (await batch.lake.verification())!
    oneTooMany('by_country', 'answers', "pane = 1700001000000 - 1700001000000 % 60000 AND country = 'us'")
    const reports = await round()
    expect(reports.filter(({ equal }) => !equal)).toHaveLength(1)
    expect(reports.flatMap(({ problems }) => problems)).toEqual([
      expect.stringMatching(/^view by_country: 1 rows differ/),
    ])
    expect(await batch.lake.verification()).toMatchObject({ equal: false, wholeSinceMs })
    wrong = (snapshot) => snapshot
    await round()
    const mended = (await batch.lake.verification())!
    expect(mended).toMatchObject({ equal: true })
    expect(mended.wholeSinceMs).toBeGreaterThan(wholeSinceMs!)
    expect(mended).not.toHaveProperty('differedAtMs')
  })

  test('finds a wrong key of a view without panes', async () => {
    await landAll(2)
    await batch.run({ mode: 'full' })
    oneTooMany('by_topic', 'mentions', "topic = 'topic 3'")
    expect((await round()).filter(({ equal }) => !equal)).toHaveLength(1)
    oneTooMany('members', 'members', 'country IS NULL')
    expect((await round()).filter(({ equal }) => !equal)).toHaveLength(1)
  })

  test('begins again where it is cut otherwise, and goes on where it was', async () => {
    await landAll(3)
    await batch.run({ mode: 'full' })
    await night()
    await night()
    expect((await night()).slice!.keys).toEqual({ index: 2, of: NIGHTS })
    expect((await night(4)).slice!.keys).toEqual({ index: 0, of: 4 })
    expect((await night(4)).slice!.keys).toEqual({ index: 1, of: 4 })
  })

  test('takes states of removed raw events as given', async () => {
    const kept = { ...definition, keep: { raw: '3d' } } as const
    await reopen(kept)
    for (let day = 0; day < 6; day++) {
      await landAll(1)
      batch.nowMs += 86_400_000
    }
    await batch.run({ mode: 'full' })
    const segments = (await batch.lake.chains(PARTITIONS, { compacted: true })).flatMap((chain) => chain.segments)
    expect(segments.map(({ kind }) => kind)).toContain('summary')
    const reports = await round()
    expect(reports.flatMap(({ problems }) => problems)).toEqual([])
    oneTooMany('by_topic', 'mentions', "topic = 'topic 3'")
    expect((await round()).filter(({ equal }) => !equal)).toHaveLength(1)
  })
})

describe('what a slice reads', () => {
  test('of views with panes: the segments and states of its time, however many there are', async () => {
    await reopen({ ...definition, views: { by_country: by_country! } })
    await landAll(10)
    await batch.run({ mode: 'full' })
    checked = []
    await round(5)
    const events = checked.filter(({ path }) => /-events-/.test(path))
    // Each segment begins with events that are up to twelve minutes late, which is nearly the time of one: two slices read it.
    expect(events.length).toBeLessThan(2.5 * 10 * PARTITIONS)
    expect(new Set(events.map(({ path }) => path)).size).toBe(10 * PARTITIONS)
  })

  test('of checkpoints the parts of its time', async () => {
    await reopen({ ...definition, views: { by_country: by_country! } })
    await landAll(10)
    await batch.run({ mode: 'full' })
    await cutCheckpoints([6, 9, 10])
    const read = vi.spyOn(FolderBlobs.prototype, 'read')
    const opened: string[][] = []
    for (let each = 0; each < 5; each++) {
      // As another process.
      batch.lake = await batch.openLake()
      read.mockClear()
      expect((await night(5)).problems).toEqual([])
      const parts = read.mock.calls.flatMap(([path]) => /\/(p0000-\d{16}-\d{16}-\w+)\.segments$/.exec(path)?.[1] ?? [])
      opened.push([...new Set(parts)].toSorted())
    }
    read.mockRestore()
    const all = [...new Set(opened.flat())].toSorted()
    expect(all).toHaveLength(3)
    expect(opened[0]).toEqual(all.slice(0, 1))
    expect(opened.at(-1)).not.toContain(all[0])
    expect(await batch.lake.verification()).toMatchObject({ equal: true, proof: { done: 5, nights: 5 } })
  })

  test('a view without dimensions is compared in the first slice', async () => {
    await reopen({ ...definition, views: { total: { dimensions: {}, measures: by_topic!.measures } } })
    await landAll(1)
    await batch.run({ mode: 'full' })
    const rows = (await round(3)).map(({ views }) => views[0]!.merged)
    expect(rows).toEqual([1, 0, 0])
  })
})

/** @param ends how many segments of each partition are before the end of each part */
async function cutCheckpoints(ends: readonly number[]): Promise<void> {
  const { folder, dataset, lake } = batch
  const checkpoints = new CheckpointFiles(new FolderBlobs(join(folder, dataset.name)), dataset.name)
  for (const { partition, segments } of await lake.chains(PARTITIONS)) {
    let from = 0
    for (const end of ends) {
      const before = (await checkpoints.newest(partition))?.found
      if (before instanceof Error) throw before
      await checkpoints.write(partition, segments.slice(from, end), before)
      from = end
    }
  }
}

async function reopen(of: DatasetDefinition): Promise<void> {
  await store.close()
  await batch.close()
  await open(of)
}

async function verifyWhole(): Promise<VerifyReport> {
  const { dataset, lake, engine, folder } = batch
  const log = new MemoryLog({ records: memoryLogRecords({ partitions: PARTITIONS }) })
  const served = { dataset, lake, store, engine, partitions: PARTITIONS }
  return verifyDataset({ ...served, log, scratchFolder: folder, snapshot: () => mergedSnapshot(served) })
}
