/** What every driver of the schedule must do; schedule.test.ts calls this with a way to make each. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { publishEmpty } from './empty-generation-fixture.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchSchedule, BatchScheduleOptions } from './schedule.ts'

export interface ScheduleHarness {
  open(options: BatchScheduleOptions): BatchSchedule
  /** Looks for what is due, as at a due time, and waits until nothing is left to do at once. */
  settle(schedule: BatchSchedule): Promise<void>
  /** all schedules are stopped by then */
  close(): Promise<void>
}

const MINUTE_MS = 60_000
const DAY_MS = 1_440 * MINUTE_MS
const WAIT = { timeout: 20_000, interval: 10 }

export function scheduleContract(driver: string, make: () => Promise<ScheduleHarness>): void {
  describe(`the schedule on ${driver}`, () => {
    let harness: ScheduleHarness
    let lake: MemoryLake
    let nowMs: number
    let ran: BatchMode[]
    let events: PlatformEvent[]
    let open: BatchSchedule[]
    beforeEach(async () => {
      harness = await make()
      lake = new MemoryLake({ dataset: 'd' })
      // Tomorrow, two minutes after a due time of the incremental run, and far from one of the full run. The jobs' own times are those of
      // the real clock: ahead of this one, a finished job would count as one that had done what became due since.
      nowMs = new Date().setUTCHours(36, 2, 0, 0)
      ran = []
      events = []
      open = []
    })
    afterEach(async () => {
      for (const schedule of open) await schedule.stop()
      await harness.close()
    })

    const publish = (mode: BatchMode, finishedAtMs: number, full: number | undefined) =>
      publishEmpty(lake, mode, finishedAtMs, full)

    async function succeed(mode: BatchMode): Promise<GenerationManifest> {
      ran.push(mode)
      const current = await lake.current()
      const full = mode === 'full' || current === null
      return publish(full ? 'full' : mode, nowMs, full ? nowMs : current.fullFinishedAtMs)
    }

    function start(options: Partial<BatchScheduleOptions> = {}): BatchSchedule {
      const emit = (event: PlatformEvent): void => void events.push(event)
      const schedule = harness.open({ lake, run: succeed, emit, clock: () => nowMs, ...options })
      open.push(schedule)
      schedule.start()
      return schedule
    }

    const failures = (): PlatformEvent[] => events.filter(({ name }) => name === 'batch-failed')

    it('runs at once where there is no generation, and then only when due', async () => {
      const schedule = start()
      await expect.poll(() => ran, WAIT).toEqual(['incremental'])
      await harness.settle(schedule)
      await harness.settle(schedule)
      expect(ran).toEqual(['incremental'])
      nowMs += 3 * MINUTE_MS
      await harness.settle(schedule)
      expect(ran).toEqual(['incremental', 'incremental'])
      expect(schedule.state()).toEqual({
        running: null,
        locked: false,
        failingSinceMs: null,
        fault: null,
        asleep: null,
      })
    })

    it('catches up a missed night, once', async () => {
      await publish('full', nowMs - 2 * DAY_MS, nowMs - 2 * DAY_MS)
      await publish('incremental', nowMs - DAY_MS / 2, nowMs - 2 * DAY_MS)
      const schedule = start()
      await expect.poll(() => ran, WAIT).toEqual(['full'])
      await harness.settle(schedule)
      expect(ran).toEqual(['full'])
    })

    it('knows the last full run when only incremental generations are left of it', async () => {
      await publish('incremental', nowMs - MINUTE_MS, nowMs - MINUTE_MS)
      await harness.settle(start())
      expect(ran).toEqual([])
    })

    it('continues after a generation that was made with a clock 400 days ahead', async () => {
      await publish('full', nowMs + 400 * DAY_MS, nowMs + 400 * DAY_MS)
      const schedule = start()
      await expect.poll(() => ran, WAIT).toEqual(['full'])
      nowMs += 3 * MINUTE_MS
      await harness.settle(schedule)
      await expect.poll(() => ran, WAIT).toEqual(['full', 'incremental'])
      await harness.settle(schedule)
      expect(ran).toEqual(['full', 'incremental'])
    })

    it('takes a clock of another machine that is a few seconds ahead for no reason to run', async () => {
      await publish('full', nowMs + 5_000, nowMs + 5_000)
      await harness.settle(start())
      expect(ran).toEqual([])
    })

    it('does not count a generation that never became current, or was rolled back', async () => {
      const old = await publish('full', nowMs - 2 * DAY_MS, nowMs - 2 * DAY_MS)
      await publish('full', nowMs - MINUTE_MS, nowMs - MINUTE_MS)
      await lake.setCurrent(old.id)
      await harness.settle(start())
      await expect.poll(() => ran, WAIT).toEqual(['full'])
    })

    it('never runs what has no pattern', async () => {
      await publish('full', nowMs - 2 * DAY_MS, nowMs - 2 * DAY_MS)
      await harness.settle(start({ incrementalPattern: null, fullPattern: null }))
      expect(ran).toEqual([])
    })

    it('goes on with incremental runs while full ones fail, says so, and tries again', async () => {
      await publish('full', nowMs - 2 * DAY_MS, nowMs - 2 * DAY_MS)
      let full = true
      const schedule = start({
        run: async (mode) => {
          if (mode === 'incremental' || !full) return succeed(mode)
          ran.push(mode)
          throw new Error('disk full')
        },
      })
      await expect.poll(() => ran, WAIT).toContain('incremental')
      expect(failures()[0]).toMatchObject({ level: 'error', message: expect.stringContaining('disk full') })
      await expect.poll(() => schedule.state().running, WAIT).toBeNull()
      expect(schedule.state()).toMatchObject({ failingSinceMs: nowMs, fault: 'disk full' })
      full = false
      const tried = ran.length
      await harness.settle(schedule)
      await expect.poll(() => ran.slice(tried), WAIT).toContain('full')
      await expect.poll(() => schedule.state().fault, WAIT).toBeNull()
    })

    it('says what it cannot read, and looks again', async () => {
      const current = lake.current.bind(lake)
      let torn = true
      lake.current = async () => {
        if (torn) throw new Error('generation 3 is torn')
        return current()
      }
      const schedule = start()
      const said = () => events.some(({ message }) => message.includes('generation 3 is torn'))
      await expect.poll(said, WAIT).toBe(true)
      torn = false
      await harness.settle(schedule)
      await expect.poll(() => ran, WAIT).toEqual(['incremental'])
    })

    it('compacts after a full run, then tells of it', async () => {
      const order: string[] = []
      const schedule = start({
        compact: async () => order.push('compact'),
        afterRun: (generation) => void order.push(`after ${generation.mode}`),
      })
      await expect.poll(() => order, WAIT).toEqual(['compact', 'after full'])
      nowMs += 3 * MINUTE_MS
      await harness.settle(schedule)
      expect(order).toEqual(['compact', 'after full', 'after incremental'])
    })

    it('tells of no run that published nothing', async () => {
      const current = await publish('full', nowMs - 2 * DAY_MS, nowMs - 2 * DAY_MS)
      let told = 0
      let tried = 0
      const afterRun = (): void => void told++
      const schedule = start({ run: async () => (tried++ === 0 ? current : null), afterRun })
      await harness.settle(schedule)
      await harness.settle(schedule)
      await expect.poll(() => schedule.state().locked, WAIT).toBe(true)
      expect(told).toBe(0)
      expect(failures()).toEqual([])
    })

    it('never runs twice at once; a waking meanwhile is looked at afterwards', async () => {
      let atOnce = 0
      let atOnceMax = 0
      const release = Promise.withResolvers<void>()
      const schedule = start({
        run: async (mode) => {
          atOnceMax = Math.max(atOnceMax, ++atOnce)
          if (ran.length === 0) await release.promise
          atOnce--
          return succeed(mode)
        },
      })
      await expect.poll(() => atOnce, WAIT).toBe(1)
      expect(schedule.state().running).toBe('incremental')
      nowMs += 3 * MINUTE_MS
      void schedule.wake()
      release.resolve()
      await expect.poll(() => ran, WAIT).toEqual(['incremental'])
      nowMs += 5 * MINUTE_MS
      await harness.settle(schedule)
      await expect.poll(() => ran, WAIT).toEqual(['incremental', 'incremental'])
      expect(atOnceMax).toBe(1)
    })

    it('stops a run that is going on, which is no failure', async () => {
      let cleanedUp = false
      const begun = Promise.withResolvers<void>()
      const schedule = start({
        run: (_mode, signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              cleanedUp = true
              reject(signal.reason)
            })
            begun.resolve()
          }),
      })
      await begun.promise
      await schedule.stop()
      expect(cleanedUp).toBe(true)
      expect(failures()).toEqual([])
    })

    it('is woken by its pattern, and tries again what found the lock held', async () => {
      await publish('full', nowMs - MINUTE_MS, nowMs - MINUTE_MS)
      nowMs += 2 * MINUTE_MS
      const schedule = start({
        incrementalPattern: '* * * * * *',
        run: async (mode) => {
          ran.push(mode)
          return null
        },
      })
      await expect.poll(() => ran.length, WAIT).toBeGreaterThanOrEqual(3)
      expect(new Set(ran)).toEqual(new Set(['incremental']))
      expect(schedule.state()).toMatchObject({ locked: true, fault: null })
      expect(failures()).toEqual([])
    })

    it('refuses a pattern that is none, and names the setting', () => {
      expect(() => start({ fullPattern: 'every night' })).toThrow(/full schedule: 'every night' is not a cron pattern/)
    })
  })
}
