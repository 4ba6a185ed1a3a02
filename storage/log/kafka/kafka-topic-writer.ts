/**
 * Writes records with keys to a topic of others. A write is acknowledged when all in-sync replicas have every record of it; it may be
 * repeated as a whole after a fault. Records of one key keep their order.
 */
import kafkajs, { type Kafka, type Message, type PartitionMetadata, type Producer } from 'kafkajs'
import { kafkaClient } from './kafka-client.ts'
import type { KafkaClientSettings } from './kafka-settings.ts'

export interface TopicRecord {
  readonly key: string
  /** null deletes the key where the topic is compacted */
  readonly value: string | null
  readonly headers: Readonly<Record<string, string>>
}

export interface TopicWriter {
  /** @throws Error if not every record is acknowledged */
  write(records: readonly TopicRecord[]): Promise<void>
  close(): Promise<void>
}

/** of one send */
const SEND_RECORDS_MAX = 1_000
const SEND_BYTES_MAX = 512 * 1024
/** for about how long the library repeats one request; without any the library makes no idempotent producer */
const SEND_PATIENT_MS = 3_000

export class KafkaTopicWriter implements TopicWriter {
  readonly #kafka: Kafka
  readonly #topic: string
  #producer: Promise<Producer> | null = null
  #partitions: Promise<readonly PartitionMetadata[]> | null = null

  /** Connects when something is written. @param settings retries are up to the caller */
  constructor(settings: KafkaClientSettings, topic: string, notice: (message: string) => void) {
    this.#kafka = kafkaClient(settings, SEND_PATIENT_MS, notice)
    this.#topic = topic
  }

  async write(records: readonly TopicRecord[]): Promise<void> {
    if (records.length === 0) return
    try {
      this.#partitions ??= this.#partitionsNow()
      this.#producer ??= this.#connected()
      const [producer, partitions] = await Promise.all([this.#producer, this.#partitions])
      // One partition per send: of several, the library drops one whose leader moves between two attempts.
      for (const [partition, messages] of byPartition(this.#topic, partitions, records))
        for (const some of inSends(messages))
          await producer.send({ topic: this.#topic, acks: -1, messages: some.map((each) => ({ ...each, partition })) })
    } catch (error) {
      // The next send of a producer that gave one up would reuse its numbers, and be dropped as a repeat of it.
      await this.close()
      throw new Error(`Kafka topic '${this.#topic}': ${(error as Error).message}`, { cause: error })
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer
    this.#producer = null
    this.#partitions = null
    await producer?.then((one) => one.disconnect()).catch(() => {})
  }

  async #connected(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    return producer
  }

  async #partitionsNow(): Promise<readonly PartitionMetadata[]> {
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      const { topics } = await admin.fetchTopicMetadata({ topics: [this.#topic] })
      return topics[0]!.partitions
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }
}

/** As Java's clients choose partitions. */
function byPartition(
  topic: string,
  partitions: readonly PartitionMetadata[],
  records: readonly TopicRecord[],
): Map<number, Message[]> {
  const choose = kafkajs.Partitioners.DefaultPartitioner()
  const messages = records.map((record): Message => ({ ...record, headers: { ...record.headers } }))
  return Map.groupBy(messages, (message) => choose({ topic, partitionMetadata: [...partitions], message }))
}

function* inSends(messages: readonly Message[]): Generator<readonly Message[]> {
  let [some, bytes]: [Message[], number] = [[], 0]
  for (const message of messages) {
    const size = String(message.key).length + String(message.value ?? '').length
    if (some.length > 0 && (some.length >= SEND_RECORDS_MAX || bytes + size > SEND_BYTES_MAX)) {
      yield some
      ;[some, bytes] = [[], 0]
    }
    some.push(message)
    bytes += size
  }
  if (some.length > 0) yield some
}
