import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchFixture } from './batch-fixture.ts'
import { rollback } from './rollback.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open()
})
afterEach(() => batch.close())

test('goes back one, and the next incremental run counts the same as ever', async () => {
  await batch.land(0, 500)
  const first = await batch.run({ mode: 'full' })
  await batch.land(0, 300)
  const second = await batch.run({ mode: 'incremental' })
  expect(await rollback({ lake: batch.lake })).toEqual(first)
  expect(await batch.lake.current()).toEqual(first)
  await batch.land(1, 200)
  const third = await batch.run({ mode: 'incremental' })
  expect(third).toMatchObject({ id: 'g000003', base: first!.id, boundary: [800, 200] })
  await batch.expectRecount(third)
  expect(await rollback({ lake: batch.lake, id: second!.id })).toEqual(second)
  await batch.expectRecount(await batch.run({ mode: 'incremental' }))
})

test('says which generations there are when there is none to go back to', async () => {
  await expect(rollback({ lake: batch.lake })).rejects.toThrow(/kept generations: none/)
  await batch.run({ mode: 'full' })
  await expect(rollback({ lake: batch.lake, id: 'g000007' })).rejects.toThrow(/'g000007'.*kept generations: g000001/)
})

test('waits for nobody: null while a run holds the lock', async () => {
  await batch.run({ mode: 'full' })
  const lock = await (await batch.openLake()).tryLock('batch')
  expect(await rollback({ lake: batch.lake, id: 'g000001' })).toBeNull()
  await lock!.release()
})
