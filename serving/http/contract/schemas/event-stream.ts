/** A stream of server-sent events. */
import { z } from 'zod'

export const EVENT_STREAM = z
  .string()
  .describe(
    'Server-sent events. `answer`: all rows and their provenance, as GET gives them; `change`: what changed since the event before; `problem`: why there is no answer now, as a problem document; `skipped`: events were left out for a slow reader, an answer follows',
  )
