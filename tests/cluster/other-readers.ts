/** For cluster.e2e.test.ts: programs of others read what we wrote: Kafka's own console consumer, and plain HTTP on Elasticsearch. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { javaPath, provisionKafka } from '#tests/servers/kafka-provision.ts'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

const IDLE_MS_MAX = 30_000
const BYTES_MAX = 64 * 1024 * 1024

interface Sums {
  readonly hits: { readonly total: { readonly value: number } }
  readonly aggregations: { readonly events: { readonly value: number } }
}

export function otherReaders(services: () => ClusterServices): void {
  describe('programs of others', () => {
    let site: ClusterSite
    beforeEach(async () => {
      site = await ClusterSite.make(services(), { presented: 'elasticsearch', presentEveryMs: 300 })
    })
    afterEach(() => site.remove())

    test('the console consumer prints every event, with its key; curl counts every presented row', async () => {
      const { kafka, elasticsearch } = services()
      const [serve] = [site.run('serve'), site.run('stream'), site.run('batch'), site.run('present')]
      await site.post(serve)
      await site.acknowledged(600)
      const events = await site.check(serve)

      const printed = await consoleConsumer(kafka.brokers[0]!, `${site.name}-crash_events`, events)
      expect(printed).toHaveLength(events)
      const ids = printed.map((line) => {
        const [key, value] = line.split('\t')
        const { id } = JSON.parse(value!) as { id: number }
        expect(key).toBe(String(id))
        return id
      })
      const acknowledged = site.client.acknowledged.map(({ id }) => id)
      expect(new Set(ids).size).toBe(events)
      expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([])

      const usable = printed.filter((line) => typeof JSON.parse(line.split('\t')[1]!).at === 'number').length
      const search = `${elasticsearch.node}/crash_events-by_id/_search`
      let seen: Sums | null = null
      await site.until('every row is presented', async () => {
        const body = JSON.stringify({ size: 0, track_total_hits: true, aggs: { events: { sum: { field: 'events' } } } })
        const reply = await fetch(search, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
        if (reply.status !== 200) return false
        seen = (await reply.json()) as Sums
        return seen.hits.total.value >= usable
      })
      expect(seen!.hits.total.value).toBe(usable)
      expect(seen!.aggregations.events.value).toBe(usable)
    })
  })
}

/** What Kafka's console consumer prints of a topic, from its beginning. */
async function consoleConsumer(broker: string, topic: string, events: number): Promise<string[]> {
  const { stdout } = await promisify(execFile)(
    await javaPath(),
    [
      ...['-Xmx256m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp', `${await provisionKafka()}/*`],
      ...['org.apache.kafka.tools.consumer.ConsoleConsumer', '--bootstrap-server', broker, '--topic', topic],
      ...['--from-beginning', '--max-messages', String(events), '--timeout-ms', String(IDLE_MS_MAX)],
      ...['--formatter-property', 'print.key=true'],
    ],
    { maxBuffer: BYTES_MAX },
  )
  return stdout.trimEnd().split('\n')
}
