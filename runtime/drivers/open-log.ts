/** The log that the configuration chooses. A driver's library is loaded only where it is chosen. */
import { existsSync } from 'node:fs'
import type { StepHook } from '#core/steps.ts'
import type { KeyLimits } from '#storage/log/append-once.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { countsEvents } from '#storage/speed-store/sqlite/counts-events.ts'
import type { Emit } from '#telemetry/emit.ts'
import { CommandError } from '../commands/exit-codes.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'

export interface OpenLogOptions {
  readonly dataset: string
  readonly folder: DataFolder
  readonly configuration: Configuration
  readonly emit: Emit
  readonly step: StepHook
}

/** @throws when it cannot be opened; the message says what to do */
export async function openLog(options: OpenLogOptions): Promise<EventLog> {
  const { dataset, folder, configuration, step } = options
  const { partitions, recordBytesMax } = configuration
  const keys = keyLimits(configuration)
  if (configuration.log === 'kafka') return openKafkaLog(options)
  assertNotLost(folder, dataset)
  return SqliteLog.open({ file: folder.logFile(dataset), dataset, partitions, recordBytesMax, keys, step })
}

/**
 * A new log beside a speed store that counts events of another one would leave no trace of them.
 * @throws CommandError 'storage'
 */
function assertNotLost(folder: DataFolder, dataset: string): void {
  const [log, store] = [folder.logFile(dataset), folder.speedFile(dataset)]
  if (existsSync(log) || !countsEvents(store)) return
  throw new CommandError(
    'storage',
    `log file ${log} is missing, but the speed store counts events of it: restore the log, or, if its events are lost for good, delete ${store}`,
  )
}

/** topic of a dataset */
export function topicOf({ topics, topicPrefix }: Configuration['kafka'], dataset: string): string {
  return topics[dataset] ?? `${topicPrefix}${dataset}`
}

async function openKafkaLog({ dataset, configuration, emit, step }: OpenLogOptions): Promise<EventLog> {
  const { KafkaLog } = await import('#storage/log/kafka/kafka-log.ts')
  const { kafka, partitions, recordBytesMax } = configuration
  const { createTopics, replication, retentionMs, format, trim, compression } = kafka
  return KafkaLog.open({
    ...kafkaClientOf(configuration, dataset, emit),
    dataset,
    createTopic: createTopics,
    partitions,
    replication,
    retentionMs,
    format,
    registry: registryOf(kafka),
    trim,
    compression,
    recordBytesMax,
    keys: keyLimits(configuration),
    step,
  })
}

/** A topic of others, to read it. @throws KafkaTopicError, KafkaUnavailableError */
export async function openKafkaTopic({
  dataset,
  topic,
  configuration,
  emit,
}: Pick<OpenLogOptions, 'dataset' | 'emit'> & {
  readonly topic: string
  readonly configuration: Pick<Configuration, 'kafka' | 'recordBytesMax'>
}): Promise<EventLog> {
  const { KafkaLog } = await import('#storage/log/kafka/kafka-log.ts')
  const { kafka, recordBytesMax } = configuration
  const client = kafkaClientOf(configuration, dataset, emit)
  const { format } = kafka
  return KafkaLog.open({
    ...client,
    topic,
    dataset,
    createTopic: false,
    format,
    registry: registryOf(kafka),
    recordBytesMax,
  })
}

function keyLimits({ idempotencyKeepMs, idempotencyKeysMax }: Configuration): Partial<KeyLimits> {
  return { keepMs: idempotencyKeepMs, keysMax: idempotencyKeysMax }
}

function registryOf({
  registryUrl: url,
  registryUsername: username,
  registryPassword: password,
}: Configuration['kafka']) {
  return url === undefined ? undefined : { url, username, password }
}

const SAME_AGAIN_MS = 30_000
const REMEMBERED_MAX = 100

/** While brokers are unavailable the library repeats the same message; it is logged only once in a while. */
function eachOnce(tell: (message: string) => void): (message: string) => void {
  const told = new Map<string, number>()
  return (message) => {
    const nowMs = performance.now()
    if (nowMs - (told.get(message) ?? -SAME_AGAIN_MS) < SAME_AGAIN_MS) return
    if (told.size >= REMEMBERED_MAX) told.clear()
    told.set(message, nowMs)
    tell(message)
  }
}

const REQUEST_MS_MAX = 15_000

/** How every client of a dataset's topic reaches it. */
export function kafkaClientOf({ kafka }: Pick<Configuration, 'kafka'>, dataset: string, emit: Emit) {
  const { brokers, clientId, outageMsMax, ssl } = kafka
  const notice = eachOnce((message) =>
    emit({
      name: 'kafka-notice',
      level: 'warn',
      dataset,
      message: message.startsWith('Kafka') ? message : `Kafka: ${message}`,
    }),
  )
  return {
    topic: topicOf(kafka, dataset),
    brokers,
    clientId,
    outageMsMax,
    requestMsMax: Math.min(REQUEST_MS_MAX, outageMsMax),
    ssl: ssl || undefined,
    sasl: saslOf(kafka),
    notice,
  }
}

function saslOf({ saslMechanism: mechanism, saslUsername: username, saslPassword: password }: Configuration['kafka']) {
  if (mechanism === undefined || username === undefined || password === undefined) return undefined
  return { mechanism, username, password }
}
