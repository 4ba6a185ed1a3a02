import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { MemoryLake } from '#storage/lake/memory-lake.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { assertPattern, latestDueMs } from './due-time.ts'
import type { BatchMode } from './plan-run.ts'
import { BatchSchedule, type BatchScheduleOptions } from './schedule.ts'

const at = (text: string): number => Date.parse(`${text}Z`)

describe('the latest due time', () => {
  const cases: [pattern: string, now: string, due: string][] = [
    ['0 2 * * *', '2026-03-10T02:00:00', '2026-03-10T02:00:00'],
    ['0 2 * * *', '2026-03-10T01:59:59.999', '2026-03-09T02:00:00'],
    ['*/5 * * * *', '2026-01-01T00:03:10', '2026-01-01T00:00:00'],
    ['*/5 * * * *', '2026-01-01T23:59:10', '2026-01-01T23:55:00'],
    ['30 4,16 * * *', '2026-01-02T03:00:00', '2026-01-01T16:30:00'],
    ['*/10 * * * * *', '2026-01-01T00:00:09', '2026-01-01T00:00:00'],
    ['0 3 * * 0', '2026-01-07T12:00:00', '2026-01-04T03:00:00'],
    ['0 0 29 2 *', '2027-01-01T00:00:00', '2024-02-29T00:00:00'],
    ['30 2 * * *', '2026-03-29T03:00:00', '2026-03-29T02:30:00'],
  ]
  for (const [pattern, now, due] of cases) {
    it(`of ${pattern} at ${now} is ${due}`, () => {
      expect(new Date(latestDueMs(pattern, at(now))!).toISOString()).toBe(new Date(at(due)).toISOString())
    })
  }

  it('is never asked of a day that never comes', () => {
    expect(() => assertPattern('0 0 31 2 *', 'full schedule')).toThrow(
      /full schedule: '0 0 31 2 \*' is no cron pattern/,
    )
  })
})

describe('the schedule', () => {
  let lake: MemoryLake
  let now: number
  let ran: BatchMode[]
  let events: PlatformEvent[]
  let schedule: BatchSchedule | null
  beforeEach(() => {
    lake = new MemoryLake({ dataset: 'd' })
    now = at('2026-03-10T12:02:00')
    ran = []
    events = []
    schedule = null
  })
  afterEach(() => schedule?.stop())

  async function publish(mode: BatchMode, finishedAtMs: number, full: number | undefined): Promise<GenerationManifest> {
    const staged = await lake.beginGeneration()
    const manifest: GenerationManifest = {
      format: 2,
      dataset: 'd',
      id: staged.id,
      log: 'l',
      mode,
      boundary: [],
      segments: [],
      base: null,
      views: {},
      dictionaries: {},
      rows: 0,
      deadLetters: 0,
      lateRows: 0,
      gaps: [],
      startedAtMs: finishedAtMs,
      finishedAtMs,
      fullFinishedAtMs: full,
    }
    await staged.commit(manifest)
    await lake.setCurrent(staged.id)
    return manifest
  }

  function make(options: Partial<BatchScheduleOptions> = {}): BatchSchedule {
    schedule = new BatchSchedule({
      lake,
      run: async (mode) => {
        ran.push(mode)
        const first = (await lake.generations()).length === 0
        return publish(
          first ? 'full' : mode,
          now,
          mode === 'full' || first ? now : (await lake.current())?.fullFinishedAtMs,
        )
      },
      emit: (event) => events.push(event),
      clock: () => now,
      ...options,
    })
    return schedule
  }

  it('runs at once where there is no generation, and then only when due', async () => {
    const made = make()
    await made.wake()
    await made.wake()
    expect(ran).toEqual(['incremental'])
    now = at('2026-03-10T12:05:00')
    await made.wake()
    expect(ran).toEqual(['incremental', 'incremental'])
  })

  it('catches up a missed night, once', async () => {
    await publish('full', at('2026-03-08T02:01:00'), at('2026-03-08T02:01:00'))
    await publish('incremental', at('2026-03-09T20:00:00'), at('2026-03-08T02:01:00'))
    const made = make()
    await made.wake()
    await made.wake()
    expect(ran).toEqual(['full'])
  })

  it('knows the last full run when only incremental generations are left of it', async () => {
    await publish('incremental', at('2026-03-10T12:00:30'), at('2026-03-10T02:01:00'))
    await make().wake()
    expect(ran).toEqual([])
  })

  it('goes on with incremental runs while full ones fail, and says so', async () => {
    await publish('full', at('2026-03-08T02:01:00'), at('2026-03-08T02:01:00'))
    const made = make({
      run: async (mode) => {
        ran.push(mode)
        if (mode === 'full') throw new Error('disk full')
        return publish(mode, now, at('2026-03-08T02:01:00'))
      },
    })
    await made.wake()
    expect(ran).toEqual(['full', 'incremental'])
    expect(events).toMatchObject([
      { name: 'batch-failed', level: 'error', message: expect.stringContaining('disk full') },
    ])
    await made.wake()
    expect(ran).toEqual(['full', 'incremental', 'full'])
  })

  it('compacts after a full run, then tells of it', async () => {
    const order: string[] = []
    const made = make({
      compact: async () => order.push('compact'),
      afterRun: (generation) => void order.push(`after ${generation.mode}`),
    })
    await made.wake()
    now = at('2026-03-10T12:05:00')
    await made.wake()
    expect(order).toEqual(['compact', 'after full', 'after incremental'])
  })

  it('tells of no run that published nothing', async () => {
    const current = await publish('full', at('2026-03-10T02:01:00'), at('2026-03-10T02:01:00'))
    let told = 0
    const made = make({ run: async () => current, afterRun: () => void told++ })
    await made.wake()
    const locked = make({ run: async () => null, afterRun: () => void told++ })
    await locked.wake()
    expect(told).toBe(0)
    expect(events).toEqual([])
  })

  it('never runs twice at once; a waking meanwhile is looked at afterwards', async () => {
    let atOnce = 0
    let atOnceMax = 0
    let release = (): void => {}
    const begun = Promise.withResolvers<void>()
    const made = make({
      run: async (mode) => {
        ran.push(mode)
        atOnceMax = Math.max(atOnceMax, ++atOnce)
        if (ran.length === 1) {
          await new Promise<void>((resolve) => {
            release = resolve
            begun.resolve()
          })
        }
        atOnce--
        return publish('full', now - (ran.length === 1 ? 600_000 : 0), now)
      },
    })
    const first = made.wake()
    await begun.promise
    void made.wake()
    release()
    await first
    expect(ran).toEqual(['incremental', 'incremental'])
    expect(atOnceMax).toBe(1)
  })

  it('stops a run that is going on', async () => {
    const begun = Promise.withResolvers<void>()
    const made = make({
      incrementalPattern: '* * * * * *',
      run: (_mode, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          begun.resolve()
        }),
    })
    made.start()
    await begun.promise
    await made.stop()
    expect(events).toEqual([])
  })

  it('is woken by its pattern, and tries again what did not run', async () => {
    await publish('full', at('2026-03-10T12:01:00'), at('2026-03-10T12:01:00'))
    const again = Promise.withResolvers<void>()
    const made = make({
      incrementalPattern: '* * * * * *',
      run: async (mode) => {
        if (ran.push(mode) === 3) again.resolve()
        return null
      },
    })
    made.start()
    await again.promise
    expect(ran).toEqual(['incremental', 'incremental', 'incremental'])
  })

  it('refuses a pattern that is none, and names the setting', () => {
    expect(() => make({ fullPattern: 'every night' })).toThrow(/full schedule: 'every night' is no cron pattern/)
  })
})
