/** What is read for the counts of reasons while segments close, are compacted and removed, and while counts are interrupted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { ChainsOptions, SegmentChain } from '#storage/lake/lake.ts'
import { emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { cutChain } from '#storage/lake/segment-chain.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { DeadLetterReasons, OTHER_REASONS, REASONS_MAX } from './dead-letter-reasons.ts'

let folder: string
let engine: DuckDbEngine
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-reasons-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

let segments: SegmentManifest[]
/** files, in the order in which they were read */
let read: string[]
let listed: ChainsOptions['after'][]
let gone: Set<string>
/** run before files are read */
let interrupt: () => void
const signal = new AbortController().signal
beforeEach(() => {
  segments = []
  read = []
  listed = []
  gone = new Set()
  interrupt = () => {}
})

function counting(filesAtOnce?: number): DeadLetterReasons {
  const lake = {
    chains: async (partitions: number, { after = [] }: ChainsOptions): Promise<SegmentChain[]> => {
      listed.push(after)
      return Array.from({ length: partitions }, (_, partition) => {
        const own = segments.filter((segment) => segment.partition === partition)
        return cutChain({ partition, segments: own, end: own.at(-1)?.end ?? 0 }, after[partition] ?? 0)
      })
    },
    check: async (files: readonly LakeFile[]): Promise<void> => {
      interrupt()
      for (const { path } of files) if (gone.has(path)) throw new LakeError('file-missing', `${path} is gone`)
      read.push(...files.map(({ path }) => path))
    },
    resolve: ({ path }: LakeFile) => join(folder, path.split('/')[0]!),
  }
  return new DeadLetterReasons({ lake, engine, partitions: 2 } as unknown as ServedDataset, filesAtOnce)
}

/** A segment of ten offsets, whose letters are all of these, or of another range, as compaction makes them. */
function closed(file: string | null, start: number, end = start + 10, partition = 0): SegmentManifest {
  const deadLetterFile = file === null ? null : { path: file, bytes: 1, rows: 1, sha256: '' }
  return { ...emptySegment(partition, start, end), deadLetterFile }
}

/** @param letters offset and reason of each; it arrived at the time of its offset */
async function write(file: string, letters: readonly (readonly [number, string])[], partition = 0): Promise<void> {
  const rows = letters.map(([offset, reason]) => `(${offset}, ${quoteText(reason)})`).join(', ')
  const connection = await engine.connect()
  await connection.run(
    `COPY (SELECT ${partition} AS _partition, o AS _offset, o AS _arrival, reason FROM (VALUES ${rows}) AS t(o, reason))
     TO ${quoteText(join(folder, file))} (FORMAT parquet)`,
  )
  connection.close()
}

async function counted(
  reasons: DeadLetterReasons,
  generation: GenerationManifest | null = null,
): Promise<Record<string, number>> {
  return Object.fromEntries((await reasons.count(generation, signal)).map(({ reason, count }) => [reason, count]))
}

test('reasons that differ in values only are counted together, with the newest arrival', async () => {
  await write('kinds', [
    [7, "price ($.x1): 'a' is not a number"],
    [9, "price ($.x1): 'b c' is not a number"],
    [8, 'Unexpected token "}" at position 17'],
  ])
  segments = [closed('kinds', 0)]
  expect(await counting().count(null, signal)).toEqual([
    { reason: "price ($.x1): '…' is not a number", count: 2, newestAtMs: 9 },
    { reason: 'Unexpected token "…" at position #', count: 1, newestAtMs: 8 },
  ])
})

test('each of 20,100 files is read once, and later counts read and list what closed since', async () => {
  await write('one', [[0, 'no good']])
  segments = Array.from({ length: 20_100 }, (_, at) => closed(`one/${at}`, at * 10))
  const reasons = counting(2_048)
  expect(await counted(reasons)).toEqual({ 'no good': 20_100 })
  expect(read.length).toBe(20_100)
  segments.push(closed('one/newer', 201_000), closed(null, 0, 10, 1))
  expect(await counted(reasons)).toEqual({ 'no good': 20_101 })
  expect(await counted(reasons)).toEqual({ 'no good': 20_101 })
  expect(read.slice(20_100)).toEqual(['one/newer'])
  expect(listed).toEqual([
    [0, 0],
    [201_000, 0],
    [201_010, 10],
  ])
}, 60_000)

test('an interrupted count resumes where it stopped, without listing past segments again', async () => {
  await write('one', [[0, 'no good']])
  segments = [closed('one/a', 0), closed('one/b', 10), closed('one/c', 20)]
  const reasons = counting(1)
  const over = new AbortController()
  interrupt = () => read.length === 1 && over.abort(new Error('too slow'))
  await expect(reasons.count(null, over.signal)).rejects.toThrow()
  expect(await counted(reasons)).toEqual({ 'no good': 3 })
  expect(read).toEqual(['one/a', 'one/b', 'one/b', 'one/c'])
  expect(listed).toEqual([
    [0, 0],
    [30, 0],
  ])
})

test('counts at the same time read each file once', async () => {
  await write('one', [[0, 'no good']])
  segments = [closed('one/a', 0), closed('one/b', 10)]
  const reasons = counting()
  expect(await Promise.all([counted(reasons), counted(reasons)])).toEqual([{ 'no good': 2 }, { 'no good': 2 }])
  expect(read).toEqual(['one/a', 'one/b'])
})

test('of a file that compaction made of counted and other letters, the others are counted', async () => {
  await write('first', [[5, 'a']])
  await write('merged', [
    [5, 'a'],
    [15, 'b'],
    [25, 'c'],
  ])
  segments = [closed('first', 0), closed('first/second', 10)]
  const reasons = counting(1)
  interrupt = () => {
    if (read.length === 1) throw new Error('no time')
  }
  await expect(counted(reasons)).rejects.toThrow('no time')
  // The second file is gone when it is asked for again.
  interrupt = () => {}
  gone.add('first/second')
  segments = [closed('merged', 0, 30)]
  expect(await counted(reasons)).toEqual({ a: 1, b: 1, c: 1 })
  expect(await counted(reasons)).toEqual({ a: 1, b: 1, c: 1 })
  expect(read).toEqual(['first', 'merged'])
})

test('a file that is missing for good is an error', async () => {
  await write('one', [[0, 'no good']])
  segments = [closed('one/a', 0)]
  gone.add('one/a')
  await expect(counted(counting())).rejects.toThrow('one/a is gone')
})

test('letters that were removed by policy leave the counts, also of a file that has others', async () => {
  await write('first', [[5, 'a']])
  await write('merged', [
    [15, 'a'],
    [25, 'b'],
  ])
  segments = [closed('first', 0), closed('merged', 10, 30)]
  const reasons = counting()
  expect(await counted(reasons)).toEqual({ a: 2, b: 1 })
  const removed = { ...emptyGeneration('g000001', [30]), deadLetters: 3, floor: [20] }
  expect(await counted(reasons, removed)).toEqual({ b: 1 })
  expect(await counted(reasons, removed)).toEqual({ b: 1 })
  expect(await counted(reasons)).toEqual({ b: 1 })
  expect(read).toEqual(['first', 'merged', 'merged'])
})

test('a log that was cut is counted anew', async () => {
  await write('first', [[5, 'a']])
  await write('second', [[15, 'b']])
  segments = [closed('first', 0), closed('second', 10)]
  const reasons = counting()
  expect(await counted(reasons)).toEqual({ a: 1, b: 1 })
  segments = [closed('first', 0)]
  expect(await counted(reasons)).toEqual({ a: 1 })
})

test('where a generation counts no letters, its segments are not listed', async () => {
  await write('first', [[15, 'a']])
  segments = [closed(null, 0), closed('first', 10)]
  expect(await counted(counting(), emptyGeneration('g000001', [10]))).toEqual({ a: 1 })
  expect(listed).toEqual([[10, 0]])
})

test('the most frequent kinds are listed, and the rest is counted together', async () => {
  const kinds = Array.from({ length: REASONS_MAX + 20 }, (_, at) => `kind ${String.fromCharCode(0x4e00 + at)}`)
  const letters = kinds.flatMap((kind, at) => (at < 5 ? [kind, kind] : [kind]))
  await write(
    'many',
    letters.map((reason, at) => [at, reason]),
  )
  segments = [closed('many', 0, 1_000)]
  const found = await counting().count(null, signal)
  expect(found).toHaveLength(REASONS_MAX)
  expect(found.slice(0, 5).map(({ count }) => count)).toEqual([2, 2, 2, 2, 2])
  expect(found.at(-1)).toMatchObject({ reason: OTHER_REASONS, count: 21 })
})
