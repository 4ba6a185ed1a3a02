/** Bounds what one read of open partials takes into memory. */
export const OPEN_ROWS_BYTES_MAX = 256 * 1024 * 1024

/** What a reader of partials is told beyond the limit. */
export function tooManyRows(where: string, openRowsBytesMax: number): string {
  return `${where}: reading partials: the open segments hold more than openRowsBytesMax = ${openRowsBytesMax} bytes of rows; close segments sooner (segmentRecordsMax, segmentBytesMax)`
}
