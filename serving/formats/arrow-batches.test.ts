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
  for await (const chunk of connection.chunks(`SELECT i::BIGINT, ${value} FROM range(5_000) r(i)`)) {
    if (!batches.hasRoom) written.push(Buffer.concat(batches.flush()))
    batches.add(chunk)
  }
  written.push(Buffer.concat(batches.finish()))
  const sizes = written.map(({ length }) => length)
  const table = tableFromIPC(Buffer.concat(written))
  expect([...table.getChild('id')!].map(Number)).toEqual(Array.from({ length: 5_000 }, (_, id) => id))
  expect(sizes.length).toBeGreaterThan(2)
  // The engine gives up to 2,048 rows at a time.
  expect(Math.max(...sizes)).toBeLessThan(BATCH_TEXT_BYTES + 2_048 * (TEXT_BYTES + 100))
})

test('texts of all lengths, large integers, decimals, lists and missing values keep their rows, however often memory is used again', async () => {
  const connection = await testConnection()
  const rows = 140_000
  const text =
    "CASE WHEN i % 7 = 0 THEN NULL WHEN i % 5 = 0 THEN '' ELSE repeat(chr((97 + i % 26)::INTEGER), (i * 7919) % 41) END"
  const sql = {
    id: ['BIGINT', 'i::BIGINT'],
    // Missing from its second batch on only.
    later: ['BIGINT', 'CASE WHEN i < 70_000 OR i % 3 = 0 THEN 9007199254740993 - i END'],
    text: ['VARCHAR', text],
    long: ['VARCHAR', "'row ' || i || ' of all of them'"],
    amount: ['DECIMAL(38,2)', "CASE WHEN i % 2 = 0 THEN '-98765432109876543210.12'::DECIMAL(38,2) + i END"],
    even: ['BOOLEAN', 'CASE WHEN i % 11 > 0 THEN i % 2 = 0 END'],
    list: ['VARCHAR[]', 'CASE WHEN i % 13 > 0 THEN [NULL, i::VARCHAR][1:1 + i % 2] END'],
  } as const
  const columns = Object.entries(sql).map(([name, [type]]) => ({ name, type }))
  const batches = new ArrowBatches(columns, '{}')
  const written: Buffer[] = []
  const select = Object.values(sql).map(([type, value]) => `(${value})::${type}`)
  for await (const chunk of connection.chunks(`SELECT ${select.join(', ')} FROM range(${rows}) r(i)`)) {
    if (!batches.hasRoom) written.push(Buffer.concat(batches.flush()))
    batches.add(chunk)
  }
  written.push(Buffer.concat(batches.finish()))
  expect(written.length).toBeGreaterThan(2)
  const table = tableFromIPC(Buffer.concat(written))
  const wanted: Record<keyof typeof sql, (i: number) => unknown> = {
    id: (i) => i,
    later: (i) => (i < 70_000 || i % 3 === 0 ? 9_007_199_254_740_993n - BigInt(i) : null),
    text: textOf,
    long: (i) => `row ${i} of all of them`,
    amount: (i) => (i % 2 === 0 ? -9_876_543_210_987_654_321_012n + 100n * BigInt(i) : null),
    even: (i) => (i % 11 > 0 ? i % 2 === 0 : null),
    list: (i) => (i % 13 === 0 ? null : JSON.stringify([null, String(i)].slice(0, 1 + (i % 2)))),
  }
  for (const [name, valueAt] of Object.entries(wanted)) {
    const found = Array.from(table.getChild(name)!, (value) =>
      name === 'list' ? JSON.stringify(value) : String(value),
    )
    expect(found).toHaveLength(rows)
    const wrong = found.findIndex((value, i) => value !== String(valueAt(i)))
    expect([name, wrong, found[wrong]]).toEqual([name, -1, undefined])
  }
})

function textOf(i: number): string | null {
  if (i % 7 === 0) return null
  return i % 5 === 0 ? '' : String.fromCharCode(97 + (i % 26)).repeat((i * 7_919) % 41)
}

test('a stream without rows has its columns', () => {
  const batches = new ArrowBatches([{ name: 'text', type: 'VARCHAR' }], '{"a":1}')
  const table = tableFromIPC(Buffer.concat(batches.finish()))
  expect(table.numRows).toBe(0)
  expect(table.schema.fields.map(({ name }) => name)).toEqual(['text'])
  expect(table.schema.metadata.get('watershed')).toBe('{"a":1}')
})
