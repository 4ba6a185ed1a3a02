/** The topic that remembers the keys of appends, beside a log's topic. Its retention is the time for which keys count; a reader reads from the beginning of that time on. */
import type { Admin } from 'kafkajs'
import type { Offset } from '#core/offsets.ts'
import { jsonRecords } from '../record-format.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaPartitionReader, OutOfRange } from './kafka-reader.ts'
import { type KafkaLogSettings, KafkaTopicError } from './kafka-settings.ts'
import { createTopic } from './kafka-topic.ts'
import { KafkaWire } from './kafka-wire.ts'

/** Partitions of the topic. Changing it would make keys be looked for in another partition: appends under one key in two versions could both count. */
export const KEY_SLOTS = 8

/** Kafka removes whole files: so many parts of the time for which keys count go into one */
const FILES_IN_WINDOW = 4
const SEGMENT_MS_MIN = 60_000
const KEY_BYTES_MAX = 1024 * 1024
const FETCH_BYTES_MAX = 1024 * 1024
const READ_LIMITS = { recordsMax: 10_000, bytesMax: 4 * 1024 * 1024 }

export interface KafkaKeyTopicParts {
  /** of the log */
  readonly settings: KafkaLogSettings
  readonly outageMsMax: number
  readonly keepMs: number
  readonly asAdmin: <Result>(work: (admin: Admin) => Promise<Result>) => Promise<Result>
}

type ReadFrom = { readonly offset: Offset } | { readonly sinceMs: number }

export class KafkaKeyTopic {
  readonly name: string
  readonly #parts: KafkaKeyTopicParts
  readonly #wire: KafkaWire
  #making: Promise<void> | null = null

  constructor(parts: KafkaKeyTopicParts) {
    const { settings, outageMsMax } = parts
    this.name = `${settings.topic}.idempotency-keys`
    this.#parts = parts
    this.#wire = new KafkaWire(kafkaClient(settings, 0), { topic: this.name, outageMsMax })
  }

  /** Makes the topic if it is missing. @throws KafkaTopicError */
  made(): Promise<void> {
    this.#making ??= this.#make().catch((error) => {
      this.#making = null
      throw error
    })
    return this.#making
  }

  /**
   * Gives every key to `each`, up to the end of the slot.
   * @param from where it was read to before, or the time (epoch ms) of the first append that matters. @returns the end
   */
  async read(slot: number, from: ReadFrom, each: (line: string, atMs: number) => void): Promise<Offset> {
    const { start, end } = await this.#wire.endsOf(slot)
    const first = 'offset' in from ? from.offset : await this.#offsetAt(slot, from.sinceMs, end)
    const reader = new KafkaPartitionReader({
      partition: slot,
      fetch: (offset, bytesMax, lastEpoch) => this.#wire.fetch(slot, offset, bytesMax, lastEpoch),
      decoder: jsonRecords,
      fetchBytesMax: FETCH_BYTES_MAX,
      recordBytesMax: KEY_BYTES_MAX,
    })
    for (let at = Math.max(first, start); at < end; ) {
      const batch = await reader.read(at, READ_LIMITS)
      if (batch instanceof OutOfRange || batch === null)
        throw new KafkaTopicError(this.name, 'refused', `partition ${slot} was cut while offset ${at} was read; retry`)
      const times = batch.arrivals.flatMap(({ count, atMs }) => new Array<number>(count).fill(atMs))
      for (const [index, line] of batch.lines.toString().split('\n').slice(0, batch.count).entries())
        each(line, times[index]!)
      at = batch.end
    }
    return end
  }

  async close(): Promise<void> {
    await this.#wire.close()
  }

  async #offsetAt(slot: number, atMs: number, end: Offset): Promise<Offset> {
    const found = await this.#parts.asAdmin((admin) => admin.fetchTopicOffsetsByTimestamp(this.name, atMs))
    const offset = Number(found.find(({ partition }) => partition === slot)?.offset ?? -1)
    return offset < 0 ? end : offset
  }

  async #make(): Promise<void> {
    const { settings, keepMs, asAdmin } = this.#parts
    if ((await this.#wire.find()) === null) {
      if (settings.createTopic === false) {
        const why = `the topic does not exist, and createTopics is off; create it with ${KEY_SLOTS} partitions and message.timestamp.type=LogAppendTime, or send events without keys`
        throw new KafkaTopicError(this.name, 'missing', why)
      }
      const segmentMs = Math.max(SEGMENT_MS_MIN, Math.ceil(keepMs / FILES_IN_WINDOW))
      const made = {
        topic: this.name,
        partitions: KEY_SLOTS,
        replication: settings.replication,
        retentionMs: keepMs,
        segmentMs,
      }
      await asAdmin((admin) => createTopic(admin, made, KEY_BYTES_MAX))
    }
    const { partitions } = await this.#wire.refresh()
    if (partitions.length !== KEY_SLOTS)
      throw new KafkaTopicError(
        this.name,
        'refused',
        `it has ${partitions.length} partitions, but ${KEY_SLOTS} are required; delete it when no client repeats events any more`,
      )
  }
}
