/** What the tail decodes while a file is loaded, counted: records far behind the log's end come in closed segments. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { parsePosition } from '#core/log-position.ts'
import { type Given, LiveVisits, visits } from '#tests/live-visits-fixture.ts'
import { LeftToSegments } from './left-to-segments.ts'

/** of each of the two partitions */
const LEFT = 100
const limits = { leftRecordsMin: LEFT, closedRecordsMin: LEFT, leftMsMax: 3_600_000 }

let own: LiveVisits
beforeAll(async () => {
  own = await LiveVisits.open(undefined, limits)
})
afterAll(() => own.end())

/** Every event is counted once, however a test ends. */
afterEach(async () => {
  await own.close()
  await own.live.refresh()
  const { rows, position } = await own.ask({ view: 'by_page' })
  expect([visits({ rows, position }), position]).toEqual([own.appended, [own.appended / 2, own.appended / 2]])
})

async function seen(): Promise<{ visits: number; position: readonly number[]; behind: number | null; asOf: unknown }> {
  await own.live.refresh()
  const asked = own.answers.asked({ dataset: 'visits', view: 'by_page' })
  const kept = await own.answers.newest(asked, { nowMs: Date.now() })
  const { behind, asOf } = own.answers.age(kept, Date.now())
  const given: Given = { rows: JSON.parse(kept.rowsJson) as Given['rows'], position: kept.meta.position }
  return { visits: visits(given), position: given.position, behind, asOf }
}

test('what is loaded is decoded by the stream role alone; what follows it is read at once', async () => {
  await own.append(20)
  expect(await seen()).toMatchObject({ visits: 20, position: [10, 10], behind: 0 })
  for (const loaded of [200, 400, 2_000]) {
    await own.append(loaded - (own.appended - 20))
    expect(await seen()).toMatchObject({ visits: 20, position: [10, 10], behind: loaded, asOf: expect.any(String) })
  }
  expect(own.recordsRead).toBe(20)
  await own.close()
  expect(await seen()).toMatchObject({ visits: 2_020, position: [1_010, 1_010], behind: 0 })
  await own.append(2 * LEFT - 2)
  expect(await seen()).toMatchObject({ visits: own.appended, behind: 0 })
  expect(own.recordsRead).toBe(20 + 2 * LEFT - 2)
})

test('whoever waits for a position gets it without waiting for a segment, and no more is read than that needs', async () => {
  const [from, read] = [own.appended / 2, own.recordsRead]
  await own.append(6 * LEFT)
  expect(await seen()).toMatchObject({ visits: 2 * from, behind: 6 * LEFT })
  const asked = own.answers.asked({ dataset: 'visits', view: 'by_page' })
  const atLeast = { position: parsePosition(`1:${from + 1}`)!, waitMsMax: 60_000 }
  const atOnce = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => work(new AbortController().signal)
  const waiting = own.answers.answerAtLeast(asked, atLeast, { signal: new AbortController().signal, run: atOnce })
  await own.live.refresh()
  expect((await waiting).meta.position).toEqual([from, from + 3 * LEFT])
  expect(own.recordsRead - read).toBe(3 * LEFT)
  // Nobody waits any more.
  await own.append(4 * LEFT)
  expect(await seen()).toMatchObject({ position: [from, from + 3 * LEFT], behind: 7 * LEFT })
})

test('a segment that does not close in time is not waited for any longer, nor is the next load, until it has closed', () => {
  let nowMs = 1_000
  const inTime = { leftRecordsMin: 10, closedRecordsMin: 10, leftMsMax: 500 }
  const left = new LeftToSegments(inTime, () => nowMs)
  const leaves = (start: number, end: number, logEnd: number): boolean =>
    left.leaves({ partition: 3, start, end }, logEnd)
  expect([leaves(0, 5, 14), leaves(0, 5, 15)]).toEqual([false, true])
  nowMs += 499
  expect(leaves(0, 5, 1_000)).toBe(true)
  nowMs += 1
  expect([leaves(0, 5, 1_000), leaves(0, 1_000, 1_001), leaves(0, 1_001, 2_000)]).toEqual([false, false, false])
  expect(leaves(1_500, 1_500, 2_000)).toBe(true)
  // One that is read in between begins to wait anew.
  nowMs += 400
  expect(leaves(1_500, 1_995, 2_000)).toBe(false)
  expect(leaves(1_500, 1_995, 3_000)).toBe(true)
  nowMs += 499
  expect(leaves(1_500, 1_995, 3_000)).toBe(true)
})

test('less than makes a segment close is left while more comes fast enough, and read when nothing comes', () => {
  let nowMs = 1_000
  const left = new LeftToSegments({ leftRecordsMin: 1_000, closedRecordsMin: 2_000, leftMsMax: 5_000 }, () => nowMs)
  const leavesAfter = (ms: number, logEnd: number): boolean => {
    nowMs += ms
    return left.leaves({ partition: 0, start: 0, end: 0 }, logEnd)
  }
  expect(leavesAfter(0, 1_500)).toBe(false)
  // 200, 300 and 0 a second: with what comes in two seconds 1,950, 2,200 and 1,700.
  expect([leavesAfter(250, 1_550), leavesAfter(500, 1_700), leavesAfter(500, 1_700)]).toEqual([false, true, false])
  expect(left.leaves({ partition: 0, start: 0, end: 1_000 }, 1_999)).toBe(false)
  expect(leavesAfter(500, 2_000)).toBe(true)
})
