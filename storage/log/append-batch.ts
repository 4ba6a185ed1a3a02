/** What is appended to a log. */

/** Records to append to one partition: `count` lines, each ended by '\n', none blank. */
export interface AppendBatch {
  readonly partition: number
  /** not used by the log any more once append has resolved; after a rejection it may still be */
  readonly lines: Buffer
  readonly count: number
  /** one per line, for drivers that store a key with the record for other readers (Kafka); the partition is already chosen */
  readonly keys?: readonly string[]
}
