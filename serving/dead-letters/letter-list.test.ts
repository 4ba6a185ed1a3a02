/** Dead letters of a real file, as the route answers them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { DEAD_LETTERS } from '#serving/http/contract/schemas/dead-letters.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { letterLines } from './letter-download.ts'
import {
  cursorText,
  DEAD_LETTER_BYTES_MAX,
  deadLettersJson,
  type LetterCursor,
  lettersPage,
  parseCursor,
} from './letter-list.ts'

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
  const segments = [{ start: 0, end: 6, deadLetters: 5, deadLetterFile: { rows: 5 }, createdAtMs: 1 }]
  const lake = {
    current: async () => null,
    chains: async () => [{ partition: 0, segments, end: 6 }],
    check: () => sleep(checkMs),
    resolve: () => path,
  }
  served = { engine, lake, partitions: 1 } as unknown as ServedDataset
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

test('a small one is whole, a large one is cut between two characters and says its size', async () => {
  const shown = JSON.parse(await deadLettersJson(served, 10)) as object[]
  const data = shown.map((letter) => ({ ...letter, replayed: null }))
  expect(DEAD_LETTERS.safeParse({ data, next: null }).error).toBeUndefined()
  const [broken, odd, even, byte, text] = DEAD_LETTERS.parse({ data, next: null }).data
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

test('pages of every size show each letter once, in the same order, and a kind of reason selects', async () => {
  const offsetsOf = (texts: readonly string[]): number[] => texts.map((text) => JSON.parse(text).offset)
  const all = offsetsOf((await lettersPage(served, { limit: 10 })).texts)
  expect(all).toEqual([5, 4, 3, 2, 1])
  for (const limit of [1, 2, 5]) {
    const seen: number[] = []
    let after: LetterCursor | undefined
    for (let page = 0; page <= 5 / limit; page++) {
      const { texts, next } = await lettersPage(served, { limit, after })
      seen.push(...offsetsOf(texts))
      if (next === null) break
      after = parseCursor(cursorText(next))!
    }
    expect(seen).toEqual(all)
  }
  expect((await lettersPage(served, { limit: 10, reason: 'no good' })).texts).toHaveLength(5)
  expect((await lettersPage(served, { limit: 10, reason: "it's other" })).texts).toEqual([])
  expect(parseCursor('1.2')).toBeNull()
})

test('a download has all bytes of each letter', async () => {
  let text = ''
  for await (const lines of letterLines(served, 'no good', new AbortController().signal)) text += lines
  const letters = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(letters.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5])
  expect(Buffer.from(letters[4].base64, 'base64')).toEqual(Buffer.alloc(100_000, 0xff))
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
