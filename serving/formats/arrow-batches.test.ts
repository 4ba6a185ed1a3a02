/** Record batches of a real engine's rows: bounded in bytes, whatever the values are. */
import { tableFromIPC } from 'apache-arrow'
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { ArrowBatches, BATCH_TEXT_BYTES } from './arrow-batches.ts'

const TEXT_BYTES = 20_000

test.each([
  ['VARCHAR', `repeat('x', ${TEXT_BYTES})`],
  ['VARCHAR[]', `[repeat('x', ${TEXT_BYTES / 2}), repeat('y', ${TEXT_BYTES / 2})]`],
])('rows with large values of type %s are cut into more batches, and none is lost', async (type, value) => {
  const connection = await testConnection()
  const columns = [
    { name: 'id', type: 'BIGINT' },
    { name: 'text', type },
  ]
  const batches = new ArrowBatches(columns, '{}')
  const written: Buffer[] = []
  const sizes: number[] = []
  const put = (bytes: Buffer | null): void => {
    if (bytes === null) return
    written.push(Buffer.from(bytes))
    sizes.push(bytes.length)
  }
  for await (const chunk of connection.chunks(`SELECT i::BIGINT, ${value} FROM range(5_000) r(i)`))
    put(batches.add(chunk))
  put(batches.flush())
  const table = tableFromIPC(Buffer.concat([batches.start, ...written, batches.end]))
  expect([...table.getChild('id')!].map(Number)).toEqual(Array.from({ length: 5_000 }, (_, id) => id))
  expect(sizes.length).toBeGreaterThan(2)
  // The engine gives up to 2,048 rows at a time.
  expect(Math.max(...sizes)).toBeLessThan(BATCH_TEXT_BYTES + 2_048 * (TEXT_BYTES + 100))
})
