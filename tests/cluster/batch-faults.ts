/** For cluster.e2e.test.ts: Redis emptied or down during batch runs, batch workers killed twice in a row; schedules return by themselves. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DoctorReport } from '#runtime/health/doctor.ts'
import type { PlatformProcess } from '#tests/crash/platform-process.ts'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

export function batchFaults(services: () => ClusterServices): void {
  describe('the batch role', () => {
    let site: ClusterSite
    let serve: PlatformProcess
    let stream: PlatformProcess
    beforeEach(async () => {
      site = await ClusterSite.make(services())
      serve = site.run('serve')
      stream = site.run('stream')
      await site.post(serve)
      await site.allOwned(stream)
    })
    afterEach(() => site.remove())

    async function anotherGeneration(why: string): Promise<void> {
      const before = await site.current()
      await site.until(`a generation after ${before}: ${why}`, async () => (await site.current()) !== before)
    }

    test('with Redis emptied and killed during runs: schedules return, nothing is restarted', async () => {
      const { redis } = services()
      const batch = site.run('batch')
      await anotherGeneration('the first')
      await redis.flushAll()
      await anotherGeneration('after Redis was emptied')
      await anotherGeneration('the schedule goes on')
      await redis.kill9()
      await site.acknowledged(200)
      const reply = await fetch(`${await serve.address}/v1/datasets/crash_events/views/by_kind`)
      expect(reply.status, 'no query needs Redis').toBe(200)
      await redis.restart()
      await anotherGeneration('after Redis was down')
      const [report] = JSON.parse((await site.watershed('doctor')).stdout) as DoctorReport[]
      expect(report!.findings.find(({ part }) => part === 'schedule')).toMatchObject({ state: 'ok' })
      expect(await site.check(serve)).toBeGreaterThan(300)
      expect([serve, stream, batch].map(({ alive }) => alive)).toEqual([true, true, true])
    })

    test('killed twice in a row in the middle of a run: the old generation is served, the next worker makes a new one', async () => {
      const first = site.run('batch')
      await anotherGeneration('the first')
      await first.kill()
      for (const step of ['batch:files-written', 'generation:before-current']) {
        const served = await site.current()
        const dying = site.run('batch', { WATERSHED_CRASH_AT: step })
        await site.until(`a batch worker died at ${step}`, () => !dying.alive)
        expect((await dying.exited).signal).toBe('SIGKILL')
        expect(await site.current()).toBe(served)
        expect((await fetch(`${await serve.address}/v1/datasets/crash_events/views/by_kind`)).status).toBe(200)
      }
      const last = site.run('batch')
      await anotherGeneration('by the third worker')
      await anotherGeneration('and on schedule')
      expect(await site.check(serve)).toBeGreaterThan(300)
      expect(last.alive).toBe(true)
    })
  })
}
