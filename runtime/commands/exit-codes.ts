/** How the command line ends, by name: stable numbers that scripts may rely on (docs/reference/command-line.md). */
export const EXIT_CODES = {
  done: { code: 0, meaning: 'the command did what was asked; also `start` after a clean stop' },
  different: { code: 1, meaning: '`verify` found a difference, or `doctor` found a part that needs attention' },
  rejected: { code: 2, meaning: '`ingest` rejected at least one row; all others are in the log' },
  usage: { code: 64, meaning: 'an unknown command, flag, dataset, view, measure, generation, dictionary or value' },
  definition: { code: 65, meaning: 'a dataset definition or an input file can not be used' },
  fault: { code: 70, meaning: 'an unexpected fault' },
  storage: {
    code: 74,
    meaning: 'a file, folder or service can not be used: full, read-only, damaged, missing or away',
  },
  busy: { code: 75, meaning: 'another process is doing the same; try again later' },
  configuration: { code: 78, meaning: 'the configuration can not be used, or the project is not installed' },
  timeout: { code: 124, meaning: '`query` took longer than `queryMsMax` and was stopped' },
  interrupted: { code: 130, meaning: 'stopped by Ctrl-C or SIGTERM before the work was done' },
} as const satisfies Record<string, { code: number; meaning: string }>

export type ExitName = keyof typeof EXIT_CODES

/** Why a port could not be had, as a command ends with it. */
export function listenError(host: string, port: number, error: NodeJS.ErrnoException): CommandError {
  const message = `can not listen on ${host}:${port}: ${error.message}`
  const elsewhere = 'choose another with --port'
  if (error.code === 'EADDRINUSE') return new CommandError('busy', `${message}; ${elsewhere}`, { cause: error })
  const advice = error.code === 'EACCES' ? elsewhere : "set 'host' to an address of this machine"
  return new CommandError('configuration', `${message}; ${advice}`, { cause: error })
}

/** An error that already knows how the command ends; its message is for people. */
export class CommandError extends Error {
  readonly exit: ExitName
  constructor(exit: ExitName, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.exit = exit
  }
}
