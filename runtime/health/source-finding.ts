/** What the doctor says of a source. */
import type { Finding } from './finding.ts'
import { type SourceReport, TROUBLED } from './source-reports.ts'

export function sourceFinding(report: SourceReport): Finding {
  const { dataset, source, state, reason, events, lagMs, lastEventMs, resumption } = report
  const isTroubled = TROUBLED.some((trouble) => trouble === state)
  const newest = lastEventMs === null ? '' : `, the last one at ${new Date(lastEventMs).toISOString()}`
  const why = reason === null ? '' : `: ${reason}`
  return {
    part: 'sources',
    state: isTroubled ? 'attention' : ['stopped', 'paused'].includes(state) ? 'note' : 'ok',
    message: `source '${source}' is ${state}${why}; ${events} events${newest}`,
    advice: adviceOf(report, `${dataset}/${source}`),
    numbers: { source, events, lagMs, lastEventMs, resumption },
  }
}

function adviceOf({ state, reason, resumption }: SourceReport, name: string): string | null {
  if (state === 'paused')
    return reason === null
      ? `run \`watershed sources resume ${name}\``
      : `to read it, see to that, restart, and run \`watershed sources resume ${name}\``
  if (state === 'failing')
    return 'it is tried again by itself; look at the other side, or at the address and headers of the source'
  if (state === 'refused') return 'correct the address, headers or credentials of the source, and restart'
  if (state === 'stopped')
    return resumption === 'from-now'
      ? 'run `watershed start`; what is sent meanwhile is not read'
      : 'run `watershed start`, which reads on after the last event in the log'
  return null
}
