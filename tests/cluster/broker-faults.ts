/** For cluster.e2e.test.ts: the broker is killed with -9 while events are produced and consumed, and comes back. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

const KILLS = 2

export function brokerFaults(services: () => ClusterServices): void {
  describe('the broker', () => {
    let site: ClusterSite
    beforeEach(async () => {
      site = await ClusterSite.make(services())
    })
    afterEach(() => site.remove())

    test('killed during produce and consume: everything goes on by itself, nothing acknowledged is lost or there twice', async () => {
      const { kafka } = services()
      const [serve, intake, stream] = [site.run('serve'), site.run('intake'), site.run('stream')]
      await site.post(serve, intake)
      await site.allOwned(stream)
      for (let kill = 0; kill < KILLS; kill++) {
        await site.acknowledged(300)
        await kafka.kill9()
        const reply = await fetch(`${await serve.address}/v1/datasets/crash_events/views/by_kind`)
        // It answers from what it has, or says what it cannot do; it does not hang and is not restarted.
        expect([200, 503]).toContain(reply.status)
        await kafka.restart()
        await site.acknowledged(300)
      }
      expect(await site.check(serve)).toBeGreaterThan(1_000)
      expect([serve, intake, stream].map(({ alive }) => alive)).toEqual([true, true, true])
    })

    test('killed while a worker catches up with a long log: it goes on where the lake ends', async () => {
      const { kafka } = services()
      const serve = site.run('serve')
      await site.post(serve)
      await site.acknowledged(3_000)
      await site.quiet()
      const stream = site.run('stream', {}, '--set', 'microBatchRecordsMax=100', '--set', 'segmentRecordsMax=200')
      await site.until('the worker has begun', async () => (await site.owned(stream)).length > 0)
      await kafka.kill9()
      await kafka.restart()
      expect(await site.check(serve)).toBeGreaterThanOrEqual(3_000)
      expect(stream.alive).toBe(true)
    })
  })
}
