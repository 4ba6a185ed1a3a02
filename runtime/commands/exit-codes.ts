/** Exit codes by name: stable numbers that scripts can rely on (docs/reference/command-line.md). */
export const EXIT_CODES = {
  done: { code: 0, meaning: 'success; also `start` after a clean stop' },
  different: {
    code: 1,
    meaning: '`verify` or `test` found a difference, or `doctor` found a component that needs attention',
  },
  rejected: {
    code: 2,
    meaning:
      '`ingest` rejected at least one line; all others are in the log. `check` found events that would be rejected. `dead-letters replay` met an event that is still unusable',
  },
  behind: {
    code: 3,
    meaning:
      '`query`, `batch run` or `backfill` succeeded without counting every event of the log, and no stream role is counting the rest; stderr says why',
  },
  usage: { code: 64, meaning: 'an unknown command, flag, dataset, view, measure, generation, dictionary or value' },
  definition: { code: 65, meaning: 'a dataset definition or an input file is invalid' },
  fault: { code: 70, meaning: 'an unexpected fault' },
  storage: {
    code: 74,
    meaning:
      'a file, folder or service is unusable: full, read-only, damaged, missing or unavailable; or the engine is out of memory',
  },
  busy: { code: 75, meaning: 'another process is doing the same work, or uses the port; retry later' },
  configuration: { code: 78, meaning: 'the configuration is invalid, or the project is not installed' },
  timeout: {
    code: 124,
    meaning: '`query` exceeded `queryMsMax` and was cancelled, or waited for a position longer than `waitMsMax`',
  },
  interrupted: { code: 130, meaning: 'interrupted by Ctrl-C or SIGTERM before the work was done' },
} as const satisfies Record<string, { code: number; meaning: string }>

export type ExitName = keyof typeof EXIT_CODES

/** The error of a command that cannot listen on its port. */
export function listenError(host: string, port: number, error: NodeJS.ErrnoException): CommandError {
  const message = `cannot listen on ${host}:${port}: ${error.message}`
  const elsewhere = 'choose another port with --port'
  if (error.code === 'EADDRINUSE') return new CommandError('busy', `${message}; ${elsewhere}`, { cause: error })
  const advice = error.code === 'EACCES' ? elsewhere : "set 'host' to an address of this machine"
  return new CommandError('configuration', `${message}; ${advice}`, { cause: error })
}

/** An error with its exit code and a message for the user. */
export class CommandError extends Error {
  readonly exit: ExitName
  constructor(exit: ExitName, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.exit = exit
  }
}
