/**
 * Two requests that the client library does not offer, sent over its connections: metadata with the topic id, and a
 * fetch by topic id. A topic that was deleted and created again has another id, so a fetch by id can never return the
 * records of another topic under the offsets of this one. Supported by brokers from 3.1 on.
 */
import { KafkaReader, KafkaWriter } from './kafka-bytes.ts'

export const KAFKA_ERRORS = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopic: 3,
  topicAuthorization: 29,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
} as const

/** How the client library wants a request that it does not know itself. */
export interface RawRequest<Answer> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<Answer>
    readonly parse: (answer: Answer) => Promise<Answer>
  }
}

export interface TopicMetadata {
  readonly clusterId: string
  readonly errorCode: number
  /** 32 hex digits */
  readonly topicId: string
  /** by partition; leader −1: none at the moment */
  readonly partitions: readonly { readonly partition: number; readonly leader: number }[]
}

export function metadataRequest(topic: string): RawRequest<TopicMetadata> {
  const body = new KafkaWriter()
    .tags()
    .compactArray([topic], () => {})
    .raw(Buffer.alloc(16))
    .compactText(topic)
    .tags()
  // no creation of topics, no authorized operations
  body.int8(0).int8(0).tags()
  return rawRequest('Metadata', 3, 12, body.bytes(), (reader) => {
    reader.int32()
    reader.compactArray(() => {
      reader.int32()
      reader.compactText()
      reader.int32()
      reader.compactText()
      reader.tags()
    })
    const clusterId = reader.compactText() ?? ''
    reader.int32()
    const [found] = reader.compactArray(() => readTopic(reader))
    if (found === undefined) throw new Error('the response to a Kafka metadata request contains no topic')
    return { clusterId, ...found }
  })
}

function readTopic(reader: KafkaReader): Omit<TopicMetadata, 'clusterId'> {
  const errorCode = reader.int16()
  reader.compactText()
  const topicId = reader.take(16).toString('hex')
  reader.int8()
  const partitions = reader.compactArray(() => {
    reader.int16()
    const [partition, leader] = [reader.int32(), reader.int32()]
    reader.int32()
    for (let list = 0; list < 3; list++) reader.compactArray(() => reader.int32())
    reader.tags()
    return { partition, leader }
  })
  reader.int32()
  reader.tags()
  return { errorCode, topicId, partitions: partitions.toSorted((a, b) => a.partition - b.partition) }
}

export const NO_EPOCH = -1
/** of a fetched partition: a tagged field */
const DIVERGING_EPOCH = 0

export interface FetchPlace {
  readonly topicId: string
  readonly partition: number
  readonly from: number
  /** leader epoch of the record before `from`, if it was read: a leader that has another history says so; NO_EPOCH: not known */
  readonly lastEpoch: number
  /** of record batches, as they are on disk; the first one comes whole even when it is larger */
  readonly bytesMax: number
  /** also records of transactions that are not decided, or were aborted */
  readonly undecided?: boolean
}

export interface Fetched {
  readonly errorCode: number
  /** the end of what readers may be given, decided or not */
  readonly highWatermark: number
  /** records before it are decided: committed, aborted, or never in a transaction */
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** in the range that was fetched, by first offset */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[]
  /** record batches as they are on disk; the last one may be cut off */
  readonly records: Buffer
  /** the leader has other records before the place than those that were read: it was elected without them. There are no records then */
  readonly isDiverging?: boolean
}

/** Committed records only, unless `undecided`; answers at once, with nothing when there is nothing. */
export function fetchRequest(place: FetchPlace): RawRequest<Fetched> {
  const body = new KafkaWriter().tags()
  // no replica, no wait, from 1 byte on, at the most, read committed or uncommitted, no session
  const isolation = place.undecided ? 0 : 1
  body.int32(-1).int32(0).int32(1).int32(place.bytesMax).int8(isolation).int32(0).int32(-1)
  body.compactArray([place], () => body.raw(Buffer.from(place.topicId, 'hex')))
  body.compactArray([place], () => {
    body.int32(place.partition).int32(-1).int64(place.from).int32(place.lastEpoch).int64(-1)
    body.int32(place.bytesMax).tags()
  })
  body.tags().compactArray([], () => {})
  body.compactText('').tags()
  return rawRequest('Fetch', 1, 13, body.bytes(), (reader) => {
    reader.int32()
    const errorCode = reader.int16()
    reader.int32()
    const [topic] = reader.compactArray(() => {
      reader.take(16)
      const partitions = reader.compactArray(() => readFetched(reader))
      reader.tags()
      return partitions[0]
    })
    if (topic === undefined)
      return { errorCode, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, aborted: [], records: NONE }
    return errorCode === KAFKA_ERRORS.none ? topic : { ...topic, errorCode }
  })
}

const NONE = Buffer.alloc(0)

function readFetched(reader: KafkaReader): Fetched {
  reader.int32()
  const errorCode = reader.int16()
  const highWatermark = Number(reader.int64())
  const [lastStableOffset, logStartOffset] = [Number(reader.int64()), Number(reader.int64())]
  const aborted = reader.compactArray(() => {
    const transaction = { producerId: reader.int64(), firstOffset: Number(reader.int64()) }
    reader.tags()
    return transaction
  })
  reader.int32()
  const records = reader.compactBytes() ?? NONE
  let isDiverging = false
  reader.tags((tag) => {
    isDiverging ||= tag === DIVERGING_EPOCH
  })
  return {
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted: aborted.toSorted((a, b) => a.firstOffset - b.firstOffset),
    records,
    isDiverging,
  }
}

/** @param body in a flexible version: a header with tagged fields precedes the answer */
export function rawRequest<Answer>(
  apiName: string,
  apiKey: number,
  apiVersion: number,
  body: Buffer,
  read: (reader: KafkaReader) => Answer,
): RawRequest<Answer> {
  return {
    request: { apiKey, apiVersion, apiName, encode: async () => ({ buf: body, buffer: body }) },
    response: {
      decode: async (payload) => {
        const reader = new KafkaReader(payload)
        reader.tags()
        return read(reader)
      },
      parse: async (answer) => answer,
    },
  }
}
