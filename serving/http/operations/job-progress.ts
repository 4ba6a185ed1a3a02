/** The progress of a job as server-sent events, from its record in the ledger: every process of the platform can give it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobLedger } from '#storage/jobs/job-ledger.ts'
import { jobNow, type ShownJob } from './shown-job.ts'

const LOOK_EVERY_MS = 500
/** a comment is sent after this time without a change, so that proxies keep the connection */
const SILENT_MS_MAX = 15_000

/** One event per change; the last one is `end`. Ends when the client is gone. @param first the job as it is now */
export async function* jobEvents(ledger: JobLedger, first: ShownJob, gone: AbortSignal): AsyncGenerator<string> {
  let shown: ShownJob | null = first
  let sent = ''
  let sentAtMs = performance.now()
  while (shown !== null && !gone.aborted) {
    const data = JSON.stringify(shown)
    const isEnd = shown.state !== 'waiting' && shown.state !== 'running'
    if (data !== sent || isEnd) {
      yield `event: ${isEnd ? 'end' : 'job'}\ndata: ${data}\n\n`
      sent = data
      sentAtMs = performance.now()
    } else if (performance.now() - sentAtMs > SILENT_MS_MAX) {
      yield ': the job goes on\n\n'
      sentAtMs = performance.now()
    }
    if (isEnd) return
    await sleep(LOOK_EVERY_MS, undefined, { signal: gone }).catch(() => {})
    shown = await jobNow(ledger, first.id)
  }
}
