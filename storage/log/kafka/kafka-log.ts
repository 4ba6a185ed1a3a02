/**
 * The log on Kafka: one topic per dataset, created here or written by others.
 *
 * Guarantees: an acknowledged append is on all in-sync replicas, exactly once (see KafkaAppender). Reads are by topic id and return only
 * committed records; every offset of a range is a line or a hole. No client policy can skip records, because reads do not use a
 * consumer. Unavailable brokers are waited for, up to `outageMsMax` per call.
 *
 * The identity is cluster id and topic id: a topic that was deleted and created again is another log. Arrival is the
 * broker's append time on topics made here; on others whatever time their records carry.
 */
import type { Admin, Kafka } from 'kafkajs'
import { endsWithin } from '#core/ends-within.ts'
import { assertOffset, type Offset, type OffsetRange } from '#core/offsets.ts'
import type { StepHook } from '#core/steps.ts'
import { type AppendedOnce, type AppendOnce, DEFAULT_KEY_LIMITS } from '../append-once.ts'
import { type AppendBatch, type EventLog, LogRangeError, type ReadLimits, type RecordBatch } from '../event-log.ts'
import { assertPartition } from '../log-blocks.ts'
import { jsonRecords, type RecordDecoder } from '../record-format.ts'
import type { SourceLedger } from '../source-ledger.ts'
import { KafkaAppender, type KafkaAppenderOptions } from './kafka-appender.ts'
import { DEFAULT_OUTAGE_MS_MAX, type KafkaNotice, kafkaClient, REQUEST_MS_MAX } from './kafka-client.ts'
import { KafkaKeyedAppends } from './kafka-keyed-appends.ts'
import { KafkaPartitionReader, OutOfRange } from './kafka-reader.ts'
import { type KafkaLogSettings, KafkaTopicError } from './kafka-settings.ts'
import { KafkaSideTopic, keyTopic, type SidePurpose, SOURCE_TOPIC } from './kafka-side-topic.ts'
import { KafkaSources } from './kafka-sources.ts'
import { BATCH_OVERHEAD_BYTES, createTopic, type TopicLimits, topicLimits } from './kafka-topic.ts'
import { KafkaTrim } from './kafka-trim.ts'
import { KafkaWire } from './kafka-wire.ts'

/** appends that brokers do not take within this time after a close are given up */
const CLOSE_MS_MAX = 10_000
const MEBIBYTE = 1024 * 1024
const TOPIC_EVERY_MS = 5_000
/** what the library repeats by itself; beyond that we do */
const LIBRARY_PATIENT_MS = 2_000

export interface KafkaLogOptions extends KafkaLogSettings {
  /** receives warnings of the client library, and unusual properties of the topic */
  readonly notice?: KafkaNotice
  readonly step?: StepHook
  /** of keys, epoch ms */
  readonly clock?: () => number
}

export class KafkaLog implements EventLog {
  readonly identity: string
  readonly #options: KafkaLogOptions
  readonly #wire: KafkaWire
  readonly #kafka: Kafka
  readonly #trim: KafkaTrim
  readonly #decoder: RecordDecoder
  readonly #appender: KafkaAppender
  readonly #appenderOptions: KafkaAppenderOptions
  #keyed: KafkaKeyedAppends | null = null
  #sources: KafkaSources | null = null
  readonly #readers = new Map<number, KafkaPartitionReader>()
  readonly #appends = new Set<Promise<unknown>>()
  readonly #watch: NodeJS.Timeout
  /** the topic was replaced by another one */
  #replaced: KafkaTopicError | null = null
  #closing: Promise<void> | null = null

  /** Opens or creates the topic. @throws KafkaTopicError, KafkaUnavailableError */
  static async open(options: KafkaLogOptions): Promise<KafkaLog> {
    const { topic, outageMsMax = DEFAULT_OUTAGE_MS_MAX, recordBytesMax = MEBIBYTE, notice } = options
    const decoder = await decoderOf(options)
    const wire = new KafkaWire(kafkaClient(options, 0, notice), { topic, outageMsMax })
    try {
      const kafka = kafkaClient(options, Math.min(outageMsMax, LIBRARY_PATIENT_MS), notice)
      if ((await wire.find()) === null) await makeTopic(kafka, options, recordBytesMax)
      await wire.refresh()
      const limits = await wire.persist('reading the topic configuration', () =>
        asAdmin(kafka, (admin) => topicLimits(admin, topic)),
      )
      if (limits.compacted)
        notice?.(
          `Kafka topic '${topic}' is compacted: records that it removes before they are read become unreported holes`,
        )
      return new KafkaLog(options, wire, kafka, limits, decoder)
    } catch (error) {
      await wire.close()
      throw error
    }
  }

  private constructor(
    options: KafkaLogOptions,
    wire: KafkaWire,
    kafka: Kafka,
    limits: TopicLimits,
    decoder: RecordDecoder,
  ) {
    this.#decoder = decoder
    const { clusterId, topicId } = wire.known
    this.identity = `kafka:${clusterId}:${topicId}`
    this.#options = options
    this.#wire = wire
    this.#kafka = kafka
    this.#trim = new KafkaTrim(kafka, options.topic)
    const batchBytesMax = limits.batchBytesMax - BATCH_OVERHEAD_BYTES
    const recordBytesMax = Math.min(options.recordBytesMax ?? MEBIBYTE, batchBytesMax)
    const topicEveryMs = options.topicEveryMs ?? TOPIC_EVERY_MS
    this.#appenderOptions = {
      topic: options.topic,
      compression: options.compression ?? 'gzip',
      recordBytesMax,
      sendBytesMax: Math.min(options.sendBytesMax ?? MEBIBYTE, batchBytesMax),
      sendRecordsMax: options.sendRecordsMax ?? 2_000,
      waitingBytesMax: options.waitingBytesMax ?? 64 * MEBIBYTE,
      requestMsMax: options.requestMsMax ?? REQUEST_MS_MAX,
      outageMsMax: options.outageMsMax ?? DEFAULT_OUTAGE_MS_MAX,
      topicEveryMs,
    }
    this.#appender = new KafkaAppender(kafka, this.#appenderOptions)
    this.#watch = setInterval(() => void this.#look(), topicEveryMs)
    this.#watch.unref()
  }

  get partitions(): number {
    return this.#wire.known.partitions.length
  }

  get refusal(): string | null {
    return this.#replaced?.message ?? null
  }

  async append(batches: readonly AppendBatch[]): Promise<readonly OffsetRange[]> {
    return this.#append(batches, () => this.#appender.append(batches))
  }

  async appendOnce(batches: readonly AppendBatch[], once: AppendOnce): Promise<AppendedOnce> {
    return this.#append(batches, () => {
      this.#keyed ??= this.#makeKeyed()
      return this.#keyed.appendOnce(batches, once)
    })
  }

  async #append<Result>(batches: readonly AppendBatch[], append: () => Promise<Result>): Promise<Result> {
    const partitions = batches.map(({ partition }) => partition)
    if (!this.#isKnown(...partitions)) await this.#find(...partitions)
    const appended = append()
    this.#appends.add(appended)
    try {
      return await appended
    } finally {
      this.#appends.delete(appended)
    }
  }

  #makeKeyed(): KafkaKeyedAppends {
    const { step, clock } = this.#options
    const limits = { ...DEFAULT_KEY_LIMITS, ...this.#options.keys }
    const topic = this.#sideTopic(keyTopic(limits.keepMs))
    const parts = { kafka: this.#kafka, wire: this.#wire, options: this.#appenderOptions, log: this.identity }
    return new KafkaKeyedAppends({ ...parts, limits, topic, clock, step })
  }

  readonly sources: SourceLedger = {
    list: () => this.#openSources().list(),
    claim: (source) => this.#openSources().claim(source),
    change: (source, change) => this.#openSources().change(source, change),
    append: (batches, by) => this.#append(batches, () => this.#openSources().append(batches, by)),
  }

  #openSources(): KafkaSources {
    this.#assertUsable()
    const { step, clock } = this.#options
    const parts = { kafka: this.#kafka, wire: this.#wire, options: this.#appenderOptions, log: this.identity }
    this.#sources ??= new KafkaSources({ ...parts, clock, step, topic: this.#sideTopic(SOURCE_TOPIC) })
    return this.#sources
  }

  #sideTopic(purpose: SidePurpose): KafkaSideTopic {
    const { outageMsMax = DEFAULT_OUTAGE_MS_MAX } = this.#options
    const asAdminHere = <Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> => asAdmin(this.#kafka, work)
    return new KafkaSideTopic({ settings: this.#options, outageMsMax, purpose, asAdmin: asAdminHere })
  }

  async range(partition: number): Promise<OffsetRange> {
    if (!this.#isKnown(partition)) await this.#find(partition)
    const { start, end } = await this.#wire.endsOf(partition)
    return { partition, start, end }
  }

  /** One request to each broker, and no wait for one that is unavailable: reads wait. */
  async ends(): Promise<readonly Offset[]> {
    this.#assertUsable()
    return this.#wire.lastOffsets()
  }

  async read(partition: number, from: Offset, limits: ReadLimits): Promise<RecordBatch | null> {
    if (!this.#isKnown(partition)) await this.#find(partition)
    const read = await this.#reader(partition).read(assertOffset(from, 'reading the log'), limits)
    if (!(read instanceof OutOfRange)) return read
    const range = await this.range(partition)
    if (from >= range.start && from <= range.end) return null
    throw new LogRangeError(from, range)
  }

  /** A read that is under way ends with the reader that it began with. */
  release(partition: number): void {
    this.#readers.delete(partition)
  }

  /** With trim 'broker' Kafka's own retention decides: nothing is done. With 'delete-records' other readers of the topic lose the records, too. */
  async trim(partition: number, before: Offset, olderThanMs: number): Promise<Offset> {
    const range = await this.range(partition)
    if (this.#options.trim !== 'delete-records' || before <= range.start) return range.start
    return this.#trim.trim(range, before, olderThanMs)
  }

  /** Sends pending appends, for at most `CLOSE_MS_MAX`, and disconnects. */
  close(): Promise<void> {
    this.#closing ??= this.#closeNow()
    return this.#closing
  }

  async #closeNow(): Promise<void> {
    clearInterval(this.#watch)
    await endsWithin(this.#appended(), CLOSE_MS_MAX)
    await this.#appender.close()
    await this.#trim.close()
    await this.#keyed?.close()
    await this.#sources?.close()
    await this.#wire.close()
  }

  async #appended(): Promise<void> {
    while (this.#appends.size > 0) await Promise.allSettled(this.#appends)
  }

  #reader(partition: number): KafkaPartitionReader {
    const { fetchBytesMax = 4 * MEBIBYTE, recordBytesMax = MEBIBYTE } = this.#options
    const reader =
      this.#readers.get(partition) ??
      new KafkaPartitionReader({
        partition,
        fetch: (from, bytesMax, lastEpoch) => this.#wire.fetch(partition, from, bytesMax, lastEpoch),
        decoder: this.#decoder,
        fetchBytesMax,
        recordBytesMax,
      })
    this.#readers.set(partition, reader)
    return reader
  }

  /** Detects added partitions, and a replaced topic. A failed check is retried. */
  async #look(): Promise<void> {
    try {
      await this.#wire.refresh()
    } catch (error) {
      if (error instanceof KafkaTopicError && error.reason === 'replaced') this.#replaced = error
    }
  }

  #isKnown(...partitions: readonly number[]): boolean {
    this.#assertUsable()
    return partitions.every((partition) => this.#wire.known.partitions[partition] !== undefined)
  }

  /** An unknown partition may have been added since the last check. @throws RangeError if it was not */
  async #find(...partitions: readonly number[]): Promise<void> {
    await this.#wire.refresh()
    this.#assertUsable()
    for (const partition of partitions) assertPartition(this, partition)
  }

  #assertUsable(): void {
    if (this.#closing) throw new KafkaTopicError(this.#options.topic, 'closed', 'it is closed')
    if (this.#replaced) throw this.#replaced
  }
}

async function decoderOf({ format = 'json', registry, topic }: KafkaLogOptions): Promise<RecordDecoder> {
  if (format === 'json') return jsonRecords
  if (registry === undefined)
    throw new KafkaTopicError(
      topic,
      'refused',
      "the record format is 'confluent', but no schema registry is configured; set its address",
    )
  const { confluentRecords } = await import('./confluent-records.ts')
  return confluentRecords(registry)
}

async function makeTopic(kafka: Kafka, options: KafkaLogOptions, recordBytesMax: number): Promise<void> {
  if (options.createTopic === false) {
    const why = 'the topic does not exist, and createTopic is off; create the topic, or turn createTopic on'
    throw new KafkaTopicError(options.topic, 'missing', why)
  }
  await asAdmin(kafka, (admin) => createTopic(admin, options, recordBytesMax))
}

async function asAdmin<Result>(kafka: Kafka, work: (admin: Admin) => Promise<Result>): Promise<Result> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
