/** Why a send failed: whether to retry it, and the message. */
import { KafkaTopicError, KafkaUnavailableError } from './kafka-settings.ts'

const REFUSED: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED: 'the broker denies write access to the topic; grant WRITE',
  CLUSTER_AUTHORIZATION_FAILED: 'the broker denies idempotent writes; grant IDEMPOTENT_WRITE',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    'the broker denies transactions, which appends under a key need; grant WRITE and DESCRIBE on the transactional id',
  MESSAGE_TOO_LARGE:
    "the broker refuses records of this size; raise the topic's max.message.bytes or lower sendBytesMax",
  RECORD_LIST_TOO_LARGE:
    "the broker refuses batches of this size; raise the topic's segment.bytes or lower sendBytesMax",
  POLICY_VIOLATION: 'a policy of the broker refuses the records',
  INVALID_RECORD: 'the broker refuses the records (a compacted topic requires keys)',
}

/** Errors after which the broker will never accept these records from this producer. */
const FINAL = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'PRODUCER_FENCED',
]

export function isFinal(error: Error): boolean {
  return FINAL.includes(typeOf(error)) || isRefused(error)
}

/** Whether the broker would refuse the records from any producer. */
export function isRefused(error: Error): boolean {
  return typeOf(error) in REFUSED || error.name === 'KafkaJSSASLAuthenticationError'
}

/** The library wraps what the broker said. */
function typeOf(error: Error): string {
  const { type, cause } = error as { type?: string; cause?: Error }
  return type ?? (cause instanceof Error ? typeOf(cause) : '')
}

export function explained(error: Error, topic: string, partition: number, records: number, ms: number): Error {
  const refused = REFUSED[typeOf(error)]
  if (refused !== undefined)
    return new KafkaTopicError(topic, 'refused', `partition ${partition}: ${refused}`, { cause: error })
  const doing = `appending ${records} records to partition ${partition} (they may or may not be in the log; none is acknowledged)`
  return new KafkaUnavailableError(topic, doing, ms, error)
}
