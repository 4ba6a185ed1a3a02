/** watershed dashboards install: imports the shipped dashboards into Kibana. */
import { Command } from 'commander'
import { installDashboards, KibanaError } from '#dashboards/install-dashboards.ts'
import { plaintextPlace, problemOf } from '../settings/plaintext-credentials.ts'
import { commandWith, configurationOf, type SharedOptions } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, say } from './output.ts'

interface InstallOptions extends SharedOptions {
  readonly kibana: string
  readonly space?: string
}

export function dashboardsCommand(): Command {
  const install = commandWith(
    'install',
    'Import data views and dashboards into Kibana; those of an earlier import are replaced',
  )
    .option('--kibana <url>', 'address of Kibana', 'http://127.0.0.1:5601')
    .option('--space <name>', 'Kibana space (default: the default space)')
    .action(importAll)
  return new Command('dashboards').description('Dashboards over the presented indices').addCommand(install)
}

async function importAll(options: InstallOptions): Promise<void> {
  const { kibana: url, space, json } = options
  const auth = authOf(process.env)
  const place = plaintextPlace(url, auth !== null)
  if (place !== null && !(await configurationOf(options)).plaintextCredentials)
    throw new CommandError('configuration', problemOf('--kibana', place))
  const done = await installDashboards({ url, space, auth }).catch((error: unknown) => {
    throw error instanceof KibanaError ? new CommandError('storage', error.message, { cause: error }) : error
  })
  if (json) printJson(done)
  else say(`${done.installed} objects were imported into Kibana; open ${done.address}`)
}

/** From the environment, so that no secret appears in the process list: KIBANA_API_KEY, or KIBANA_USERNAME and KIBANA_PASSWORD. */
function authOf({ KIBANA_API_KEY: apiKey, KIBANA_USERNAME: username, KIBANA_PASSWORD: password }: NodeJS.ProcessEnv) {
  if (apiKey) return { apiKey }
  return username && password ? { username, password } : null
}
