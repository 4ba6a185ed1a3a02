/** watershed config: every effective setting and its source, with secrets masked. */
import type { Command } from 'commander'
import { settingsInForce } from '../settings/configuration.ts'
import { commandWith, configurationSources, type SharedOptions } from './command-options.ts'
import { printJson, printTable } from './output.ts'

export function configCommand(): Command {
  return commandWith('config', 'Show every effective setting and its source; secrets are masked').action(show)
}

async function show(options: SharedOptions): Promise<void> {
  const settings = await settingsInForce(configurationSources(options))
  if (options.json) {
    printJson(Object.fromEntries(settings.map(({ name, value, from }) => [name, { value, from }])))
    return
  }
  printTable(
    ['setting', 'value', 'from'],
    settings.map(({ name, value, from }) => [name, value === null ? '' : JSON.stringify(value), from]),
  )
}
