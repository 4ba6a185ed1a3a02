/** The fingerprint of one record of a log: tells whether an offset still has the record that was counted. */
import type { Offset } from './offsets.ts'

export interface RecordPrint {
  readonly offset: Offset
  /** on the log's clock, epoch ms */
  readonly arrivalMs: number
  /** of the record's bytes, hex */
  readonly sha256: string
}

/** Whether both are of the same record. */
export function isSameRecord(a: RecordPrint, b: RecordPrint): boolean {
  return a.offset === b.offset && a.arrivalMs === b.arrivalMs && a.sha256 === b.sha256
}
