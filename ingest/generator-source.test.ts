import { expect, test } from 'vitest'
import { runGenerator, type SourceClock } from './generator-source.ts'
import { gatedLog, openScratch, visit, visits } from './ingest-fixture.ts'
import { Intake } from './intake.ts'

/** Time that passes only when the source waits; ends the run after some waits. */
function steppedClock(stop: AbortController, waitsMax: number): SourceClock & { waited: number[] } {
  const waited: number[] = []
  const elapsedMs = () => waited.reduce((sum, ms) => sum + ms, 0)
  return {
    waited,
    elapsedMs,
    nowMs: () => 1_700_000_000_000 + elapsedMs(),
    wait: async (ms) => {
      waited.push(ms)
      if (waited.length > waitsMax) stop.abort()
    },
  }
}

function counting() {
  const seen: number[] = []
  let id = 0
  const next = (nowMs: number): string => {
    seen.push(nowMs)
    id++
    return id % 5 === 0 ? 'unusable' : visit(id)
  }
  return { seen, next }
}

test('offers as many lines as the rate says, dated by the clock, unusable ones as well', async () => {
  const scratch = await openScratch()
  const stop = new AbortController()
  const clock = steppedClock(stop, 10)
  const generator = counting()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  const taken = await runGenerator(intake, generator, { eventsPerSecond: 25, signal: stop.signal, clock })
  expect(taken).toBe(25)
  expect((await scratch.records()).size).toBe(25)
  expect(generator.seen[0]).toBe(1_700_000_000_100)
  expect(generator.seen.at(-1)).toBe(1_700_000_001_000)
  await scratch.remove()
})

test('after a fault it offers the same lines again; nothing is made meanwhile', async () => {
  const { log, waiting, appends } = gatedLog()
  const stop = new AbortController()
  const clock = steppedClock(stop, 2)
  const generator = counting()
  const faults: string[] = []
  const run = runGenerator(new Intake({ dataset: visits, log }), generator, {
    eventsPerSecond: 30,
    signal: stop.signal,
    clock,
    onFault: (error) => void faults.push(error.message),
  })
  while (waiting.length < 1) await new Promise<void>((resolve) => setImmediate(resolve))
  waiting[0]!.reject(new Error('the disk is full'))
  while (waiting.length < 2) await new Promise<void>((resolve) => setImmediate(resolve))
  waiting[1]!.resolve()
  expect(await run).toBe(3)
  expect(faults).toEqual(['the disk is full'])
  expect(generator.seen.length).toBe(3)
  expect(appends.flat().reduce((sum, batch) => sum + batch.count, 0)).toBe(3)
  expect(clock.waited).toEqual([100, 1_000, 100])
})

test('a slow log makes a slower stream: at most a second is owed, and one batch is under way', async () => {
  const scratch = await openScratch()
  const stop = new AbortController()
  const clock = steppedClock(stop, 1)
  const slow = { ...clock, elapsedMs: () => clock.elapsedMs() * 600 }
  const generator = counting()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  expect(await runGenerator(intake, generator, { eventsPerSecond: 40, signal: stop.signal, clock: slow })).toBe(40)
  await scratch.remove()
})
