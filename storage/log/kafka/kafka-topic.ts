/** The topic of a dataset's log: made when it is missing, and asked what it allows. */
import kafkajs, { type Admin } from 'kafkajs'
import { type KafkaLogSettings, KafkaTopicError } from './kafka-settings.ts'

export interface TopicLimits {
  /** one record batch, as it is sent */
  readonly batchBytesMax: number
  /** arrivals are the broker's times, not those of whoever wrote the records */
  readonly appendTime: boolean
  /** Kafka may drop records that later ones of the same key replace */
  readonly compacted: boolean
}

/** Kafka's own default of max.message.bytes */
const BATCH_BYTES_DEFAULT = 1_048_588
/** what a record batch and its record add to a value, at the most (keys aside) */
export const BATCH_OVERHEAD_BYTES = 16 * 1024
const PARTITIONS_DEFAULT = 4

/** Makes the topic with the broker's append time as arrival. One that another process makes at the same time is taken. */
export async function createTopic(admin: Admin, settings: KafkaLogSettings, recordBytesMax: number): Promise<void> {
  const { topic, partitions = PARTITIONS_DEFAULT, replication = -1, retentionMs } = settings
  const configEntries = [
    { name: 'message.timestamp.type', value: 'LogAppendTime' },
    { name: 'cleanup.policy', value: 'delete' },
    { name: 'max.message.bytes', value: String(Math.max(BATCH_BYTES_DEFAULT, recordBytesMax + BATCH_OVERHEAD_BYTES)) },
    ...(retentionMs === undefined ? [] : [{ name: 'retention.ms', value: String(retentionMs) }]),
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

/** What the topic allows. Where the broker does not let us ask, Kafka's defaults. */
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
