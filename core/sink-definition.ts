/** Where the changes of a view go by themselves: what a definition says of its sinks. See docs/reference/sinks.md. */

interface AnySink {
  /** unique within the dataset */
  readonly name: string
  /** the view or series whose answer is followed */
  readonly view: string
  /** parameters of the query, as `GET …/views/{view}` takes them. Default: none */
  readonly query?: Readonly<Record<string, string | readonly string[]>>
  /** minimum interval between two deliveries. Default '1s' */
  readonly every?: string
}

/** Each delivery is a POST of JSON. */
export interface WebhookSinkDefinition extends AnySink {
  readonly kind: 'webhook'
  /** `{env:NAME}` in it stands for an environment variable, for secrets */
  readonly url: string
  /** headers of each request; `{env:NAME}` as in the URL */
  readonly headers?: Readonly<Record<string, string>>
  /** signs each delivery: `{env:NAME}`, whose value is `whsec_` and base64 (Standard Webhooks), or any other text (X-Hub-Signature-256) */
  readonly secret?: string
}

/** Each row that changed is a record: its key the row's, its value the row, or none for a row that is gone. */
export interface KafkaSinkDefinition extends AnySink {
  readonly kind: 'kafka'
  /** on the brokers of the settings `kafka.…`; it must exist */
  readonly topic: string
}

export type SinkDefinition = WebhookSinkDefinition | KafkaSinkDefinition
