/** The disagreements between log, lake and speed store that an owner refuses to read on with: a person must act. */
import type { LogVerdict } from '#core/log-agreement.ts'
import { verdictText } from '#core/log-verdict-text.ts'
import { LogLossError } from '#storage/log/log-loss-error.ts'

/** The log is not the one that the lake's offsets belong to; going on would count other events under old offsets. */
export class LogReplacedError extends Error {
  constructor(where: string, why: string) {
    super(`${where}: ${why}. Restore the log that belongs to this lake, or start with an empty data folder`)
    this.name = 'LogReplacedError'
  }
}

/** The lake has lost manifests; going on would land the same offsets again in other segments, or record them as a gap. */
export class LakeCutError extends Error {
  constructor(where: string, why: string) {
    super(
      `${where}: ${why}. Restore the lake's folder 'manifests' from a copy, or run \`watershed doctor --repair\`, which makes missing segments again; the partition is not read until then`,
    )
    this.name = 'LakeCutError'
  }
}

/** The log has lost records that were counted: a fold would put other events under offsets that partials already count. */
export class LogCutError extends Error {
  constructor(where: string, why: string) {
    super(
      `${where}: ${why}. Restore a newer copy of the log, or run \`watershed doctor --repair\` to count what it holds now`,
    )
    this.name = 'LogCutError'
  }
}

const REFUSALS = [LogReplacedError, LogLossError, LakeCutError, LogCutError]

/** Whether a person must act before the partition can be read again. */
export function isRefusal(error: unknown): boolean {
  return REFUSALS.some((refusal) => error instanceof refusal)
}

/** The error that an owner throws for `verdict`; null where it can read on. @param where dataset and partition, for the message */
export function refusalOf(verdict: LogVerdict, where: string): Error | null {
  const why = verdictText(verdict)
  switch (verdict.kind) {
    case 'log-replaced':
      return new LogReplacedError(where, why)
    case 'log-ends-before-lake':
    case 'log-refused':
      return new LogLossError(where, verdict)
    case 'log-diverged':
      return verdict.counted === 'closed' ? new LogLossError(where, verdict) : new LogCutError(where, why)
    case 'lake-cut':
    case 'lake-cut-unreadable':
      return new LakeCutError(where, why)
    case 'log-cut':
      return new LogCutError(where, why)
    // An owner reads on from the lake's end, and reads nothing of a generation but where it ends.
    case 'agrees':
    case 'gap':
    case 'gap-or-lake-cut':
    case 'lake-behind':
    case 'boundary-inside-segment':
    case 'generation-of-other-log':
      return null
  }
}
