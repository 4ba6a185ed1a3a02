/** What a verdict says to a person, in one clause; what to do about it is for the caller to add. */
import { BARRIER_THROUGH, type LogVerdict } from './log-agreement.ts'

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
