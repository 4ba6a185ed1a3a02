/** Delivers to a Kafka topic: one record per row that changed, with the answer's id as a header. */
import type { TopicWriter } from '#storage/log/kafka/kafka-topic-writer.ts'
import { type Delivery, SinkFault, type SinkTarget } from './sink-target.ts'

export class KafkaTarget implements SinkTarget {
  readonly #writer: TopicWriter
  readonly #headers: Readonly<Record<string, string>>

  /** @param headers of every record */
  constructor(writer: TopicWriter, headers: Readonly<Record<string, string>>) {
    this.#writer = writer
    this.#headers = headers
  }

  async deliver({ id, after, records }: Delivery): Promise<void> {
    const headers = { ...this.#headers, 'watershed-id': id, ...(after === null ? {} : { 'watershed-after': after }) }
    try {
      await this.#writer.write(records.map((record) => ({ ...record, headers })))
    } catch (error) {
      throw new SinkFault((error as Error).message, null, { cause: error })
    }
  }

  close(): Promise<void> {
    return this.#writer.close()
  }
}
