/** Transactional producers of which only the newest with an id can commit, and sending an append's blocks in one transaction. */
import type { Kafka, Message, Producer, Transaction } from 'kafkajs'
import { endsWithin } from '#core/ends-within.ts'
import type { OffsetRange } from '#core/offsets.ts'
import type { AppendBatch } from '../event-log.ts'
import type { KafkaAppenderOptions } from './kafka-appender.ts'
import { COMPRESSION } from './kafka-codecs.ts'
import { baseOffset, joined, messagesOf } from './kafka-messages.ts'

/** The broker aborts a transaction whose owner is silent for this long: so long can a process that dies hold up readers. */
const TRANSACTION_MS_MAX = 15_000
/** how long closing waits for producers to disconnect */
const GOODBYE_MS_MAX = 2_000

type SendOptions = Pick<KafkaAppenderOptions, 'topic' | 'compression' | 'requestMsMax'>

/** A producer that owns its transactional id until another one is made with it. */
export interface Owner {
  readonly producer: Producer
  /** begun, but nothing was sent in it yet; null: the next one has to be begun */
  ready: Transaction | null
}

/** Takes the transactional id: what an earlier owner began is completed or aborted, and that owner can commit nothing more. */
export async function ownProducer(
  kafka: Kafka,
  transactionalId: string,
  { topicEveryMs }: Pick<KafkaAppenderOptions, 'topicEveryMs'>,
): Promise<Owner> {
  const producer = kafka.producer({
    transactionalId,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: TRANSACTION_MS_MAX,
    allowAutoTopicCreation: false,
    metadataMaxAge: topicEveryMs,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition!,
  })
  try {
    await producer.connect()
    // Initialises the producer: earlier owners are fenced from here on.
    return { producer, ready: await producer.transaction() }
  } catch (error) {
    await sayGoodbye(producer)
    throw error
  }
}

export async function sayGoodbye(producer: Producer): Promise<void> {
  await endsWithin(
    producer.disconnect().catch(() => {}),
    GOODBYE_MS_MAX,
  )
}

/** The first block of each partition, then the second one of each, and so on. A batch's ranges are in the order of its lines. */
export async function sendAll(
  transaction: Transaction,
  blocks: readonly (readonly AppendBatch[])[],
  options: SendOptions,
): Promise<readonly OffsetRange[]> {
  const ranges: OffsetRange[][] = blocks.map(() => [])
  const queues = [
    ...Map.groupBy(
      blocks.flatMap((own, batch) => own.map((block) => ({ batch, block }))),
      ({ block }) => block.partition,
    ).values(),
  ]
  for (let round = 0; queues.some((queue) => queue.length > round); round++) {
    const parts = queues.filter((queue) => queue.length > round).map((queue) => queue[round]!)
    const sent = parts.map(({ block }) => ({ partition: block.partition, messages: messagesOf(block) }))
    const places = await sendParts(transaction, options.topic, sent, options)
    for (const [at, { batch }] of parts.entries()) ranges[batch]!.push(places[at]!)
  }
  return ranges.flatMap(joined)
}

interface SentPart {
  readonly partition: number
  readonly messages: Message[]
}

/**
 * Sends to several partitions at once, which outside of a transaction would not be safe (see KafkaAppender): a partition that the
 * library drops has no offset in its response, and the transaction is given up.
 */
export async function sendParts(
  transaction: Transaction,
  topic: string,
  parts: readonly SentPart[],
  { compression, requestMsMax }: Omit<SendOptions, 'topic'>,
): Promise<readonly OffsetRange[]> {
  const messages = parts.flatMap((part) => part.messages)
  const sent = { topic, acks: -1, compression: COMPRESSION[compression], timeout: requestMsMax, messages }
  const answers = await transaction.send(sent)
  return parts.map(({ partition, messages: { length } }) => {
    const start = baseOffset(answers, partition)
    return { partition, start, end: start + length }
  })
}
