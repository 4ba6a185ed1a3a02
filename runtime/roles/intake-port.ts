/** The ingest stage as the serving stage sees it: the two never import one another. */
import type { IngestLimits } from '#ingest/ingest-limits.ts'
import type { Intake } from '#ingest/intake.ts'
import { rowsOfBody } from '#ingest/parse-body.ts'
import type { IntakePort } from '#serving/http/event-route.ts'
import type { Configuration } from '../settings/settings.ts'

type IntakeSettings = Pick<Configuration, 'recordBytesMax' | 'requestRowsMax' | 'requestBytesMax' | 'inFlightBytesMax'>

export function intakeLimits(configuration: IntakeSettings): IngestLimits {
  return {
    recordBytesMax: configuration.recordBytesMax,
    rowsMax: configuration.requestRowsMax,
    inFlightBytesMax: configuration.inFlightBytesMax,
  }
}

/** Takes whole request bodies for an intake. */
export function intakePort(intake: Intake, configuration: IntakeSettings): IntakePort {
  const limits = { bodyBytesMax: configuration.requestBytesMax, rowsMax: configuration.requestRowsMax }
  return { offerBody: async (body, format, verdicts) => intake.offer(rowsOfBody(body, format, limits), { verdicts }) }
}
