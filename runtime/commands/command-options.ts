/** Flags that every command has, and how a command opens what it works on. */
import { Command, InvalidArgumentError } from 'commander'
import type { Emit, PlatformEvent } from '#telemetry/emit.ts'
import { loadConfiguration } from '../configuration.ts'
import { offerPackageName } from '../definitions.ts'
import type { EngineRole } from '../open-engine.ts'
import { say } from '../output.ts'
import type { Configuration } from '../settings.ts'
import { Workspace } from '../workspace.ts'

export interface SharedOptions {
  readonly data?: string
  readonly dataset?: readonly string[]
  readonly config?: string
  readonly json?: boolean
}

/** A command with the shared flags. */
export function commandWith(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--data <folder>', 'data folder (default: ./watershed-data)')
    .option('--dataset <name or file>', 'a shipped dataset, or a definition file; repeatable', collect)
    .option('--config <file>', 'configuration file, JSON or .ts')
    .option('--json', 'one JSON value on stdout, for programs')
    .showHelpAfterError('(watershed help shows all commands)')
}

/** For repeatable flags. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** A whole number within bounds, for flags. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`it must be a whole number from ${min} to ${max}.`)
    }
    return value
  }
}

export async function configurationOf(
  options: SharedOptions,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Configuration> {
  offerPackageName()
  return loadConfiguration({
    file: options.config,
    environment: process.env,
    flags: { data: options.data, datasets: options.dataset, ...more },
  })
}

/** Opens the workspace, runs the command's work on it, and closes it whatever happens. */
export async function withWorkspace<T>(
  options: SharedOptions,
  role: EngineRole,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  const workspace = await Workspace.open(await configurationOf(options), role, sayEvent)
  try {
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}

/** Commands tell people what matters; `start` logs everything. */
export const sayEvent: Emit = (event: PlatformEvent) => {
  if (event.level === 'debug') return
  say(event.level === 'info' ? event.message : `${event.level}: ${event.message}`)
}
