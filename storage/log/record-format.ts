/** The format of a topic's values, and their conversion to lines of NDJSON. */

export const RECORD_FORMATS = ['json', 'confluent'] as const
export type RecordFormat = (typeof RECORD_FORMATS)[number]

/** A record that cannot be converted to a line; its bytes are kept with the reason. */
export class Unreadable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** Converts values to lines. A line may still be invalid JSON: the decoder then makes it a dead letter. */
export interface RecordDecoder {
  /** `line` gives every value as it is: it need not be asked of a value that can be a line */
  readonly plain: boolean
  /** what `line` will need for these values, fetched once. @throws when it cannot be had now: nothing is lost, try again */
  prepare(values: Iterable<Buffer>): Promise<void>
  /** the record as one line without line end, or why not */
  line(value: Buffer): Buffer | Unreadable
}

/** Values are JSON texts already. */
export const jsonRecords: RecordDecoder = { plain: true, prepare: async () => {}, line: (value) => value }
