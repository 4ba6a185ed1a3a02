/** A broker, topics and RSVPs for the benchmarks of the log on Kafka. */

import { RsvpGenerator } from '#datasets/rsvp-generator.ts'
import { kafkaClient } from '#storage/log/kafka-client.ts'
import { type KafkaServer, startKafka } from '#tests/servers/kafka-server.ts'

export const PARTITIONS = 4
export const BATCH = 500

export class KafkaSite {
  readonly kafka: KafkaServer
  #topics = 0

  static async start(): Promise<KafkaSite> {
    return new KafkaSite(await startKafka())
  }

  private constructor(kafka: KafkaServer) {
    this.kafka = kafka
  }

  get brokers(): readonly string[] {
    return this.kafka.brokers
  }

  async topic(partitions = PARTITIONS): Promise<string> {
    const topic = `bench-${++this.#topics}`
    const admin = kafkaClient({ brokers: this.brokers }, 30_000).admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] })
    await admin.disconnect()
    return topic
  }
}

/** Batches of RSVPs of 1.1 to 1.4 KB. */
export function rsvpBatches(events: number): string[][] {
  const generator = new RsvpGenerator({
    seed: 1,
    startMs: 1_700_000_000_000,
    eventsPerSecond: 1_000,
    malformedShare: 0,
  })
  return Array.from({ length: events / BATCH }, () => Array.from({ length: BATCH }, () => generator.next()))
}

export function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!
}

/** events per second */
export async function rateOf(events: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return events / ((performance.now() - began) / 1_000)
}
