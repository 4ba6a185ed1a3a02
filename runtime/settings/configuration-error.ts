/** Something in the configuration is wrong: says which setting, from where, and what would be right. */
export class ConfigurationError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.length === 1 ? problems[0]! : `the configuration can not be used:\n  - ${problems.join('\n  - ')}`)
    this.name = 'ConfigurationError'
  }
}
