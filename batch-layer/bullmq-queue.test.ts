import { expect, test } from 'vitest'
import { isTakenUp, type KnownJob } from './bullmq-queue.ts'

const HOUR_MS = 3_600_000
const NOW_MS = 1_700_000_000_000
const run = { mode: 'full', sinceMs: NOW_MS - HOUR_MS } as const

function job(state: KnownJob['state'], finishedOn?: number, processedOn?: number): KnownJob {
  return { state, job: { name: 'full', finishedOn, processedOn } }
}

test.each<[string, KnownJob, boolean]>([
  ['finished since', job('completed', NOW_MS - 1), true],
  ['finished before', job('completed', NOW_MS - 2 * HOUR_MS), false],
  ['finished in the future, before the clock was set back', job('completed', NOW_MS + HOUR_MS), false],
  ['finished by a machine whose clock is a little ahead', job('completed', NOW_MS + 5_000), true],
  ['failed just now, and rests', job('failed', NOW_MS - 1), true],
  ['failed long ago', job('failed', NOW_MS - HOUR_MS), false],
  ['failed in the future, before the clock was set back', job('failed', NOW_MS + HOUR_MS), false],
  ['waits', job('wait'), true],
  ['is scheduled for the next time', job('delayed'), false],
  ['was started and waits for its retry', job('delayed', undefined, NOW_MS - 1), true],
  ['waits for a retry that is dated by a clock that was ahead', job('delayed', undefined, NOW_MS + HOUR_MS), false],
])('a job that %s', (_, known, takenUp) => {
  expect(isTakenUp(known, run, NOW_MS)).toBe(takenUp)
})
