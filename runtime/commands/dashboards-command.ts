/** watershed dashboards install: imports the dashboards of the loaded datasets into Kibana. */
import { Command } from 'commander'
import { installDashboards, KibanaError } from '#dashboards/install-dashboards.ts'
import { kibanaNdjson } from '#dashboards/kibana-objects.ts'
import { kibanaDashboards } from '#dashboards/kibana-panels.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { loadDatasets } from '../drivers/definitions.ts'
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
    'Import data views and dashboards of the loaded datasets into Kibana; those of an earlier import are replaced',
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
  const { datasets, plaintextCredentials } = await configurationOf(options)
  if (place !== null && !plaintextCredentials) throw new CommandError('configuration', problemOf('--kibana', place))
  const objects = await kibanaObjectsOf(datasets)
  if (objects === '')
    throw new CommandError(
      'usage',
      `no panel of ${datasets.join(', ')} can be shown in Kibana; see the live page instead`,
    )
  const done = await installDashboards({ url, space, auth }, objects).catch((error: unknown) => {
    throw error instanceof KibanaError ? new CommandError('storage', error.message, { cause: error }) : error
  })
  if (json) printJson(done)
  else say(`${done.installed} objects were imported into Kibana; open ${done.address}`)
}

/** One saved object a line. */
async function kibanaObjectsOf(entries: readonly string[]): Promise<string> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  try {
    const datasets = [...(await loadDatasets(entries, engine)).values()]
    return datasets
      .map((dataset) => ({ dataset, ...kibanaDashboards(dataset) }))
      .map(({ dataset, dataViews, dashboards }) => kibanaNdjson(dataset.name, dataViews, dashboards))
      .join('')
  } finally {
    engine.close()
  }
}

/** From the environment, so that no secret appears in the process list: KIBANA_API_KEY, or KIBANA_USERNAME and KIBANA_PASSWORD. */
function authOf({ KIBANA_API_KEY: apiKey, KIBANA_USERNAME: username, KIBANA_PASSWORD: password }: NodeJS.ProcessEnv) {
  if (apiKey) return { apiKey }
  return username && password ? { username, password } : null
}
