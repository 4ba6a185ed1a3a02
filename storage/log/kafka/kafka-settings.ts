/** How to reach Kafka, and what a dataset's topic is like. Everything has a default but the brokers and the topic. */
import type { KeyLimits } from '../append-once.ts'
import type { RecordFormat } from '../record-format.ts'
import type { SchemaRegistrySettings } from './schema-registry.ts'

export interface KafkaClientSettings {
  /** host:port of some brokers; the others are found through them */
  readonly brokers: readonly string[]
  /** how we are named in the broker's logs and quotas. Default 'watershed' */
  readonly clientId?: string
  /** true: with the system's certificates; an object: Node's TLS options (PEM texts) */
  readonly ssl?: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  }
  /** a broker that does not accept within this is tried again. Default 3,000 */
  readonly connectMsMax?: number
  /** a request without an answer within this is sent again. Default 15,000 */
  readonly requestMsMax?: number
  /** how long one read, append or look waits for brokers that are away before it fails. Default 30,000 */
  readonly outageMsMax?: number
}

export const KAFKA_COMPRESSIONS = ['none', 'gzip', 'zstd'] as const
export type KafkaCompression = (typeof KAFKA_COMPRESSIONS)[number]

export interface KafkaLogSettings extends KafkaClientSettings {
  readonly dataset: string
  readonly topic: string
  /** make the topic when it is missing. Default true. An existing topic is taken as it is */
  readonly createTopic?: boolean
  /** of a topic that is made here; at an existing one the topic's own number counts. Default 4 */
  readonly partitions?: number
  /** copies of each partition, of a topic that is made here. Default: the broker's */
  readonly replication?: number
  /** how long Kafka keeps records, of a topic that is made here. Default: the broker's (7 days) */
  readonly retentionMs?: number
  /** 'confluent': records framed with a schema id (JSON and Avro), taken apart with `registry`. Default 'json' */
  readonly format?: RecordFormat
  readonly registry?: SchemaRegistrySettings
  /**
   * 'broker': only Kafka's own retention removes records. 'delete-records': trim() removes what is in closed segments;
   * other readers of the topic lose it, too. Default 'broker'
   */
  readonly trim?: 'broker' | 'delete-records'
  /** Default 'gzip', which every consumer reads */
  readonly compression?: KafkaCompression
  /** one record's size at the most: larger ones are refused at append; when read they are dead letters. Default 1 MiB */
  readonly recordBytesMax?: number
  /** records sent together to one partition: their bytes at the most; bounded by the topic's max.message.bytes. Default 1 MiB */
  readonly sendBytesMax?: number
  /** … and their number. Default 2,000 */
  readonly sendRecordsMax?: number
  /** appends under way; beyond it append() waits. Default 64 MiB */
  readonly waitingBytesMax?: number
  /** bytes asked for in one fetch of one partition; two such are held at the most. Default 4 MiB */
  readonly fetchBytesMax?: number
  /** of the keys under which appends count once */
  readonly keys?: Partial<KeyLimits>
  /** how often the topic is looked at for added partitions, and that it is still the same. Default 5,000 */
  readonly topicEveryMs?: number
}

/** The Kafka topic cannot be a dataset's log, or is no longer the one that was opened. */
export class KafkaTopicError extends Error {
  readonly topic: string
  readonly reason: 'missing' | 'replaced' | 'refused' | 'closed'
  constructor(topic: string, reason: KafkaTopicError['reason'], message: string, options?: ErrorOptions) {
    super(`Kafka topic '${topic}': ${message}`, options)
    this.name = 'KafkaTopicError'
    this.topic = topic
    this.reason = reason
  }
}

/** Brokers were unavailable for longer than the limit. The operation did not happen, or its outcome is unknown. */
export class KafkaUnavailableError extends Error {
  constructor(topic: string, doing: string, waitedMs: number, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`Kafka topic '${topic}': ${doing} failed for ${Math.round(waitedMs)} ms (${why}); ${adviceFor(why)}`, {
      cause,
    })
    this.name = 'KafkaUnavailableError'
  }
}

function adviceFor(why: string): string {
  if (/certificate/i.test(why))
    return "trust the CA of the brokers' certificate: set NODE_EXTRA_CA_CERTS=<PEM file> in the environment"
  const look = 'check that the brokers run and are reachable'
  return /closed connection/i.test(why)
    ? `${look}, and whether they require TLS (kafka.ssl) or authentication (kafka.sasl…)`
    : look
}
