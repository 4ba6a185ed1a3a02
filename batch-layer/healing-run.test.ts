/** Runs after something went wrong: gaps, and a current generation that cannot be read. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { BatchFixture, LOG } from './batch-fixture.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open()
})
afterEach(() => batch.close())

test('gaps are part of every generation from then on', async () => {
  await batch.land(0, 50)
  const gap = { ...emptySegment(0, 50, 70), dataset: batch.dataset.name, log: LOG, kind: 'gap' as const }
  expect(await batch.lake.commitSegment(gap)).toEqual({ outcome: 'committed' })
  const gaps = [{ partition: 0, start: 50, end: 70 }]
  expect((await batch.run({ mode: 'full' }))!.gaps).toEqual(gaps)
  await batch.land(0, 10)
  const next = await batch.run({ mode: 'incremental' })
  expect([next!.boundary, next!.gaps]).toEqual([[80, 0], gaps])
})

test.each([
  ['whose manifest is torn', 'generations/g000001/manifest.json', 'torn'],
  ['that CURRENT does not name', 'CURRENT', 'torn'],
  ['that is gone', 'CURRENT', 'g000009\n'],
])(
  'a full run takes the place of a current generation %s; an incremental one names the commands that heal',
  async (_, path, text) => {
    await batch.land(0, 50)
    await batch.run({ mode: 'full' })
    await writeFile(join(batch.lake.folder, path), text)
    batch.lake = await batch.openLake()
    await expect(batch.run({ mode: 'incremental' })).rejects.toThrow(/doctor --repair.*batch run --full/)
    const healed = await batch.run({ mode: 'full' })
    expect(healed).toMatchObject({ id: 'g000002', boundary: [50, 0], base: null })
    expect(batch.events.map(({ name }) => name)).toContain('generation-unreadable')
    await batch.land(0, 50)
    await batch.expectRecount(await batch.run({ mode: 'incremental' }))
  },
)

test('no run takes the place of a generation that a newer version wrote', async () => {
  await batch.land(0, 50)
  await batch.run({ mode: 'full' })
  await writeFile(join(batch.lake.folder, 'generations/g000001/manifest.json'), '{"format": 9}')
  batch.lake = await batch.openLake()
  await expect(batch.run({ mode: 'full' })).rejects.toThrow(/a newer version of Watershed.*upgrade/)
})
