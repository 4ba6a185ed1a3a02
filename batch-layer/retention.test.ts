import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchFixture } from './batch-fixture.ts'
import { rollback } from './rollback.ts'

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
