/**
 * Removes records of a topic on one connection, which stays open between two trims. Where records of a certain time begin is asked once
 * in a while for all partitions: an earlier answer only removes less.
 */
import type { Admin, Kafka } from 'kafkajs'
import type { Offset, OffsetRange } from '#core/offsets.ts'

/** an answer is used for so long */
const TIMES_MS_MAX = 10_000

interface Younger {
  readonly thanMs: number
  readonly askedAtMs: number
  readonly offsets: Promise<ReadonlyMap<number, Offset>>
}

export class KafkaTrim {
  readonly #kafka: Kafka
  readonly #topic: string
  #admin: Promise<Admin> | null = null
  #younger: Younger | null = null

  constructor(kafka: Kafka, topic: string) {
    this.#kafka = kafka
    this.#topic = topic
  }

  /** Removes what is before `before` and older. @returns where the partition starts then */
  async trim({ partition, start, end }: OffsetRange, before: Offset, olderThanMs: number): Promise<Offset> {
    try {
      const younger = (await this.#youngerThan(olderThanMs)).get(partition) ?? start
      const to = Math.min(before, end, younger)
      if (to <= start) return start
      const admin = await this.#connected()
      await admin.deleteTopicRecords({ topic: this.#topic, partitions: [{ partition, offset: String(to) }] })
      return to
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    const admin = this.#admin
    this.#admin = null
    this.#younger = null
    await admin?.then((connected) => connected.disconnect()).catch(() => {})
  }

  /** Per partition, the first offset with a record that is not older; where there is none, the end. */
  #youngerThan(olderThanMs: number): Promise<ReadonlyMap<number, Offset>> {
    const known = this.#younger
    const nowMs = performance.now()
    if (known !== null && known.thanMs <= olderThanMs && nowMs - known.askedAtMs < TIMES_MS_MAX) return known.offsets
    const offsets = this.#ask(olderThanMs)
    this.#younger = { thanMs: olderThanMs, askedAtMs: nowMs, offsets }
    return offsets
  }

  async #ask(olderThanMs: number): Promise<ReadonlyMap<number, Offset>> {
    const admin = await this.#connected()
    const ends = await admin.fetchTopicOffsets(this.#topic)
    const places = await admin.fetchTopicOffsetsByTimestamp(this.#topic, olderThanMs)
    const highs = new Map(ends.map(({ partition, high }) => [partition, Number(high)]))
    return new Map(
      places.map(({ partition, offset }) => [
        partition,
        Number(offset) < 0 ? (highs.get(partition) ?? 0) : Number(offset),
      ]),
    )
  }

  #connected(): Promise<Admin> {
    this.#admin ??= this.#connect()
    return this.#admin
  }

  async #connect(): Promise<Admin> {
    const admin = this.#kafka.admin()
    await admin.connect()
    return admin
  }
}
