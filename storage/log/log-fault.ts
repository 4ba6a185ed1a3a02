/** A fault of the log's file, with what to do. Nothing that was not acknowledged is in the log; what was, is. */
export class LogFileError extends Error {
  readonly file: string
  constructor(file: string, message: string, cause?: Error) {
    super(`log ${file}: ${message}`, { cause })
    this.name = 'LogFileError'
    this.file = file
  }
}

const ADVICE: readonly [RegExp, string][] = [
  [
    /full|disk I\/O|ENOSPC/i,
    'the disk is full or failing; nothing of this append was kept. Free space and send it again',
  ],
  [
    /readonly|read-only|permission|unable to open/i,
    'the file or its folder can not be written; check that it exists and its permissions',
  ],
  [
    /malformed|not a database|corrupt/i,
    'the file is damaged or no log; restore it, or move it away together with the lake',
  ],
  [/locked|busy/i, 'another process holds it for too long; try again'],
]

export class LogFault {
  readonly #file: string
  constructor(file: string) {
    this.#file = file
  }

  refused(why: string): LogFileError {
    return new LogFileError(this.#file, why)
  }

  of(error: Error, doing: string): Error {
    if (error instanceof LogFileError || error instanceof RangeError) return error
    const advice = ADVICE.find(([pattern]) => pattern.test(error.message))?.[1] ?? 'see the cause'
    return new LogFileError(this.#file, `${doing}: ${error.message}: ${advice}`, error)
  }
}
