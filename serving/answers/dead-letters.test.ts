/** Dead letters of a real file, as the route answers them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { DEAD_LETTERS } from '../http/schemas/dead-letters.ts'
import { DeadLetterReasons } from './dead-letter-reasons.ts'
import { DEAD_LETTER_BYTES_MAX, deadLettersJson } from './dead-letters.ts'
import type { ServedDataset } from './snapshot.ts'

let folder: string
let engine: DuckDbEngine
let served: ServedDataset
let checkMs = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-letters-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const path = join(folder, 'letters.parquet')
  const connection = await engine.connect()
  const large = `repeat('é', ${DEAD_LETTER_BYTES_MAX})`
  await connection.run(
    `COPY (SELECT 0 AS _partition, o AS _offset, o AS _arrival, 'no good' AS reason, bytes FROM (VALUES
      (1, encode('é')), (2, '\\xFF'::BLOB), (3, encode(${large})), (4, encode('x' || ${large})), (5, from_hex(repeat('ff', 100000)))) AS t(o, bytes))
     TO ${quoteText(path)} (FORMAT parquet)`,
  )
  connection.close()
  const segments = [{ deadLetterFile: { rows: 5 }, createdAtMs: 1 }]
  const lake = { chains: async () => [{ segments }], check: () => sleep(checkMs), resolve: () => path }
  served = { engine, lake, partitions: 1 } as unknown as ServedDataset
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

test('a small one is whole, a large one is cut between two characters and says its size', async () => {
  const data = JSON.parse(await deadLettersJson(served, 10))
  expect(DEAD_LETTERS.safeParse({ data }).error).toBeUndefined()
  const [broken, odd, even, byte, text] = DEAD_LETTERS.parse({ data }).data
  expect(text).toMatchObject({ offset: 1, bytes: 2, truncated: false, text: 'é', base64: 'w6k=' })
  expect(byte).toMatchObject({ offset: 2, bytes: 1, truncated: false, text: null, base64: '/w==' })
  for (const [letter, shown, bytes] of [
    [even, 'é'.repeat(DEAD_LETTER_BYTES_MAX / 2), 2 * DEAD_LETTER_BYTES_MAX],
    [odd, `x${'é'.repeat(DEAD_LETTER_BYTES_MAX / 2 - 1)}`, 2 * DEAD_LETTER_BYTES_MAX + 1],
  ] as const) {
    expect(letter).toMatchObject({ bytes, truncated: true })
    expect(letter!.text === shown).toBe(true)
    expect(Buffer.from(letter!.base64, 'base64').length).toBe(DEAD_LETTER_BYTES_MAX)
  }
  expect(broken).toMatchObject({ bytes: 100_000, truncated: true, text: null })
})

test('reasons that differ in values only are counted together, and each file is read once', async () => {
  const path = join(folder, 'reasons.parquet')
  const connection = await engine.connect()
  await connection.run(
    `COPY (SELECT 0 AS _partition, o AS _offset, o AS _arrival, reason, ''::BLOB AS bytes FROM (VALUES
      (7, 'price ($.x1): ''a'' is not a number'), (9, 'price ($.x1): ''b c'' is not a number'), (8, 'Unexpected token "}" at position 17')) AS t(o, reason))
     TO ${quoteText(path)} (FORMAT parquet)`,
  )
  connection.close()
  let reads = 0
  const check = async (): Promise<void> => void reads++
  const counting = { ...served, lake: { check, resolve: () => path } } as unknown as ServedDataset
  const reasons = new DeadLetterReasons(counting)
  const files = [{ path: 'a', bytes: 1, rows: 3, sha256: '' }]
  const { signal } = new AbortController()
  const expected = [
    { reason: "price ($.x1): '…' is not a number", count: 2, newestAtMs: 9 },
    { reason: 'Unexpected token "…" at position #', count: 1, newestAtMs: 8 },
  ]
  expect(await reasons.count(files, signal)).toEqual(expected)
  expect(await reasons.count(files, signal)).toEqual(expected)
  expect(reads).toBe(1)
  expect(await reasons.count([], signal)).toEqual([])
})

test('a list beyond the size limit of an answer is refused', async () => {
  await expect(deadLettersJson(served, 10, { answerBytesMax: 100_000 })).rejects.toThrow(
    'answerBytesMax = 100000 bytes',
  )
})

test('it is stopped as queries are', async () => {
  checkMs = 30
  await expect(deadLettersJson(served, 10, { queryMsMax: 10 })).rejects.toThrow('queryMsMax = 10 ms')
})
