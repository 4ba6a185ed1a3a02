/**
 * Appends to a topic. Each partition has its own lane: waiting records are sent together, with one send in flight per partition,
 * so the order of the calls is the order in the log, and a partition without a leader does not block the others.
 *
 * Guarantee: a send is acknowledged when all in-sync replicas have it; repeats inside of a send are recognised by the broker
 * (idempotent producer), so an acknowledged record is there once. Three rules keep that true with kafkajs 2.2.4:
 *  - one partition per send: with several, the library silently drops a partition whose leader moves between two attempts;
 *  - a producer on which a send was abandoned is never used again: the next send would reuse its sequence numbers, and the broker
 *    would drop it as a duplicate of the abandoned one;
 *  - a producer is replaced long before its 31-bit sequence overflows: the library restarts at 0, which no broker accepts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka, Message, Producer } from 'kafkajs'
import { Backoff } from '#core/backoff.ts'
import { endsWithin } from '#core/ends-within.ts'
import type { OffsetRange } from '#core/offsets.ts'
import { ByteGate } from '../byte-gate.ts'
import type { AppendBatch } from '../event-log.ts'
import { bytesOf } from '../log-blocks.ts'
import { COMPRESSION, registerCodecs } from './kafka-codecs.ts'
import { baseOffset, blocksToSend, joined, messagesOf } from './kafka-messages.ts'
import { explained, isFinal } from './kafka-send-errors.ts'
import { type KafkaCompression, KafkaTopicError } from './kafka-settings.ts'

export interface KafkaAppenderOptions {
  readonly topic: string
  readonly compression: KafkaCompression
  readonly recordBytesMax: number
  readonly sendBytesMax: number
  readonly sendRecordsMax: number
  readonly waitingBytesMax: number
  readonly requestMsMax: number
  /** how long a send is retried */
  readonly outageMsMax: number
  /** maximum age of the producer's topic metadata: a new partition is unknown to it for up to this long */
  readonly topicEveryMs: number
}

/** A block that waits to be sent. */
interface Waiting {
  readonly block: AppendBatch
  readonly resolve: (range: OffsetRange) => void
  readonly reject: (error: unknown) => void
}

interface Lane {
  readonly waiting: Waiting[]
  sending: boolean
}

/** A producer and how much it has sent to each partition. `retired`: no new send may use it. */
interface Sender {
  readonly producer: Producer
  readonly connected: Promise<void>
  readonly sent: Map<number, number>
  users: number
  retired: boolean
}

/** how long closing waits for producers to disconnect */
const GOODBYE_MS_MAX = 2_000
const SENT_MAX = 2 ** 30
const RETRY_WAITS = { waitMsFirst: 200, waitMsMax: 200 }

export class KafkaAppender {
  readonly #kafka: Kafka
  readonly #options: KafkaAppenderOptions
  readonly #gate: ByteGate
  readonly #lanes = new Map<number, Lane>()
  readonly #retiring = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  #sender: Sender | null = null

  constructor(kafka: Kafka, options: KafkaAppenderOptions) {
    registerCodecs()
    this.#kafka = kafka
    this.#options = options
    this.#gate = new ByteGate(options.waitingBytesMax)
  }

  /** @throws RangeError before anything is sent; KafkaUnavailableError when some of it may be in the log */
  async append(batches: readonly AppendBatch[]): Promise<readonly OffsetRange[]> {
    const blocks = batches.map((batch) => blocksToSend(batch, this.#options))
    const bytes = bytesOf(batches)
    await this.#gate.enter(bytes)
    try {
      // Enqueued synchronously, in the order of the calls: nothing is awaited between two lanes.
      const sent = blocks.map((own) => own.map((block) => this.#enqueue(block)))
      const settled = await Promise.allSettled(sent.flat())
      const failed = settled.find((one) => one.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      return (await Promise.all(sent.map((own) => Promise.all(own)))).flatMap(joined)
    } finally {
      this.#gate.leave(bytes)
    }
  }

  /** Appends still in flight fail soon: they may or may not be in the log. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (this.#sender !== null) this.#retire(this.#sender)
    await endsWithin(Promise.all(this.#retiring), GOODBYE_MS_MAX)
  }

  #enqueue(block: AppendBatch): Promise<OffsetRange> {
    const lane = this.#lanes.get(block.partition) ?? { waiting: [], sending: false }
    this.#lanes.set(block.partition, lane)
    return new Promise((resolve, reject) => {
      lane.waiting.push({ block, resolve, reject })
      if (!lane.sending) void this.#drain(block.partition, lane)
    })
  }

  async #drain(partition: number, lane: Lane): Promise<void> {
    lane.sending = true
    while (lane.waiting.length > 0) {
      const group = lane.waiting.splice(0, this.#groupSize(lane.waiting))
      try {
        let start = await this.#send(partition, group)
        for (const { block, resolve } of group) {
          resolve({ partition, start, end: start + block.count })
          start += block.count
        }
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    lane.sending = false
  }

  /** Number of waiting blocks to send together: at least one. */
  #groupSize(waiting: readonly Waiting[]): number {
    const { sendBytesMax, sendRecordsMax } = this.#options
    let [bytes, records] = [0, 0]
    const over = waiting.findIndex(({ block }, index) => {
      bytes += block.lines.length
      records += block.count
      return index > 0 && (bytes > sendBytesMax || records > sendRecordsMax)
    })
    return over < 0 ? waiting.length : over
  }

  /** Returns the offset of the first record. */
  async #send(partition: number, group: readonly Waiting[]): Promise<number> {
    const { topic } = this.#options
    if (this.#closing.signal.aborted) throw new KafkaTopicError(topic, 'closed', 'it was closed before this was sent')
    const messages = group.flatMap(({ block }) => messagesOf(block))
    const sender = await this.#connected(partition, messages.length)
    const tries = this.#tries()
    try {
      // The library resets the sequence numbers of a failed send: the same records, sent again on the same producer without
      // other records of the partition in between, are the same batch to the broker, which stores it once.
      for (;;) {
        try {
          return await this.#sendOnce(sender.producer, partition, messages)
        } catch (error) {
          const waitMs = isFinal(error as Error) ? null : tries.nextMs()
          if (waitMs === null || this.#closing.signal.aborted) {
            this.#retire(sender)
            throw explained(error as Error, topic, partition, messages.length, tries.passedMs)
          }
          await this.#pause(waitMs)
        }
      }
    } finally {
      sender.users--
      if (sender.retired) this.#disconnectUnused(sender)
    }
  }

  async #sendOnce(producer: Producer, partition: number, messages: Message[]): Promise<number> {
    const { topic, compression, requestMsMax } = this.#options
    const sent = { topic, acks: -1, compression: COMPRESSION[compression], timeout: requestMsMax, messages }
    return baseOffset(await producer.send(sent), partition)
  }

  /** A producer that has connected: a failure before that has sent nothing. */
  async #connected(partition: number, records: number): Promise<Sender> {
    const tries = this.#tries()
    for (;;) {
      const sender = this.#take(partition, records)
      try {
        await sender.connected
        return sender
      } catch (error) {
        sender.users--
        this.#retire(sender)
        const waitMs = tries.nextMs()
        if (waitMs === null || this.#closing.signal.aborted)
          throw explained(error as Error, this.#options.topic, partition, records, tries.passedMs)
        await this.#pause(waitMs)
      }
    }
  }

  #tries(): Backoff {
    return new Backoff({ ...RETRY_WAITS, retryMsMax: this.#options.outageMsMax })
  }

  /** Ends early if the log is closed. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {})
  }

  #take(partition: number, records: number): Sender {
    if ((this.#sender?.sent.get(partition) ?? 0) + records > SENT_MAX) this.#retire(this.#sender!)
    this.#sender ??= this.#makeSender()
    const { sent } = this.#sender
    sent.set(partition, (sent.get(partition) ?? 0) + records)
    this.#sender.users++
    return this.#sender
  }

  #makeSender(): Sender {
    const producer = this.#kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      metadataMaxAge: this.#options.topicEveryMs,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    })
    const connected = producer.connect()
    connected.catch(() => {})
    return { producer, connected, sent: new Map(), users: 0, retired: false }
  }

  /** No new send uses it; it is disconnected when its last send has finished. */
  #retire(sender: Sender): void {
    if (this.#sender === sender) this.#sender = null
    sender.retired = true
    this.#disconnectUnused(sender)
  }

  #disconnectUnused(sender: Sender): void {
    if (sender.users > 0) return
    const gone = sender.producer.disconnect().catch(() => {})
    this.#retiring.add(gone)
    void gone.then(() => this.#retiring.delete(gone))
  }
}
