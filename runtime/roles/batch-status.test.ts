import { expect, test } from 'vitest'
import type { ScheduleState } from '#batch-layer/schedule.ts'
import { batchStatus } from './batch-status.ts'

const WELL: ScheduleState = { running: null, locked: false, failingSinceMs: null, fault: null, asleep: null }

test.each<[Partial<ScheduleState>, string, string | null]>([
  [{}, 'idle', null],
  [{ running: 'full' }, 'running', null],
  [{ locked: true }, 'locked', 'another process holds the lock'],
  [{ failingSinceMs: 0, fault: 'no space' }, 'failing', 'failing since 1970-01-01T00:00:00.000Z: no space'],
  [{ running: 'incremental', failingSinceMs: 0, fault: 'x' }, 'failing', 'failing since 1970-01-01T00:00:00.000Z: x'],
  [{ asleep: 'Redis is away' }, 'failing', 'nothing wakes it: Redis is away'],
])('%j is %s', (change, state, fault) => {
  expect(batchStatus('shop', { ...WELL, ...change }, null)).toMatchObject({ name: 'batch of shop', state, fault })
})

test('it names the run that goes on', () => {
  const { numbers } = batchStatus('shop', { ...WELL, running: 'full' }, null)
  expect(numbers).toEqual({ run: 'full', generation: null, finishedAt: null, failingSince: null })
})
