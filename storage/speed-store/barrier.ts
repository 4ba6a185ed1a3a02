/**
 * A barrier: a marker that no owner and no reader accepts. While it is there, what the store holds of the partition's open segment
 * counts events that the log does not hold, or is being deleted: queries are refused, owners refuse to fold.
 */
import { BARRIER_THROUGH } from '#core/log-agreement.ts'
import type { Offset } from '#core/offsets.ts'
import type { Marker } from './speed-store.ts'

/** @param newest the partition's newest marker; @param lakeEnd where its closed segments end */
export function barrierOver(newest: Marker, lakeEnd: Offset): Marker {
  const nothing = { views: [], rows: 0, deadLetters: 0, lateRows: 0, timeMaxMs: null, last: undefined }
  const segmentStart = Math.max(newest.segmentStart, lakeEnd) + 1
  return { ...newest, ...nothing, segmentStart, through: BARRIER_THROUGH }
}
