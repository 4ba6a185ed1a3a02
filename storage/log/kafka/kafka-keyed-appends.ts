/**
 * Appends that count once under a key, on Kafka (docs/decisions/0006-idempotency-keys.md). A second topic remembers the keys. A key belongs to
 * one of its partitions, its slot, and a slot to the process that initialised the producer with the slot's transactional id last.
 *
 *  1. Records and key are written in one transaction: both are there, or neither.
 *  2. Initialising the producer of a slot ends or aborts what an earlier owner began, and fences that owner: nothing of it can follow.
 *  3. The new owner then reads the slot's partition to its end, so it knows every key of the window before it appends.
 *  4. What Kafka left open of decided transactions is ended before that, and a transaction is acknowledged when it is open nowhere (see ClosedTransactions).
 *  5. After any fault the slot is given up, and owned again from 2 on: whether the transaction took place is read, never assumed.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { Kafka } from 'kafkajs'
import pLimit from 'p-limit'
import { Backoff } from '#core/backoff.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import {
  type AppendedOnce,
  type AppendOnce,
  type KeyLimits,
  KeyReusedError,
  rangesOf,
  rangesText,
  TooManyKeysError,
} from '../append-once.ts'
import { ByteGate } from '../byte-gate.ts'
import type { AppendBatch } from '../event-log.ts'
import { KeptKeys } from '../kept-keys.ts'
import { bytesOf } from '../log-blocks.ts'
import type { KafkaAppenderOptions } from './kafka-appender.ts'
import { ClosedTransactions } from './kafka-closed-transactions.ts'
import { blocksToSend } from './kafka-messages.ts'
import { explained, isRefused } from './kafka-send-errors.ts'
import { KafkaTopicError } from './kafka-settings.ts'
import { type KafkaSideTopic, KEY_SLOTS } from './kafka-side-topic.ts'
import { type Owner, ownProducer, sayGoodbye, sendAll, sendParts } from './kafka-transaction.ts'
import type { KafkaWire } from './kafka-wire.ts'

export interface KafkaKeyedParts {
  readonly kafka: Kafka
  readonly options: KafkaAppenderOptions
  /** of the log: keys of another one, whose topic had the same name, do not count */
  readonly log: string
  /** of the whole topic; each slot has its share */
  readonly limits: KeyLimits
  /** the topic of the keys, made when it is used first */
  readonly topic: KafkaSideTopic
  /** of the log's topic */
  readonly wire: KafkaWire
  /** epoch ms */
  readonly clock?: () => number
  readonly step?: StepHook
}

const RETRY_WAITS = { waitMsFirst: 50, waitMsMax: 1_000 }
/** the last key of a slot is found within so many offsets of its end: each key is followed by one marker */
const TAIL_OFFSETS = 16

export class KafkaKeyedAppends {
  readonly #parts: KafkaKeyedParts
  readonly #gate: ByteGate
  readonly #slots: readonly Slot[]

  constructor(parts: KafkaKeyedParts) {
    this.#parts = parts
    this.#gate = new ByteGate(parts.options.waitingBytesMax)
    this.#slots = Array.from({ length: KEY_SLOTS }, (_, number) => new Slot(number, parts))
  }

  /** @throws KeyReusedError, TooManyKeysError, RangeError before anything is sent; KafkaUnavailableError, after which a repeat tells what is in the log */
  async appendOnce(batches: readonly AppendBatch[], once: AppendOnce): Promise<AppendedOnce> {
    const blocks = batches.map((batch) => blocksToSend(batch, this.#parts.options))
    const bytes = bytesOf(batches)
    await this.#gate.enter(bytes)
    try {
      return await this.#slots[crc32(once.key) % KEY_SLOTS]!.append(blocks, once)
    } finally {
      this.#gate.leave(bytes)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()))
    await this.#parts.topic.close()
  }
}

class Slot {
  readonly #number: number
  readonly #parts: KafkaKeyedParts
  readonly #transactionalId: string
  readonly #kept: KeptKeys
  readonly #transactions: ClosedTransactions
  readonly #one = pLimit(1)
  readonly #closing = new AbortController()
  #owner: Owner | null = null
  /** up to which keys were read; null: from the beginning of the window */
  #read: Offset | null = null

  constructor(number: number, parts: KafkaKeyedParts) {
    const { keysMax, bytesMax, keepMs } = parts.limits
    const share = { keepMs, keysMax: Math.ceil(keysMax / KEY_SLOTS), bytesMax: Math.ceil(bytesMax / KEY_SLOTS) }
    this.#number = number
    this.#parts = parts
    this.#kept = new KeptKeys(share, parts.clock ?? Date.now)
    const { wire, topic: side, options } = parts
    this.#transactionalId = `${side.name}-${number}`
    this.#transactions = new ClosedTransactions({
      transactionalId: this.#transactionalId,
      topic: options.topic,
      wire,
      side,
      partition: number,
      isOwn: () => true,
      tailOffsets: TAIL_OFFSETS,
    })
  }

  append(blocks: readonly (readonly AppendBatch[])[], once: AppendOnce): Promise<AppendedOnce> {
    // Waiting for others counts, so that a queue behind brokers that are away does not wait for each of them in turn.
    const tries = new Backoff({ ...RETRY_WAITS, retryMsMax: this.#parts.options.outageMsMax })
    return this.#one(() => this.#append(blocks, once, tries))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#one(() => this.#giveUp())
  }

  async #append(blocks: readonly (readonly AppendBatch[])[], once: AppendOnce, tries: Backoff): Promise<AppendedOnce> {
    const { topic } = this.#parts.options
    const attempt: Attempt = { ...once, by: randomUUID() }
    for (;;) {
      if (this.#closing.signal.aborted) throw new KafkaTopicError(topic, 'closed', 'it was closed before this was sent')
      try {
        const earlier = this.#kept.find(once)
        if (earlier !== null) return { ranges: earlier, repeated: true }
        if (this.#owner === null) {
          const committed = await this.#takeOver(attempt)
          const found = this.#kept.find(once)
          if (found !== null) return { ranges: found, repeated: !committed }
        }
        if (blocks.length === 0) return { ranges: [], repeated: false }
        this.#kept.assertRoom()
        return { ranges: await this.#transact(blocks, attempt), repeated: false }
      } catch (error) {
        if (error instanceof KeyReusedError || error instanceof TooManyKeysError) throw error
        await this.#giveUp()
        const waitMs = error instanceof KafkaTopicError || isRefused(error as Error) ? null : tries.nextMs()
        if (waitMs === null) throw this.#explained(error as Error, blocks, tries.passedMs)
        await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {})
      }
    }
  }

  #explained(error: Error, blocks: readonly (readonly AppendBatch[])[], passedMs: number): Error {
    if (error instanceof KafkaTopicError) return error
    const records = blocks.flat().reduce((sum, { count }) => sum + count, 0)
    return explained(error, this.#parts.options.topic, blocks[0]?.[0]?.partition ?? 0, records, passedMs)
  }

  /** Owns the slot, and reads what earlier owners appended. @returns whether an earlier transaction of this attempt was committed */
  async #takeOver({ by: own }: Attempt): Promise<boolean> {
    this.#owner = await this.#own()
    await this.#transactions.settle()
    const { topic, limits, log: ownLog, clock = Date.now } = this.#parts
    const from = this.#read === null ? { sinceMs: clock() - limits.keepMs } : { offset: this.#read }
    let committed = false
    this.#read = await topic.read(this.#number, from, (line, atMs) => {
      const { log, key, fingerprint, by, ranges } = JSON.parse(line) as KeyRecord
      if (log !== ownLog) return
      this.#kept.add(key, { fingerprint, ranges: rangesOf(ranges), atMs })
      committed ||= by === own
    })
    return committed
  }

  async #own(): Promise<Owner> {
    const { kafka, options, topic } = this.#parts
    await topic.made()
    return ownProducer(kafka, this.#transactionalId, options)
  }

  async #transact(
    blocks: readonly (readonly AppendBatch[])[],
    { key, fingerprint, by }: Attempt,
  ): Promise<readonly OffsetRange[]> {
    const { topic, log, options, clock = Date.now, step = noSteps } = this.#parts
    const owner = this.#owner!
    const transaction = owner.ready ?? (await owner.producer.transaction())
    owner.ready = null
    const ranges = await sendAll(transaction, blocks, options)
    const value = JSON.stringify({ log, key, fingerprint, by, ranges: rangesText(ranges) } satisfies KeyRecord)
    const message = { partition: this.#number, key, value }
    const parts = [{ partition: this.#number, messages: [message] }]
    const [place] = await sendParts(transaction, topic.name, parts, options)
    await step('append:before-commit')
    await transaction.commit()
    await step('append:committed')
    await this.#transactions.closed(ranges)
    this.#kept.add(key, { fingerprint, ranges, atMs: clock() })
    this.#read = place!.end
    return ranges
  }

  /** The next append owns the slot anew. What the transaction became is decided then. */
  async #giveUp(): Promise<void> {
    const owner = this.#owner
    this.#owner = null
    if (owner !== null) await sayGoodbye(owner.producer)
  }
}

/** One append with all its tries, distinct from repeats of it. */
interface Attempt extends AppendOnce {
  readonly by: string
}

interface KeyRecord {
  /** identity */
  readonly log: string
  readonly key: string
  readonly fingerprint: string
  /** the attempt that wrote it */
  readonly by: string
  /** see rangesText */
  readonly ranges: string
}
