import type { LogVerdict } from '#core/log-agreement.ts'
import { LOG_LOSS_ADVICE, verdictText } from '#core/log-verdict-text.ts'

/** The log has lost records that closed segments count, or was refused before; using it would leave events uncounted that have their offsets now. */
export class LogLossError extends Error {
  constructor(where: string, verdict: LogVerdict) {
    super(`${where}: ${verdictText(verdict)}. ${LOG_LOSS_ADVICE}`)
    this.name = 'LogLossError'
  }
}
