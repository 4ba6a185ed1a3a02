/** The source that a definition declares, with its secrets from the environment. A client's library is loaded only where its kind is used. */
import { durationMs } from '#core/grains.ts'
import { SECRET_NAME } from '#core/secret-names.ts'
import type { AddressedSource, FilesDefinition, KafkaDefinition, SourceDefinition } from '#core/source-definition.ts'
import type { EventSource } from '#ingest/sources/event-source.ts'
import type { HttpTarget } from '#ingest/sources/http-client.ts'
import type { Emit } from '#telemetry/emit.ts'
import { plaintextPlace, problemOf } from '../settings/plaintext-credentials.ts'
import type { Configuration } from '../settings/settings.ts'
import { filled } from './filled.ts'

export interface OpenedSource {
  readonly source: EventSource
  /** texts that must not appear anywhere */
  readonly secrets: readonly string[]
}

export interface OpenSourceOptions {
  readonly dataset: string
  readonly definition: SourceDefinition
  readonly configuration: Pick<
    Configuration,
    'sourceUrls' | 'plaintextCredentials' | 'kafka' | 'log' | 'recordBytesMax'
  >
  readonly emit: Emit
  readonly environment: Readonly<Record<string, string | undefined>>
}

const SILENCE_DEFAULT = '1m'

/** @throws Error that says what a person has to set */
export async function openSource(options: OpenSourceOptions): Promise<OpenedSource> {
  const { definition } = options
  if (definition.kind === 'files') return { source: await filesSource(options, definition), secrets: [] }
  if (definition.kind === 'kafka') return { source: await kafkaSource(options, definition), secrets: [] }
  return openAddressed(options, definition)
}

async function filesSource(
  { dataset, emit }: OpenSourceOptions,
  { name, paths, ...format }: FilesDefinition,
): Promise<EventSource> {
  const { FilesSource } = await import('#ingest/sources/files/files-source.ts')
  const onFault = (file: string, { message }: Error): void =>
    emit({
      name: 'source-failing',
      level: 'warn',
      dataset,
      message: `dataset '${dataset}', source '${name}': ${file}: ${message}; other files are read, and this one again when it has changed`,
    })
  return new FilesSource({ paths, follow: true, format, onFault })
}

/** @param onCaughtUp told when everything was given that was in the topic */
export async function kafkaSource(
  { dataset, configuration, emit }: Pick<OpenSourceOptions, 'dataset' | 'configuration' | 'emit'>,
  { topic, begin }: Pick<KafkaDefinition, 'topic' | 'begin'>,
  onCaughtUp?: () => void,
): Promise<EventSource> {
  const [{ LogSource }, { openKafkaTopic, topicOf }] = await Promise.all([
    import('#ingest/sources/log-source.ts'),
    import('./open-log.ts'),
  ])
  if (configuration.log === 'kafka' && topic === topicOf(configuration.kafka, dataset))
    throw new Error(
      `Kafka topic '${topic}' is the log of dataset '${dataset}': what is read from it would be appended to it again, without end; name another topic, or leave the source out`,
    )
  const open = (): ReturnType<typeof openKafkaTopic> => openKafkaTopic({ dataset, topic, configuration, emit })
  return new LogSource({ name: `Kafka topic '${topic}'`, open, begin, onCaughtUp })
}

async function openAddressed(
  { dataset, configuration, environment }: OpenSourceOptions,
  definition: AddressedSource,
): Promise<OpenedSource> {
  const name = sourceName(dataset, definition.name)
  const secrets: string[] = []
  const fill = (text: string): string => filled(text, environment, secrets)
  const url = new URL(fill(configuration.sourceUrls[name] ?? definition.url))
  const headers = Object.fromEntries(Object.entries(definition.headers ?? {}).map(([key, value]) => [key, fill(value)]))
  // Before its target, which must know all secrets.
  const ready = definition.kind === 'websocket' ? { ...definition, send: definition.send?.map(fill) } : definition
  const target = targetOf(url, headers, secrets)
  const plain = configuration.plaintextCredentials ? null : plaintextPlace(url.href, target.hasCredentials)
  if (plain !== null) throw new Error(problemOf(`source '${name}'`, plain))
  const silenceMsMax = durationMs(definition.silence ?? SILENCE_DEFAULT, 'silence')
  return { source: await sourceOf(ready, { target, silenceMsMax }), secrets }
}

/** By which the setting sourceUrls names it. */
export function sourceName(dataset: string, source: string): string {
  return `${dataset}/${source}`
}

async function sourceOf(
  definition: AddressedSource,
  common: { readonly target: HttpTarget; readonly silenceMsMax: number },
): Promise<EventSource> {
  switch (definition.kind) {
    case 'http-stream': {
      const { HttpStreamSource } = await import('#ingest/sources/http-stream-source.ts')
      return new HttpStreamSource({ ...common, resume: definition.resume })
    }
    case 'server-sent-events': {
      const { ServerSentEventsSource } = await import('#ingest/sources/server-sent-events-source.ts')
      return new ServerSentEventsSource({ ...common, events: definition.events })
    }
    case 'websocket': {
      const { WebSocketSource } = await import('#ingest/sources/websocket-source.ts')
      return new WebSocketSource({ ...common, resume: definition.resume, send: definition.send })
    }
    case 'polling': {
      const { PollingSource } = await import('#ingest/sources/polling-source.ts')
      const { records, page, resume, every } = definition
      return new PollingSource({ ...common, records, page, resume, everyMs: durationMs(every, 'every') })
    }
  }
}

/** User and password of the URL become a header, so that they are in no message. */
function targetOf(url: URL, headers: Record<string, string>, secrets: string[]): HttpTarget {
  const login = url.username !== '' || url.password !== ''
  if (login) {
    const text = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    headers.authorization = `Basic ${Buffer.from(text).toString('base64')}`
    if (url.password !== '') secrets.push(decodeURIComponent(url.password))
    url.username = ''
    url.password = ''
  }
  const inQuery = [...url.searchParams].filter(([name]) => SECRET_NAME.test(name)).map(([, value]) => value)
  secrets.push(...inQuery.filter((value) => value !== ''))
  const hasCredentials = secrets.length > 0 || Object.keys(headers).some((name) => SECRET_NAME.test(name))
  return { url, headers, hasCredentials }
}
