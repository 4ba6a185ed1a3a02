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
  interrupted: { code: 130, meaning: 'stopped by Ctrl-C or SIGTERM before the work was done' },
} as const satisfies Record<string, { code: number; meaning: string }>

export type ExitName = keyof typeof EXIT_CODES

/** An error that already knows how the command ends; its message is for people. */
export class CommandError extends Error {
  readonly exit: ExitName
  constructor(exit: ExitName, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.exit = exit
  }
}
