/** Flags shared by all commands, and how a command opens its workspace. */
import { Command, InvalidArgumentError } from 'commander'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { offerPackageName } from '../drivers/definitions.ts'
import type { EngineRole } from '../drivers/open-engine.ts'
import { commandLog } from '../log.ts'
import { type ConfigurationSources, loadConfiguration } from '../settings/configuration.ts'
import { secretsOf } from '../settings/secrets.ts'
import { isDefinitionPath } from '../settings/setting-sources.ts'
import type { Configuration } from '../settings/settings.ts'
import { Workspace } from './workspace.ts'

export interface SharedOptions {
  readonly data?: string
  readonly lake?: string
  readonly s3Endpoint?: string
  readonly batchEngine?: string
  readonly dataset?: readonly string[]
  readonly config?: string
  readonly set?: readonly string[]
  readonly json?: boolean
  readonly logLevel?: string
  readonly logFormat?: string
}

/** A command with the shared flags. */
export function commandWith(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--data <folder>', 'data folder (default: ./watershed-data)')
    .option('--lake <url>', 'lake in an object store: s3://<bucket>/<prefix> (default: a folder in the data folder)')
    .option('--s3-endpoint <url>', 'address of an S3 server other than AWS')
    .option('--dataset <name or file>', 'a shipped dataset, or a definition file; repeatable', collect)
    .option('--config <file>', 'configuration file, JSON or .ts')
    .option('--set <name=value>', 'any setting, for example --set log=kafka; repeatable', collect)
    .option('--json', 'one JSON value on stdout, for programs')
    .option(
      '--log-level <level>',
      'lowest level that is logged on stderr: debug, info, warn, error or silent (default: info)',
    )
    .option('--log-format <format>', 'json or readable (default: readable on a terminal, else JSON)')
    .showHelpAfterError('(watershed help shows all commands)')
}

/** For repeatable flags. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** An integer within bounds, for flags. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`it must be an integer from ${min} to ${max}.`)
    }
    return value
  }
}

export async function configurationOf(
  options: SharedOptions,
  more: Readonly<Record<string, unknown>> = {},
  defaults: Readonly<Record<string, unknown>> = {},
): Promise<Configuration> {
  return loadConfiguration({ ...configurationSources(options, more), defaults })
}

/** The sources of a command's settings. */
export function configurationSources(
  options: SharedOptions,
  more: Readonly<Record<string, unknown>> = {},
): ConfigurationSources {
  offerPackageName()
  return {
    file: options.config,
    environment: process.env,
    set: options.set,
    flags: {
      data: options.data,
      lake: options.lake,
      's3.endpoint': options.s3Endpoint,
      batchEngine: options.batchEngine,
      datasets: options.dataset,
      logLevel: options.logLevel,
      logFormat: options.logFormat,
      ...more,
    },
  }
}

export interface WorkspaceNeeds {
  /** create the data folder if it does not exist. Default false */
  readonly make?: boolean
  /** settings that the command overrides */
  readonly adjust?: (configuration: Configuration) => Configuration
  /** the dataset that the command is about; a shipped one need not be named by --dataset as well */
  readonly dataset?: string
}

/** Beside definition files nothing is loaded that was not asked for: one of them can define a dataset of that name. */
function withShipped(configuration: Configuration, dataset: string | undefined): Configuration {
  const { datasets } = configuration
  if (dataset === undefined || !Object.hasOwn(SHIPPED_DATASETS, dataset)) return configuration
  if (datasets.includes(dataset) || datasets.some(isDefinitionPath)) return configuration
  return { ...configuration, datasets: [...datasets, dataset] }
}

/** Opens the workspace, runs the command's work on it, and always closes it. */
export async function withWorkspace<T>(
  options: SharedOptions,
  role: EngineRole,
  work: (workspace: Workspace) => Promise<T>,
  { make = false, adjust = (as) => as, dataset }: WorkspaceNeeds = {},
): Promise<T> {
  const configuration = withShipped(adjust(await configurationOf(options)), dataset)
  const emit = commandLog(configuration, { role: 'command', secrets: secretsOf(configuration) })
  const workspace = await Workspace.open(configuration, role, emit, make)
  try {
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}
