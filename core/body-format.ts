/** What the body of a request to ingest events contains. */

/** CSV with a header line, or with the given columns. */
export interface CsvBody {
  readonly kind: 'csv'
  /** one character */
  readonly delimiter: string
  /** names of the columns of a body without a header */
  readonly columns?: readonly string[]
  /** columns whose numbers have a decimal comma */
  readonly decimalComma?: readonly string[]
}

/** The data of one CloudEvent in binary mode; its attributes were in the headers. */
export interface BinaryCloudEvent {
  readonly kind: 'cloud-event-data'
  /** name, without `ce-`, to value */
  readonly attributes: Readonly<Record<string, string>>
  /** content type of the data; null: not given */
  readonly dataType: string | null
}

/**
 * `json`: an array of events, or one event; `arrow`: an Arrow IPC stream; `cloud-event`: one CloudEvent in structured mode; `cloud-events`:
 * an array of them.
 */
export type BodyFormat = 'json' | 'ndjson' | 'arrow' | 'cloud-event' | 'cloud-events' | CsvBody | BinaryCloudEvent
