/** Where the events of a dataset come from by themselves: what a definition says of its sources. See docs/reference/sources.md. */

/** How to go on after a break: a parameter of the URL that says from where. */
export interface ResumeDefinition {
  /** name of the URL's parameter */
  readonly parameter: string
  /** JSON path of the value in an event (polling: in the response): a number, or for polling a text or number */
  readonly from: string
  /** goes back by this much, in the unit of the value, to get events that arrive out of order; those seen before are recognised. Default 1 */
  readonly overlap?: number
  /** what the value counts since 1970, for the lag: 's', 'ms' or 'us'. Default: it is not a time */
  readonly unit?: 's' | 'ms' | 'us'
}

interface AnySourceOptions {
  /** unique within the dataset */
  readonly name: string
  /** wait until somebody runs `watershed sources resume`. Default false */
  readonly paused?: boolean
  /** read no faster than this. Default: no limit */
  readonly eventsPerSecondMax?: number
}

interface SourceOptions extends AnySourceOptions {
  /** `{env:NAME}` in it stands for an environment variable, for secrets */
  readonly url: string
  /** headers of each request; `{env:NAME}` as in the URL */
  readonly headers?: Readonly<Record<string, string>>
  /** connect anew after this long without a byte. Default '1m' */
  readonly silence?: string
}

/** A response that does not end, one event a line. */
export interface HttpStreamDefinition extends SourceOptions {
  readonly kind: 'http-stream'
  readonly resume?: ResumeDefinition
}

/** Server-sent events; a new connection resumes by Last-Event-ID. */
export interface ServerSentEventsDefinition extends SourceOptions {
  readonly kind: 'server-sent-events'
  /** types of events to take. Default: all */
  readonly events?: readonly string[]
}

/** A WebSocket, one event a message. */
export interface WebSocketDefinition extends SourceOptions {
  readonly kind: 'websocket'
  /** messages to send after connecting; `{env:NAME}` as in the URL */
  readonly send?: readonly string[]
  readonly resume?: ResumeDefinition
}

/** A response that is asked for again and again. */
export interface PollingDefinition extends SourceOptions {
  readonly kind: 'polling'
  /** from the end of one poll to the beginning of the next */
  readonly every: string
  /** JSON path of the list of events in the response. Default: the response is the list, or one event */
  readonly records?: string
  /** how to get the next page: the parameter, and where its value is in the response */
  readonly page?: { readonly parameter: string; readonly from: string }
  /** what was taken before: the value at `from` in the response of a poll's first page */
  readonly resume?: Pick<ResumeDefinition, 'parameter' | 'from'>
}

/** Files, new ones and what is appended to them. */
export interface FilesDefinition extends AnySourceOptions {
  readonly kind: 'files'
  /** files, folders and patterns; relative ones to the working directory of the process */
  readonly paths: readonly string[]
  /** Default: recognised by name and first lines */
  readonly format?: 'ndjson' | 'json' | 'csv' | 'parquet'
  /** CSV: one character. Default: recognised */
  readonly delimiter?: string
  /** CSV without a header: names of the columns */
  readonly columns?: readonly string[]
  /** CSV: columns with numbers such as 1.234,50 */
  readonly decimalComma?: readonly string[]
}

/** A Kafka topic that others write, on the brokers of the settings `kafka.…`. */
export interface KafkaDefinition extends AnySourceOptions {
  readonly kind: 'kafka'
  readonly topic: string
  /** where it begins when it is first read. Default 'earliest' */
  readonly begin?: 'earliest' | 'latest'
}

/** A source that is reached by an address. */
export type AddressedSource =
  | HttpStreamDefinition
  | ServerSentEventsDefinition
  | WebSocketDefinition
  | PollingDefinition

export type SourceDefinition = AddressedSource | FilesDefinition | KafkaDefinition
