/**
 * What a batch run costs after many of them, beside one after few: calls of the file system and files, counted. A day lies between two runs,
 * of which each counts new events, is followed by compaction, and removes what is no longer needed.
 */
import files, { promises as fs, readdirSync, statSync, utimesSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BatchFixture, PARTITIONS } from '#batch-layer/batch-fixture.ts'
import { compactSegments } from '#batch-layer/compact.ts'

/** set it to 365 for a year */
const RUNS = Number(process.env.GENERATIONS ?? 48)
const KEPT = 3
const PERIOD = 16
const DAY_MS = 86_400_000
const HOUR_S = 3_600
const COUNTED = ['readFile', 'readdir', 'stat', 'open', 'mkdir', 'link', 'rename', 'unlink', 'rm', 'access'] as const

/** of node:fs itself: listings of folders call them */
const COUNTED_BY_LISTINGS = ['stat', 'statSync', 'readdir'] as const

type Calls = Record<string, (...given: unknown[]) => unknown>
const [calls, callsByListings] = [fs as unknown as Calls, files as unknown as Calls]
const originals = Object.fromEntries(COUNTED.map((name) => [name, calls[name]!]))
const originalsByListings = Object.fromEntries(COUNTED_BY_LISTINGS.map((name) => [name, callsByListings[name]!]))
let made = 0
let fixture: BatchFixture

beforeAll(async () => {
  fixture = await BatchFixture.open()
  countIn(calls, originals)
  countIn(callsByListings, originalsByListings)
  syncBuiltinESMExports()
})
afterAll(async () => {
  Object.assign(calls, originals)
  Object.assign(callsByListings, originalsByListings)
  syncBuiltinESMExports()
  await fixture.close()
})

function countIn(all: Calls, own: Calls): void {
  for (const [name, original] of Object.entries(own))
    all[name] = (...given) => {
      made++
      return original(...given)
    }
}

function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { withFileTypes: true, recursive: true })
  return found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

/** A day passes for the clock of runs, and for the files: what is kept for readers for an hour is not kept any more. */
function nextDay(): void {
  fixture.nowMs += DAY_MS
  for (const file of filesIn(fixture.lake.folder)) {
    const { mtimeMs } = statSync(file)
    utimesSync(file, mtimeMs / 1_000 - 2 * HOUR_S, mtimeMs / 1_000 - 2 * HOUR_S)
  }
}

interface Seen {
  /** calls of the file system by the run and by compaction */
  readonly calls: number
  /** in the lake after it */
  readonly files: number
  /** characters of the generation's manifest */
  readonly manifest: number
}

async function runAndCompact(): Promise<Seen> {
  for (let partition = 0; partition < PARTITIONS; partition++) await fixture.land(partition, 20)
  made = 0
  const published = await fixture.run({ mode: 'incremental', keepGenerations: KEPT })
  const { lake, engine } = fixture
  await compactSegments({ lake, engine, partitions: PARTITIONS, clock: () => fixture.nowMs })
  return { calls: made, files: filesIn(lake.folder).length, manifest: JSON.stringify(published).length }
}

const most = (seen: readonly Seen[], of: keyof Seen): number => Math.max(...seen.map((one) => one[of]))

test(`run ${RUNS} calls, leaves and names as much as an early one`, async () => {
  const seen: Seen[] = []
  for (let run = 0; run < RUNS; run++) {
    seen.push(await runAndCompact())
    nextDay()
  }
  // Files of states are merged when there are as many of a size: a few runs lie between two merges.
  const [early, late] = [seen.slice(PERIOD, 2 * PERIOD), seen.slice(-PERIOD)]
  for (const of of ['calls', 'files', 'manifest'] as const)
    expect(most(late, of), `${of}, as of ${most(early, of)} early`).toBeLessThanOrEqual(1.15 * most(early, of))
  expect(fixture.events.filter(({ name }) => name === 'retention-failed')).toEqual([])
})
