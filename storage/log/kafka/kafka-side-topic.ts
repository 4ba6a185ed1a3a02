/**
 * A topic beside a log's topic, whose records are written in the transactions of appends: the keys of appends, whose retention is the time
 * for which keys count, or the positions of sources, of which Kafka keeps the newest of each source.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { Backoff } from '#core/backoff.ts'
import type { Offset } from '#core/offsets.ts'
import { jsonRecords } from '../record-format.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaPartitionReader, OutOfRange } from './kafka-reader.ts'
import { NO_EPOCH } from './kafka-requests.ts'
import { type KafkaLogSettings, KafkaTopicError } from './kafka-settings.ts'
import { createTopic, type KafkaTopicSettings } from './kafka-topic.ts'
import { KafkaWire } from './kafka-wire.ts'

/** Partitions of the topic of keys. Changing it would make keys be looked for in another partition: appends under one key in two versions could both count. */
export const KEY_SLOTS = 8

/** What a side topic is for. */
export interface SidePurpose {
  /** of its name, after the name of the log's topic */
  readonly suffix: string
  readonly partitions: number
  /** how long records matter; null: the newest one of each key, for ever */
  readonly keepMs: number | null
  /** how to do without it */
  readonly without: string
  /** when it can be deleted, if it was made wrongly */
  readonly deletable: string
}

export function keyTopic(keepMs: number): SidePurpose {
  return {
    suffix: 'idempotency-keys',
    partitions: KEY_SLOTS,
    keepMs,
    without: 'send events without keys',
    deletable: 'when no client repeats events any more',
  }
}

export const SOURCE_TOPIC: SidePurpose = {
  suffix: 'sources',
  partitions: 1,
  keepMs: null,
  without: 'run no sources',
  deletable: 'if the sources may begin anew',
}

/** Kafka removes whole files: so many parts of the time for which keys count go into one */
const FILES_IN_WINDOW = 4
const SEGMENT_MS_MIN = 60_000
const KEY_BYTES_MAX = 1024 * 1024
const FETCH_BYTES_MAX = 1024 * 1024
/** longer than Kafka lets a silent owner keep a transaction open */
const DECIDED_WAITS = { waitMsFirst: 2, waitMsMax: 200, retryMsMax: 30_000 }
const READ_LIMITS = { recordsMax: 10_000, bytesMax: 4 * 1024 * 1024 }

export interface KafkaSideTopicParts {
  /** of the log */
  readonly settings: KafkaLogSettings
  readonly outageMsMax: number
  readonly purpose: SidePurpose
  readonly asAdmin: <Result>(work: (admin: Admin) => Promise<Result>) => Promise<Result>
}

type ReadFrom = { readonly offset: Offset } | { readonly sinceMs: number }

export class KafkaSideTopic {
  readonly name: string
  readonly #parts: KafkaSideTopicParts
  readonly wire: KafkaWire
  #making: Promise<void> | null = null

  constructor(parts: KafkaSideTopicParts) {
    const { settings, outageMsMax, purpose } = parts
    this.name = `${settings.topic}.${purpose.suffix}`
    this.#parts = parts
    this.wire = new KafkaWire(kafkaClient(settings, 0), { topic: this.name, outageMsMax })
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
   * Gives every record to `each`, up to the end of the slot.
   * @param from where it was read to before, or the time (epoch ms) of the first record that matters. @returns the end
   */
  async read(
    slot: number,
    from: ReadFrom,
    each: (line: string, atMs: number, offset: Offset) => void,
  ): Promise<Offset> {
    const { start, end } = await this.wire.endsOf(slot)
    const first = 'offset' in from ? from.offset : await this.#offsetAt(slot, from.sinceMs, end)
    const reader = this.#reader(slot, false)
    for (let at = Math.max(first, start); at < end; ) {
      const batch = await reader.read(at, READ_LIMITS)
      if (batch instanceof OutOfRange || batch === null)
        throw new KafkaTopicError(this.name, 'refused', `partition ${slot} was cut while offset ${at} was read; retry`)
      const times = batch.arrivals.flatMap(({ count, atMs }) => new Array<number>(count).fill(atMs))
      for (const [index, line] of batch.lines.toString().split('\n').slice(0, batch.count).entries())
        each(line, times[index]!, batch.offsets?.[index] ?? batch.start + index)
      at = batch.end
    }
    return end
  }

  /**
   * Waits until every record that is in the slot now is committed or aborted: an open transaction hides what others committed behind it.
   * @throws when one stays open for longer than a dead owner can leave it so
   */
  async decided(slot: number): Promise<void> {
    const { end } = await this.wire.endsOf(slot)
    const { highWatermark } = await this.wire.fetch(slot, end, 1, NO_EPOCH, true)
    const tries = new Backoff(DECIDED_WAITS)
    while ((await this.wire.endsOf(slot)).end < highWatermark) {
      const waitMs = tries.nextMs()
      if (waitMs === null)
        throw new Error(
          `a transaction is open in partition ${slot} of ${this.name}, and hides what was committed behind it`,
        )
      await sleep(waitMs)
    }
  }

  /** The last record in the slot from an offset on that `isWanted`, committed or (`undecided`) not; null: there is none. */
  async lastFrom(
    slot: number,
    from: Offset,
    undecided: boolean,
    isWanted: (line: string) => boolean,
  ): Promise<string | null> {
    const reader = this.#reader(slot, undecided)
    const { start } = await this.wire.endsOf(slot)
    let last: string | null = null
    for (let at = Math.max(from, start); ; ) {
      const batch = await reader.read(at, READ_LIMITS)
      if (batch instanceof OutOfRange || batch === null) return last
      const lines = batch.lines.toString().split('\n').slice(0, batch.count)
      last = lines.findLast(isWanted) ?? last
      at = batch.end
    }
  }

  async close(): Promise<void> {
    await this.wire.close()
  }

  #reader(slot: number, undecided: boolean): KafkaPartitionReader {
    return new KafkaPartitionReader({
      partition: slot,
      fetch: (offset, bytesMax, lastEpoch) => this.wire.fetch(slot, offset, bytesMax, lastEpoch, undecided),
      decoder: jsonRecords,
      fetchBytesMax: FETCH_BYTES_MAX,
      recordBytesMax: KEY_BYTES_MAX,
    })
  }

  async #offsetAt(slot: number, atMs: number, end: Offset): Promise<Offset> {
    const found = await this.#parts.asAdmin((admin) => admin.fetchTopicOffsetsByTimestamp(this.name, atMs))
    const offset = Number(found.find(({ partition }) => partition === slot)?.offset ?? -1)
    return offset < 0 ? end : offset
  }

  async #make(): Promise<void> {
    const { settings, purpose, asAdmin } = this.#parts
    const { partitions: wanted, keepMs, without, deletable } = purpose
    if ((await this.wire.find()) === null) {
      if (settings.createTopic === false) {
        const config = `message.timestamp.type=LogAppendTime${keepMs === null ? ', cleanup.policy=compact' : ''}`
        const why = `the topic does not exist, and createTopics is off; create it with ${wanted} partitions and ${config}, or ${without}`
        throw new KafkaTopicError(this.name, 'missing', why)
      }
      const made = { topic: this.name, partitions: wanted, replication: settings.replication, ...keeping(keepMs) }
      await asAdmin((admin) => createTopic(admin, made, KEY_BYTES_MAX))
    }
    const { partitions } = await this.wire.refresh()
    if (partitions.length !== wanted)
      throw new KafkaTopicError(
        this.name,
        'refused',
        `it has ${partitions.length} partitions, but ${wanted} are required; delete it ${deletable}`,
      )
  }
}

function keeping(keepMs: number | null): Partial<KafkaTopicSettings> {
  if (keepMs === null) return { compacted: true }
  return { retentionMs: keepMs, segmentMs: Math.max(SEGMENT_MS_MIN, Math.ceil(keepMs / FILES_IN_WINDOW)) }
}
