/** The ingest stage as the serving stage sees it: the two never import one another. */
import type { IngestLimits } from '#ingest/ingest-limits.ts'
import type { Configuration } from './settings.ts'

export function intakeLimits(
  configuration: Pick<Configuration, 'recordBytesMax' | 'requestRowsMax' | 'inFlightBytesMax'>,
): IngestLimits {
  return {
    recordBytesMax: configuration.recordBytesMax,
    rowsMax: configuration.requestRowsMax,
    inFlightBytesMax: configuration.inFlightBytesMax,
  }
}
