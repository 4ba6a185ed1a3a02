/** Checksums of what a speed store keeps: a row that changed since it was written must not be counted. */
import { crc32 } from 'node:zlib'

/** Of a state row's, or a marker's, JSON text. */
export function rowChecksum(row: string): number {
  return crc32(row)
}

/** What a reader is told of a row that does not match its checksum. */
export function damagedRow(where: string, partition: number): string {
  return `${where}: a row of partition ${partition} differs from the one that was written; run \`watershed doctor --repair\`: it deletes the partials of the open segment, and the stream role replays it from the log`
}
