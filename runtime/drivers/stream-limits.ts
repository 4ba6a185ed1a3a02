/** The stream role's limits, as the configuration sets them. */
import type { StreamRoleParts } from '#speed-layer/stream-role.ts'
import type { Configuration } from '../settings/settings.ts'

/** keeps the flushes of four partitions below a tenth of a processor */
const EMBEDDED_FLUSH_PAUSES = 60

export function streamLimits(configuration: Configuration): StreamRoleParts['limits'] {
  const { segmentRecordsMax, segmentBytesMax, segmentAgeMsMax, flushEveryMs, pollEveryMs } = configuration
  return {
    batchRecordsMax: configuration.microBatchRecordsMax,
    batchBytesMax: configuration.microBatchBytesMax,
    segmentRecordsMax,
    segmentBytesMax,
    segmentAgeMsMax,
    flushEveryMs,
    // Queries read the embedded log's tail themselves: its flushes are for other readers of the store, and may take their time.
    ...(configuration.log === 'sqlite' ? { flushPauses: EMBEDDED_FLUSH_PAUSES } : {}),
    pollEveryMs,
    readerGraceMs: configuration.readerGraceMs,
    logRetentionMs: configuration.logRetentionMs,
  }
}
