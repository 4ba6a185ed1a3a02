/** An invalid configuration: the message names the setting, its source, and the valid values. */
export class ConfigurationError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.length === 1 ? problems[0]! : `the configuration is invalid:\n  - ${problems.join('\n  - ')}`)
    this.name = 'ConfigurationError'
  }
}
