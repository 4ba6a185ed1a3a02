/** For cluster.e2e.test.ts: Elasticsearch dies, hangs, is busy, or loses half an answer; answers are right or say that they are not. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RequestMatch } from '#tests/servers/faulty-proxy.ts'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

const bulk: RequestMatch = ({ path }) => path.includes('/_bulk')
const markerWrite: RequestMatch = ({ method, path }) => method === 'PUT' && /\/_(doc|create)\//.test(path)
const refresh: RequestMatch = ({ path }) => path.endsWith('/_refresh')

export function speedStoreFaults(services: () => ClusterServices): void {
  describe('Elasticsearch', () => {
    let site: ClusterSite
    beforeEach(async () => {
      site = await ClusterSite.make(services())
    })
    afterEach(() => site.remove())

    test('killed, away for a while, and hanging: events are taken in, queries are answered, and it is caught up', async () => {
      const { elasticsearch } = services()
      const [serve, stream] = [site.run('serve'), site.run('stream')]
      await site.post(serve)
      await site.allOwned(stream)
      await site.acknowledged(200)
      await elasticsearch.kill9()
      try {
        await site.acknowledged(600)
        const reply = await fetch(`${await serve.address}/v1/datasets/crash_events/views/by_kind`)
        expect(reply.status, 'the log is read without it').toBe(200)
      } finally {
        await elasticsearch.restart()
      }
      await site.allOwned(stream)
      elasticsearch.pause()
      try {
        await site.acknowledged(300)
      } finally {
        elasticsearch.resume()
      }
      expect(await site.check(serve)).toBeGreaterThan(1_000)
      expect(stream.alive).toBe(true)
    })

    test('busy with 429 and 503, and losing bulk, marker and refresh answers half way', async () => {
      const { proxy } = services()
      const serve = site.run('serve')
      const stream = site.run('stream', {}, '--set', `elasticsearch.node=${proxy.url}`)
      await site.post(serve)
      await site.allOwned(stream)
      const faults: readonly (() => void)[] = [
        () => proxy.answer(bulk, [429, 200, 503, 429, 429]),
        () => proxy.cutAnswers(bulk, 2),
        () => proxy.cutAnswers(markerWrite, 2),
        () => proxy.cutAnswers(refresh, 2),
        () => proxy.answer(markerWrite, [429, 503]),
      ]
      for (const inject of faults) {
        const before = proxy.injected
        inject()
        await site.until('the fault was met', () => proxy.injected >= before + 2)
        proxy.rejectItems([0, 2])
        await site.acknowledged(100)
      }
      expect(await site.check(serve)).toBeGreaterThan(500)
      expect(stream.alive).toBe(true)
    })
  })
}
