/** The topic of a dataset's log: creates it if it is missing, and reads its configuration. */
import kafkajs, { type Admin } from 'kafkajs'
import { type KafkaLogSettings, KafkaTopicError } from './kafka-settings.ts'

export interface TopicLimits {
  /** one record batch, as it is sent */
  readonly batchBytesMax: number
  /** whether arrival times are those of the broker, not of the producer */
  readonly appendTime: boolean
  /** whether Kafka may remove records that later records with the same key replace */
  readonly compacted: boolean
}

/** Kafka's own default of max.message.bytes */
const BATCH_BYTES_DEFAULT = 1_048_588
/** maximum overhead of a record batch and its record per value (without keys) */
export const BATCH_OVERHEAD_BYTES = 16 * 1024
const PARTITIONS_DEFAULT = 4

export interface KafkaTopicSettings
  extends Pick<KafkaLogSettings, 'topic' | 'partitions' | 'replication' | 'retentionMs'> {
  /** how long Kafka appends to one file, which it then removes as a whole. Default: the broker's */
  readonly segmentMs?: number
  /** Kafka keeps the newest record of each key, instead of all records for a time */
  readonly compacted?: boolean
}

/** Creates the topic with the broker's append time as arrival time. If another process creates it concurrently, that topic is used. */
export async function createTopic(admin: Admin, settings: KafkaTopicSettings, recordBytesMax: number): Promise<void> {
  const { topic, partitions = PARTITIONS_DEFAULT, replication = -1, retentionMs, segmentMs, compacted } = settings
  const configEntries = [
    { name: 'message.timestamp.type', value: 'LogAppendTime' },
    { name: 'cleanup.policy', value: compacted ? 'compact' : 'delete' },
    { name: 'max.message.bytes', value: String(Math.max(BATCH_BYTES_DEFAULT, recordBytesMax + BATCH_OVERHEAD_BYTES)) },
    ...(retentionMs === undefined ? [] : [{ name: 'retention.ms', value: String(retentionMs) }]),
    ...(segmentMs === undefined ? [] : [{ name: 'segment.ms', value: String(segmentMs) }]),
  ]
  try {
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }],
      waitForLeaders: false,
    })
  } catch (error) {
    throw new KafkaTopicError(topic, 'refused', `it could not be created: ${reasonOf(error)}`, { cause: error })
  }
}

/** The topic's limits; Kafka's defaults if the broker denies access to its configuration. */
export async function topicLimits(admin: Admin, topic: string): Promise<TopicLimits> {
  const names = ['max.message.bytes', 'message.timestamp.type', 'cleanup.policy']
  const { resources } = await admin
    .describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
    })
    .catch((error: { type?: string }) => {
      if (error.type === 'TOPIC_AUTHORIZATION_FAILED') return { resources: [] }
      throw error
    })
  const entries = new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]))
  return {
    batchBytesMax: Number(entries.get('max.message.bytes') ?? BATCH_BYTES_DEFAULT),
    appendTime: entries.get('message.timestamp.type') === 'LogAppendTime',
    compacted: entries.get('cleanup.policy')?.includes('compact') ?? false,
  }
}

function reasonOf(error: unknown): string {
  const errors = (error as { errors?: readonly Error[] }).errors ?? [error as Error]
  return errors.map(({ message }) => message).join('; ')
}
