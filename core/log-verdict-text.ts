/** What a verdict says to a person, in one clause; what to do about it is for the caller to add. */
import { BARRIER_THROUGH, type LogVerdict } from './log-agreement.ts'

/** What to do about a log that lost records of closed segments. */
export const LOG_LOSS_ADVICE =
  'Restore the log that belongs to this lake and run `watershed doctor --repair`; or run `watershed doctor --repair --accept-log-loss` to go on with this log, without the records that it lost'

/**
 * @example
 * verdictText({ kind: 'log-ends-before-lake', lakeEnd: 40, logEnd: 39 })
 * // 'the lake ends at offset 40, but the log ends at offset 39: the log was cut, re-created or replaced'
 */
export function verdictText(verdict: LogVerdict): string {
  switch (verdict.kind) {
    case 'agrees':
      return 'log, lake and speed store agree'
    case 'log-replaced':
      return `the lake's segments belong to log ${verdict.lakeLog}, but this log is ${verdict.log}: it was re-created or replaced`
    case 'lake-cut':
      return `generation ${verdict.generation} counts up to offset ${verdict.counted}, but the lake ends at offset ${verdict.lakeEnd}: manifests are missing`
    case 'log-ends-before-lake':
      return `the lake ends at offset ${verdict.lakeEnd}, but the log ends at offset ${verdict.logEnd}: the log was cut, re-created or replaced`
    case 'log-diverged':
      return `the log's record at offset ${verdict.offset} is not the one that was counted in ${verdict.counted === 'closed' ? 'a closed segment' : 'the open segment'}: the log was cut, and other records were appended since`
    case 'log-refused':
      return `the log was refused before, and the refusal was not lifted: ${verdict.why}`
    case 'lake-cut-unreadable':
      return `the speed store has a segment from offset ${verdict.segmentStart}, but the lake ends at offset ${verdict.lakeEnd} and the log begins at offset ${verdict.logStart}: manifests are missing`
    case 'gap':
    case 'gap-or-lake-cut':
      return `the log begins at offset ${verdict.end}, but the lake ends at offset ${verdict.start}: the offsets in between cannot be read`
    case 'log-cut':
      return logCutText(verdict)
    case 'lake-behind':
      return `the speed store has an open segment from offset ${verdict.segmentStart}, but the lake ends at offset ${verdict.lakeEnd}: the lake has lost its newest segments`
    case 'boundary-inside-segment':
      return `the boundary ${verdict.boundary} of generation ${verdict.generation} is inside a segment of the lake`
    case 'generation-of-other-log':
      return `generation ${verdict.generation} belongs to log ${verdict.generationLog}, but the lake's segments belong to log ${verdict.lakeLog}`
  }
}

function logCutText({ logEnd, segmentStart, through }: Extract<LogVerdict, { kind: 'log-cut' }>): string {
  if (through === BARRIER_THROUGH)
    return 'the log lost records while a stream role was running, or a repair was interrupted'
  return `the offsets [${segmentStart}, ${through}) are counted, but the log ends at offset ${logEnd}: it has lost its newest records`
}
