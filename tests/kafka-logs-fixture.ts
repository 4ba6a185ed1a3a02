/** For tests: a real Kafka, and logs on a topic of their own for each test. */
import { type Admin, CompressionTypes, type Kafka, type Message } from 'kafkajs'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import { KafkaLog, type KafkaLogOptions } from '#storage/log/kafka/kafka-log.ts'
import { type KafkaServer, startKafka } from './servers/kafka-server.ts'

export class KafkaLogs {
  kafka!: KafkaServer
  client!: Kafka
  admin!: Admin
  topic = ''
  readonly #name: string
  #begun = 0
  readonly #opened: KafkaLog[] = []

  /** @param name what topics are called by */
  constructor(name: string) {
    this.#name = name
  }

  async start(): Promise<void> {
    this.kafka = await startKafka()
    this.client = kafkaClient({ brokers: this.kafka.brokers }, 30_000)
    this.admin = this.client.admin()
    await this.admin.connect()
  }

  async stop(): Promise<void> {
    await this.admin?.disconnect()
    await this.kafka?.stop()
  }

  /** A test begins, with a topic that does not exist yet. */
  begin(): void {
    this.topic = `${this.#name}-${++this.#begun}`
  }

  async end(): Promise<void> {
    for (const log of this.#opened.splice(0)) await log.close()
  }

  async open(more: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> {
    const { topic } = this
    const log = await KafkaLog.open({ brokers: this.kafka.brokers, dataset: 'd', topic, partitions: 2, ...more })
    this.#opened.push(log)
    return log
  }

  /** as somebody else would write */
  async write(messages: Message[], compression = CompressionTypes.None): Promise<void> {
    const producer = this.client.producer({ createPartitioner: () => () => 0 })
    await producer.connect()
    await producer.send({ topic: this.topic, messages, compression })
    await producer.disconnect()
  }
}

export function recordsOf(batch: RecordBatch): [number, string][] {
  const texts = batch.lines.toString().split('\n').slice(0, -1)
  return texts.map((text, index) => [batch.offsets?.[index] ?? batch.start + index, text])
}
