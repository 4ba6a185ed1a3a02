/** For cluster.e2e.test.ts: a serve process that starts in the middle of a generation swap, and several of them under load. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'
import { CountedAnswers } from './counted-answers.ts'

const ANSWERS_MIN = 40
const GENERATIONS_MIN = 2

export function serveFaults(services: () => ClusterServices): void {
  describe('serve processes', () => {
    let site: ClusterSite
    beforeEach(async () => {
      site = await ClusterSite.make(services())
    })
    afterEach(() => site.remove())

    test('started in the middle of a swap, and asked under load: every answer is the recount at its own position', async () => {
      const [one, stream] = [site.run('serve'), site.run('stream')]
      await site.post(one)
      await site.allOwned(stream)
      await site.acknowledged(200)
      // A generation is whole, but CURRENT does not name it: the batch worker died there.
      const dying = site.run('batch', { WATERSHED_CRASH_AT: 'generation:before-current:2' })
      await site.until('the batch worker died before the swap', () => !dying.alive)
      const two = site.run('serve')
      const answers = new CountedAnswers()
      const over = new AbortController()
      const asking = answers.ask([one, two], over.signal)
      asking.catch(() => {})
      try {
        await two.address
        site.run('batch')
        await site.acknowledged(2_500)
        await site.until('both have answered enough, from several generations', () => {
          const { answers: given, generations } = answers.collected
          return given > ANSWERS_MIN && generations > GENERATIONS_MIN
        })
      } finally {
        over.abort()
      }
      await asking
      expect(await site.check(one, two)).toBeGreaterThan(2_500)
      const { compared, generations, by } = await site.withLog((log) => answers.check(log))
      expect(compared).toBeGreaterThan(ANSWERS_MIN)
      expect(generations).toBeGreaterThan(GENERATIONS_MIN)
      expect(by).toBe(2)
    })
  })
}
