/** Limits of the ingest stage, as the settings have them. */
import type { BodyLimits, IngestLimits } from '#ingest/ingest-limits.ts'
import type { Configuration } from '../settings/settings.ts'

export function intakeLimits({
  recordBytesMax,
  requestRowsMax,
  inFlightBytesMax,
}: Pick<Configuration, 'recordBytesMax' | 'requestRowsMax' | 'inFlightBytesMax'>): IngestLimits {
  return { recordBytesMax, rowsMax: requestRowsMax, inFlightBytesMax }
}

export function bodyLimits({
  requestBytesMax,
  requestRowsMax,
  recordBytesMax,
}: Pick<Configuration, 'requestBytesMax' | 'requestRowsMax' | 'recordBytesMax'>): BodyLimits {
  return { bodyBytesMax: requestBytesMax, rowsMax: requestRowsMax, recordBytesMax }
}
