/**
 * Makes sure that partitions know the fate of the transactions of a transactional id. A coordinator that starts can note a decided
 * transaction as complete without having told the partitions (seen with a broker of Kafka 4.3.1 that was killed right after a commit).
 * The records stay invisible then, they hold up every reader of the partition, and the next transaction of the same producer decides
 * them together with its own, whatever was decided before.
 *
 *  1. A transaction is acknowledged when no partition has it open any more (`closed`). So what is ever found open was not acknowledged:
 *     both fates are right for it, if they are the same in all of its partitions.
 *  2. The owner of an id ends what is open before it reads the id's records in the side topic (keys, positions), or appends (`settle`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Backoff } from '#core/backoff.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { rangesOf } from '../append-once.ts'
import { isAbortMarker, readHead, recordsOf } from './kafka-records.ts'
import { KAFKA_ERRORS, NO_EPOCH } from './kafka-requests.ts'
import type { KafkaSideTopic } from './kafka-side-topic.ts'
import type { OpenTransaction } from './kafka-transaction-requests.ts'
import type { BrokerOfLibrary, KafkaWire } from './kafka-wire.ts'

export interface ClosedTransactionsParts {
  readonly transactionalId: string
  /** of the log's topic */
  readonly topic: string
  readonly wire: KafkaWire
  readonly side: KafkaSideTopic
  /** of the side topic, in which each transaction of the id writes one record, its last, with the ranges of the others */
  readonly partition: number
  /** whether a record of that partition is of this id */
  readonly isOwn: (line: string) => boolean
  /** the last record of the id that is decided begins at most so many offsets before the partition's end */
  readonly tailOffsets: number
}

/** Where a transaction is open: partitions of the log, and whether the side topic is one. */
interface Hanging {
  readonly records: readonly OpenTransaction[]
  readonly side: OpenTransaction | null
}

const CLOSED_WAITS = { waitMsFirst: 1, waitMsMax: 100, retryMsMax: 5_000 }
const FETCH_BYTES_MAX = 1024 * 1024

export class ClosedTransactions {
  readonly #parts: ClosedTransactionsParts
  /** of the last owner that was looked up */
  #producerId = -1n

  constructor(parts: ClosedTransactionsParts) {
    this.#parts = parts
  }

  /** Ends what is open. To be called by the owner of the id. @throws when it has another owner by now */
  async settle(): Promise<void> {
    const { transactionalId, topic, wire, side: own } = this.#parts
    for (;;) {
      const { producerId, producerEpoch, coordinator } = await wire.transactionOwner(transactionalId)
      this.#producerId = producerId
      const { records, side } = await this.#hanging(wire.known.partitions.map(({ partition }) => partition))
      if (records.length === 0 && side === null) return
      const transaction = { transactionalId, producerId: String(producerId), producerEpoch }
      const topics = [
        { topic, partitions: records.map(({ partition }) => partition) },
        { topic: own.name, partitions: side === null ? [] : [side.partition] },
      ].filter(({ partitions }) => partitions.length > 0)
      const isCommitted = await this.#isCommitted({ records, side })
      await end(coordinator, { ...transaction, topics, isCommitted })
      await this.closed(records)
    }
  }

  /** Waits until no partition has the transaction open. @param ranges of its records @throws when one still has after a while */
  async closed(ranges: readonly Pick<OffsetRange, 'partition'>[]): Promise<void> {
    const partitions = [...new Set(ranges.map(({ partition }) => partition))]
    const tries = new Backoff(CLOSED_WAITS)
    for (;;) {
      const { records, side } = await this.#hanging(partitions)
      if (records.length === 0 && side === null) return
      const waitMs = tries.nextMs()
      if (waitMs === null) throw new Error('the transaction ended, but its partitions have not been told')
      await sleep(waitMs)
    }
  }

  async #hanging(partitions: readonly number[]): Promise<Hanging> {
    const { wire, side, partition } = this.#parts
    const [records, inSide] = await Promise.all([
      wire.openTransactions(partitions),
      side.wire.openTransactions([partition]),
    ])
    const isOwn = ({ producerId }: OpenTransaction): boolean => producerId === this.#producerId
    return { records: records.filter(isOwn), side: inSide.find(isOwn) ?? null }
  }

  /** The fate that partitions already know; if none does: whether the transaction is whole, which its record in the side topic shows, written last. */
  async #isCommitted({ records, side }: Hanging): Promise<boolean> {
    const { side: topic, partition, tailOffsets, isOwn } = this.#parts
    if (side === null) await topic.decided(partition)
    const { end } = await topic.wire.endsOf(partition)
    const line = await topic.lastFrom(partition, side?.start ?? end - tailOffsets, side !== null, isOwn)
    const ranges = line === null ? [] : rangesOf((JSON.parse(line) as { ranges: string }).ranges)
    const isOf = ({ partition, start }: OpenTransaction): boolean =>
      ranges.some((range) => range.partition === partition && range.start === start)
    if (line === null || !records.every(isOf)) return false
    const told = ranges.filter(({ partition }) => !records.some((open) => open.partition === partition))
    for (const range of told) if (await this.#isAborted(range)) return false
    return true
  }

  /** Whether the partition knows that the records were aborted. Records that retention removed count as committed. */
  async #isAborted({ partition, start }: OffsetRange): Promise<boolean> {
    for (let at: Offset = start; ; ) {
      const { errorCode, records } = await this.#parts.wire.fetch(partition, at, FETCH_BYTES_MAX, NO_EPOCH, true)
      if (errorCode === KAFKA_ERRORS.offsetOutOfRange) return false
      const from = at
      for (let byte = 0, head = readHead(records, 0); head !== null; head = readHead(records, byte)) {
        if (head.control && head.producerId === this.#producerId && head.lastOffset >= start)
          return isAbortMarker(await recordsOf(records, byte, head))
        byte += head.bytes
        at = head.lastOffset + 1
      }
      if (at === from) throw new Error(`partition ${partition} knows no fate of the records at offset ${start}`)
    }
  }
}

interface Ended {
  readonly transactionalId: string
  readonly producerId: string
  readonly producerEpoch: number
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
  readonly isCommitted: boolean
}

/** A transaction without records, for the sake of its markers. */
async function end(coordinator: BrokerOfLibrary, { topics, isCommitted, ...own }: Ended): Promise<void> {
  await coordinator.addPartitionsToTxn({ ...own, topics })
  await coordinator.endTxn({ ...own, transactionResult: isCommitted })
}
