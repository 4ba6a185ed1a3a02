/** A broker, topics and RSVPs for the benchmarks of the log on Kafka. */

import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
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

/** RSVPs of 1.1 to 1.4 KB. */
export function rsvpGenerator(): RsvpGenerator {
  return new RsvpGenerator({ seed: 1, startMs: 1_700_000_000_000, eventsPerSecond: 1_000, malformedShare: 0 })
}

export function rsvpBatches(events: number): string[][] {
  const generator = rsvpGenerator()
  return Array.from({ length: events / BATCH }, () => Array.from({ length: BATCH }, () => generator.next()))
}

export function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!
}

export interface Pace {
  /** events per second */
  readonly rate: number
  /** of our process, µs per event: steadier than the rate on a machine that others use */
  readonly cpuUs: number
}

export async function paceOf(events: number, work: () => Promise<void>): Promise<Pace> {
  const [cpu, began] = [process.cpuUsage(), performance.now()]
  await work()
  const used = process.cpuUsage(cpu)
  return { rate: events / ((performance.now() - began) / 1_000), cpuUs: (used.user + used.system) / events }
}

/** What became of the rounds of several that do the same, against the one named: medians. */
export function figuresOf<Name extends string>(
  what: string,
  paces: Readonly<Record<Name, readonly Pace[]>>,
  against: NoInfer<Name>,
): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const name of Object.keys(paces) as Name[]) {
    const own = paces[name]
    figures[`${what}:${name}:perSecond`] = median(own.map(({ rate }) => rate))
    figures[`${what}:${name}:cpuUs`] = median(own.map(({ cpuUs }) => cpuUs))
    if (name === against) continue
    const ratios = own.map((pace, round) => [
      pace.rate / paces[against][round]!.rate,
      pace.cpuUs / paces[against][round]!.cpuUs,
    ])
    figures[`${what}:${name}:rateAgainst:${against}`] = median(ratios.map(([rate]) => rate!))
    figures[`${what}:${name}:cpuAgainst:${against}`] = median(ratios.map(([, cpuUs]) => cpuUs!))
  }
  return figures
}
