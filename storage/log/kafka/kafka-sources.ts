/**
 * The positions of sources on Kafka (docs/decisions/0007-source-cursors.md): records of a compacted topic beside the log's topic, the newest of
 * each source counts. Each source has a transactional id, which belongs to the process that initialised a producer with it last.
 *
 *  1. Records and position are written in one transaction: both are there, or neither.
 *  2. Initialising a producer ends or aborts what an earlier owner of the id began, and fences that owner: nothing of it can follow.
 *  3. The new owner then reads the topic to its end, and writes only if the position has the epoch that it claims.
 *  4. What Kafka left open of decided transactions is ended before that, and a transaction is acknowledged when it is open nowhere (see ClosedTransactions).
 *  5. After any fault the producer is given up, and made again from 2 on: whether the transaction took place is read, never assumed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka, Transaction } from 'kafkajs'
import pLimit from 'p-limit'
import { Backoff } from '#core/backoff.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { AppendBatch } from '../append-batch.ts'
import { rangesText } from '../append-once.ts'
import { ByteGate } from '../byte-gate.ts'
import { bytesOf } from '../log-blocks.ts'
import {
  advanced,
  assertCursor,
  changed,
  newPosition,
  recordsOf,
  type SourceAppend,
  type SourceChange,
  type SourceLedger,
  SourceMovedError,
  type SourcePosition,
} from '../source-ledger.ts'
import type { KafkaAppenderOptions } from './kafka-appender.ts'
import { ClosedTransactions } from './kafka-closed-transactions.ts'
import { blocksToSend } from './kafka-messages.ts'
import { explained, isRefused } from './kafka-send-errors.ts'
import { KafkaTopicError, KafkaUnavailableError } from './kafka-settings.ts'
import type { KafkaSideTopic } from './kafka-side-topic.ts'
import { type Owner, ownProducer, sayGoodbye, sendAll, sendParts } from './kafka-transaction.ts'
import type { KafkaWire } from './kafka-wire.ts'

export interface KafkaSourceParts {
  readonly kafka: Kafka
  readonly options: KafkaAppenderOptions
  /** of the log: positions in another one, whose topic had the same name, do not count */
  readonly log: string
  readonly topic: KafkaSideTopic
  /** of the log's topic */
  readonly wire: KafkaWire
  /** epoch ms */
  readonly clock?: () => number
  readonly step?: StepHook
}

interface StoredPosition extends SourcePosition {
  /** identity */
  readonly log: string
  /** of the records of the same transaction, see rangesText */
  readonly ranges: string
}

interface OwnedSource extends Owner {
  readonly transactions: ClosedTransactions
}

const RETRY_WAITS = { waitMsFirst: 50, waitMsMax: 1_000 }

export class KafkaSources implements SourceLedger {
  readonly #parts: KafkaSourceParts
  readonly #gate: ByteGate
  readonly #one = pLimit(1)
  readonly #closing = new AbortController()
  readonly #owners = new Map<string, OwnedSource>()
  readonly #positions = new Map<string, SourcePosition>()
  /** of a source's newest position: an own commit is known before what stands before it can be read */
  readonly #offsets = new Map<string, Offset>()
  /** up to which the topic was read */
  #read: Offset = 0

  constructor(parts: KafkaSourceParts) {
    this.#parts = parts
    this.#gate = new ByteGate(parts.options.waitingBytesMax)
  }

  list(): Promise<readonly SourcePosition[]> {
    return this.#persist('reading the positions of sources', async () => {
      await this.#parts.topic.made()
      await this.#look()
      return [...this.#positions.values()].toSorted((a, b) => (a.source < b.source ? -1 : 1))
    })
  }

  claim(source: string): Promise<SourcePosition> {
    return this.change(source, {})
  }

  /** The one who changes a source owns it, so that a former owner is fenced. */
  change(source: string, change: SourceChange): Promise<SourcePosition> {
    return this.#persist(`changing source '${source}'`, async () => {
      await this.#giveUp(source)
      const owner = await this.#own(source)
      const position = changed(this.#positions.get(source) ?? newPosition(source), change)
      await this.#commit(owner, position, async () => [])
      return position
    })
  }

  async append(batches: readonly AppendBatch[], by: SourceAppend): Promise<readonly OffsetRange[]> {
    assertCursor(by.source, by.cursor)
    const blocks = batches.map((batch) => blocksToSend(batch, this.#parts.options))
    const bytes = bytesOf(batches)
    await this.#gate.enter(bytes)
    try {
      return await this.#one(() => this.#append(blocks, by))
    } finally {
      this.#gate.leave(bytes)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#one(async () => {
      for (const source of [...this.#owners.keys()]) await this.#giveUp(source)
    })
    await this.#parts.topic.close()
  }

  /** One try: after a fault its caller claims the source anew, and sees what became of it. */
  async #append(blocks: readonly (readonly AppendBatch[])[], by: SourceAppend): Promise<readonly OffsetRange[]> {
    const { options, clock = Date.now } = this.#parts
    const beganMs = performance.now()
    try {
      this.#assertOpen()
      // Owning fences others: one who lost its claim must not do that.
      if (!this.#owners.has(by.source)) await this.#assertHeld(by)
      const owner = this.#owners.get(by.source) ?? (await this.#own(by.source))
      const position = this.#positions.get(by.source)
      if (position?.epoch !== by.epoch) throw new SourceMovedError(by.source)
      const next = advanced(position, by.cursor, recordsOf(blocks.flat()), clock())
      return await this.#commit(owner, next, (transaction) => sendAll(transaction, blocks, options))
    } catch (error) {
      if (error instanceof SourceMovedError || error instanceof KafkaTopicError) throw error
      await this.#giveUp(by.source)
      throw await this.#movedOr(error as Error, blocks.flat(), by, beganMs)
    }
  }

  /** A fenced producer fails like an unavailable broker; the topic tells which it was. */
  async #movedOr(error: Error, blocks: readonly AppendBatch[], by: SourceAppend, beganMs: number): Promise<Error> {
    await this.#look().catch(() => {})
    if (this.#positions.get(by.source)?.epoch !== by.epoch) return new SourceMovedError(by.source)
    const { topic } = this.#parts.options
    return explained(error, topic, blocks[0]?.partition ?? 0, recordsOf(blocks), performance.now() - beganMs)
  }

  async #assertHeld({ source, epoch }: SourceAppend): Promise<void> {
    await this.#parts.topic.made()
    await this.#look()
    if (this.#positions.get(source)?.epoch !== epoch) throw new SourceMovedError(source)
  }

  async #own(source: string): Promise<OwnedSource> {
    const { kafka, options, topic, wire } = this.#parts
    await topic.made()
    const transactionalId = `${topic.name}-${source}`
    const producer = await ownProducer(kafka, transactionalId, options)
    const transactions = new ClosedTransactions({
      transactionalId,
      topic: options.topic,
      wire,
      side: topic,
      partition: 0,
      isOwn: (line) => (JSON.parse(line) as StoredPosition).source === source,
      tailOffsets: Number.POSITIVE_INFINITY,
    })
    const owner = { ...producer, transactions }
    this.#owners.set(source, owner)
    await transactions.settle()
    // Another source's transaction may hide the newest position of this one.
    await topic.decided(0)
    await this.#look()
    return owner
  }

  async #commit(
    owner: OwnedSource,
    position: SourcePosition,
    send: (transaction: Transaction) => Promise<readonly OffsetRange[]>,
  ): Promise<readonly OffsetRange[]> {
    const { topic, log, options, step = noSteps } = this.#parts
    const transaction = owner.ready ?? (await owner.producer.transaction())
    owner.ready = null
    const ranges = await send(transaction)
    const value = JSON.stringify({ log, ...position, ranges: rangesText(ranges) } satisfies StoredPosition)
    const message = { partition: 0, key: position.source, value }
    const [place] = await sendParts(transaction, topic.name, [{ partition: 0, messages: [message] }], options)
    await step('append:before-commit')
    await transaction.commit()
    await step('append:committed')
    await owner.transactions.closed(ranges)
    this.#know(position, place!.start)
    return ranges
  }

  /** Reads what was written since the last look. */
  async #look(): Promise<void> {
    const { topic, log: ownLog } = this.#parts
    this.#read = await topic.read(0, { offset: this.#read }, (line, _atMs, offset) => {
      const { log, ranges: _, ...position } = JSON.parse(line) as StoredPosition
      if (log === ownLog) this.#know(position, offset)
    })
  }

  #know(position: SourcePosition, offset: Offset): void {
    if ((this.#offsets.get(position.source) ?? -1) > offset) return
    this.#offsets.set(position.source, offset)
    this.#positions.set(position.source, position)
  }

  async #giveUp(source: string): Promise<void> {
    const owner = this.#owners.get(source)
    this.#owners.delete(source)
    if (owner !== undefined) await sayGoodbye(owner.producer)
  }

  #assertOpen(): void {
    const { topic } = this.#parts.options
    if (this.#closing.signal.aborted) throw new KafkaTopicError(topic, 'closed', 'it was closed before this was sent')
  }

  /** What can be repeated is, while brokers are unavailable. */
  #persist<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
    const { outageMsMax: retryMsMax, topic } = this.#parts.options
    const tries = new Backoff({ ...RETRY_WAITS, retryMsMax })
    return this.#one(async () => {
      for (;;) {
        this.#assertOpen()
        try {
          return await work()
        } catch (error) {
          const waitMs = error instanceof KafkaTopicError || isRefused(error as Error) ? null : tries.nextMs()
          if (waitMs === null) {
            if (error instanceof KafkaTopicError) throw error
            throw new KafkaUnavailableError(topic, doing, tries.passedMs, error as Error)
          }
          await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {})
        }
      }
    })
  }
}
