/** For cluster.e2e.test.ts: stream workers that are killed, also while a segment closes, or frozen until another one owns their partition. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

const DEATHS = ['segment:files-linked:3', 'segment:manifest-linked:2', 'flush:written:6', 'segment:parquet-written:2']
const FREEZES = 2

export function workerFaults(services: () => ClusterServices): void {
  describe('stream workers', () => {
    let site: ClusterSite
    beforeEach(async () => {
      site = await ClusterSite.make(services())
    })
    afterEach(() => site.remove())

    test('killed one after the other, also in the middle of a close: another takes over, nothing is lost or counted twice', async () => {
      const serve = site.run('serve')
      const heir = site.run('stream')
      await site.post(serve)
      for (const step of DEATHS) {
        const dying = site.run('stream', { WATERSHED_CRASH_AT: step })
        await dying.address
        await site.until(`a worker died at ${step}`, () => !dying.alive)
        expect((await dying.exited).signal).toBe('SIGKILL')
        await site.allOwned(heir)
      }
      const last = site.run('stream')
      await site.until('the new worker has a partition', async () => (await site.owned(last)).length > 0)
      await heir.kill()
      await site.allOwned(last)
      await site.acknowledged(200)
      expect(await site.check(serve)).toBeGreaterThan(1_000)
    })

    test('frozen past its session and woken again: two believe that they own a partition, and no answer is wrong', async () => {
      const serve = site.run('serve')
      const [one, two] = [site.run('stream'), site.run('stream')]
      await site.post(serve)
      const workers = [one, two]
      await site.until('both have a partition', async () =>
        (await Promise.all(workers.map((worker) => site.owned(worker)))).every(({ length }) => length === 1),
      )
      for (let round = 0; round < FREEZES; round++) {
        const [frozen, heir] = round % 2 === 0 ? [one, two] : [two, one]
        frozen.suspend()
        await site.allOwned(heir)
        // Enough for the heir to close segments that the frozen one still has open.
        await site.acknowledged(300)
        frozen.resume()
        await site.until('the woken one has a partition again', async () => (await site.owned(frozen)).length > 0)
      }
      expect(await site.check(serve)).toBeGreaterThan(600)
      expect([one.alive, two.alive]).toEqual([true, true])
    })
  })
}
