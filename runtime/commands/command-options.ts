/** Flags shared by all commands, and how a command opens its workspace. */
import { Command, InvalidArgumentError } from 'commander'
import { offerPackageName } from '../drivers/definitions.ts'
import type { EngineRole } from '../drivers/open-engine.ts'
import { commandLog } from '../log.ts'
import { type ConfigurationSources, loadConfiguration } from '../settings/configuration.ts'
import { secretsOf } from '../settings/secrets.ts'
import type { Configuration } from '../settings/settings.ts'
import { Workspace } from './workspace.ts'

export interface SharedOptions {
  readonly data?: string
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
}

/** Opens the workspace, runs the command's work on it, and always closes it. */
export async function withWorkspace<T>(
  options: SharedOptions,
  role: EngineRole,
  work: (workspace: Workspace) => Promise<T>,
  { make = false, adjust = (as) => as }: WorkspaceNeeds = {},
): Promise<T> {
  const configuration = adjust(await configurationOf(options))
  const emit = commandLog(configuration, { role: 'command', secrets: secretsOf(configuration) })
  const workspace = await Workspace.open(configuration, role, emit, make)
  try {
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}
