/** Where a sink of a definition delivers, with its secrets from the environment. A client's library is loaded only where its kind is used. */
import { SECRET_NAME } from '#core/secret-names.ts'
import type { KafkaSinkDefinition, SinkDefinition, WebhookSinkDefinition } from '#core/sink-definition.ts'
import type { SinkTarget } from '#serving/sinks/sink-target.ts'
import type { Emit } from '#telemetry/emit.ts'
import { plaintextPlace, problemOf } from '../settings/plaintext-credentials.ts'
import type { Configuration } from '../settings/settings.ts'
import { filled } from './filled.ts'

export interface OpenedSink {
  readonly target: SinkTarget
  /** texts that must not appear anywhere */
  readonly secrets: readonly string[]
}

export interface OpenSinkOptions {
  readonly dataset: string
  readonly definition: SinkDefinition
  readonly configuration: Pick<Configuration, 'plaintextCredentials' | 'kafka' | 'log' | 'datasets'>
  /** of all datasets that are loaded */
  readonly datasets: readonly string[]
  readonly emit: Emit
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** @throws Error that says what a person has to set */
export async function openSink(options: OpenSinkOptions): Promise<OpenedSink> {
  const { definition } = options
  return definition.kind === 'kafka' ? openTopic(options, definition) : openWebhook(options, definition)
}

async function openWebhook(
  { dataset, configuration, environment }: OpenSinkOptions,
  { name, url: address, headers: given = {}, secret }: WebhookSinkDefinition,
): Promise<OpenedSink> {
  const { WebhookTarget } = await import('#serving/sinks/webhook-target.ts')
  const secrets: string[] = []
  const fill = (text: string): string => filled(text, environment, secrets)
  const url = new URL(fill(address))
  const headers = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, fill(value)]))
  const signs = secret === undefined ? null : fill(secret)
  const hasLogin = Object.keys(headers).some((key) => SECRET_NAME.test(key))
  const plain = configuration.plaintextCredentials ? null : plaintextPlace(url.href, hasLogin)
  if (plain !== null) throw new Error(problemOf(`sink '${dataset}/${name}'`, plain))
  return { target: new WebhookTarget({ url, headers, secret: signs }), secrets }
}

async function openTopic(
  { dataset, configuration, datasets, emit }: OpenSinkOptions,
  { name, view, topic }: KafkaSinkDefinition,
): Promise<OpenedSink> {
  const [{ KafkaTarget }, { KafkaTopicWriter }, { kafkaClientOf, topicOf }] = await Promise.all([
    import('#serving/sinks/kafka-target.ts'),
    import('#storage/log/kafka/kafka-topic-writer.ts'),
    import('./open-log.ts'),
  ])
  const log = configuration.log === 'kafka' && datasets.find((each) => topicOf(configuration.kafka, each) === topic)
  if (log) throw new Error(`Kafka topic '${topic}' is the log of dataset '${log}': name another topic`)
  const { notice, ...client } = kafkaClientOf(configuration, dataset, emit)
  const writer = new KafkaTopicWriter(client, topic, notice)
  const headers = { 'watershed-dataset': dataset, 'watershed-sink': name, 'watershed-view': view }
  return { target: new KafkaTarget(writer, headers), secrets: [] }
}
