/**
 * What a lake with 100,000 closed segments costs: calls of the file system, counted. A commit, an answer and another look must not grow
 * with history. The first look of a process reads every manifest once: its cost is written down here.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { makeFolder } from '#storage/lake/local/durable-files.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { manifestText } from '#storage/lake/manifest-text.ts'

const SEGMENTS = 100_000
const PARTITIONS = 4
const SCRIPT = fileURLToPath(new URL('lake-scale.fixture.ts', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-scale-'))
  for (let partition = 0; partition < PARTITIONS; partition++)
    await makeFolder(join(folder, 'rsvps', dirname(manifestPath(segmentManifestName(emptySegment(partition, 0, 10))))))
  for (let made = 0; made < SEGMENTS; made += 1_000)
    await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => {
        const [partition, at] = [(made + index) % PARTITIONS, Math.floor((made + index) / PARTITIONS)]
        const segment = emptySegment(partition, at * 10, at * 10 + 10)
        const name = segmentManifestName(segment)
        return writeFile(join(folder, 'rsvps', manifestPath(name)), manifestText(segment, name))
      }),
    )
}, 300_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Calls of the file system, by step. */
interface Counted {
  readonly reads: number
  readonly listings: number
  readonly others: number
}

test('a lake of 100,000 segments: no commit and no answer reads history again', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, folder, String(PARTITIONS)])
  const { start, look, commit, after } = JSON.parse(stdout) as Record<string, Counted>
  // Every process reads each manifest once.
  expect(start!.reads).toBe(SEGMENTS)
  // The root, and of each partition its folder, the folder of its segments, and that of compacted ones; again where they changed meanwhile.
  expect(start!.listings).toBeLessThanOrEqual(2 * (1 + PARTITIONS * 3))
  expect(look).toEqual({ reads: 0, listings: 0, others: 1 })
  // A commit lists the root and the compacted segments of its partition, to see whether one covers it.
  expect(commit!.reads).toBe(0)
  expect(commit!.listings).toBe(2)
  expect(commit!.others).toBeLessThanOrEqual(24)
  // Another process reads the one new manifest.
  expect(after!.reads).toBe(1)
  expect(after!.listings).toBeLessThanOrEqual(1 + PARTITIONS * 3)
}, 300_000)
