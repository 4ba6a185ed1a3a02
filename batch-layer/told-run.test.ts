/** What other processes see of a run: nothing of a short one, and of a long one the newest. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { RunRecord } from '#storage/lake/run-record.ts'
import { TOLD_AFTER_MS, ToldRun } from './told-run.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const progress = (name: string, done: number) => ({ name, done, total: 4, bytesDone: 0, bytesTotal: 0, leftMs: null })

function toldRun(): { told: ToldRun; written: (string | null)[]; finish: () => void } {
  const written: (string | null)[] = []
  let finish = (): void => {}
  const tellRun = (run: RunRecord | null): Promise<void> => {
    written.push(run && `${run.name} ${run.done}`)
    if (run === null) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    finish = resolve
    return promise
  }
  const plan = { mode: 'incremental', views: new Map() } as const
  return { told: new ToldRun({ tellRun }, plan, 0, () => 0), written, finish: () => finish() }
}

test('a run that ends soon writes nothing, and removes what one that died has left', async () => {
  const { told, written } = toldRun()
  for (let done = 0; done < 4; done++) told.tell(progress('a', done))
  await vi.advanceTimersByTimeAsync(TOLD_AFTER_MS - 1)
  await told.end()
  await vi.advanceTimersByTimeAsync(10 * TOLD_AFTER_MS)
  expect(written).toEqual([null])
})

test('of a longer run the newest is written, one write at a time, and nothing after its end', async () => {
  const { told, written, finish } = toldRun()
  told.tell(progress('a', 0))
  told.tell(progress('b', 1))
  await vi.advanceTimersByTimeAsync(TOLD_AFTER_MS)
  expect(written).toEqual(['b 1'])
  told.tell(progress('c', 2))
  told.tell(progress('d', 3))
  expect(written).toEqual(['b 1'])
  finish()
  await vi.advanceTimersByTimeAsync(0)
  expect(written).toEqual(['b 1', 'd 3'])
  told.tell(progress('done', 4))
  const ended = told.end()
  finish()
  await ended
  expect(written).toEqual(['b 1', 'd 3', null])
})
