import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { testEngine } from '#storage/engine/engine-fixture.ts'
import { RawLines } from './raw-lines.ts'

const MEBIBYTE = 1024 * 1024
const { folder, connection } = await testEngine()

/** Lines that compress badly, from line number `first` on. */
function linesOf(first: number, bytes: number): { readonly lines: Buffer; readonly texts: string[] } {
  const texts: string[] = []
  for (let [left, seed] = [bytes, first + 1]; left > 0; left -= texts.at(-1)!.length + 1) {
    seed = (seed * 48_271) % 2_147_483_647
    texts.push(JSON.stringify({ n: first + texts.length, of: seed.toString(36).repeat(1 + (seed % 90)) }))
  }
  return { lines: Buffer.from(texts.map((text) => `${text}\n`).join('')), texts }
}

test('batches that are smaller and larger than a frame are one file of their lines, in order, without those left out', async () => {
  const raw = new RawLines(join(folder, 'raw.zst'))
  const expected: string[] = []
  for (const bytes of [10, 300_000, 9 * MEBIBYTE, 1, 900_000, 5 * MEBIBYTE]) {
    const { lines, texts } = linesOf(expected.length, bytes)
    const without = texts.length > 3 ? [0, 2, texts.length - 1] : []
    await raw.add(lines, texts.length, without)
    expected.push(...texts.filter((_, index) => !without.includes(index)))
  }
  const file = join(folder, 'copied.zst')
  await raw.copyTo(file)
  const [read] = await connection.columns(
    `SELECT json::VARCHAR FROM read_json_objects(${quoteText(file)}, format = 'newline_delimited', compression = 'zstd')`,
  )
  expect(raw.lines).toBe(expected.length)
  expect(read!.length).toBe(expected.length)
  expect(read!.findIndex((text, index) => text !== expected[index])).toBe(-1)
  await raw.clear()
})

test('what was joined to be compressed is released once it is compressed', async () => {
  const raw = new RawLines(join(folder, 'joined.zst'))
  const { lines, texts } = linesOf(0, MEBIBYTE / 2)
  const concat = vi.spyOn(Buffer, 'concat')
  for (let part = 0; part < 6; part++) await raw.add(lines, texts.length, [])
  await raw.copyTo(join(folder, 'joined-copied.zst'))
  const bytes = concat.mock.results.map(({ value }) => (value as Buffer).length)
  // Others are compressed frames.
  expect(bytes.filter((length) => length === 0 || length > MEBIBYTE / 2)).toEqual([0, 0, 0])
  concat.mockRestore()
  expect(lines.length).toBeGreaterThan(0)
  await raw.clear()
})
