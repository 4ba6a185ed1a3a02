/** watershed start: all roles in one process. serve, intake, stream, batch: one role each, as processes of their own over the same parts. */
import type { Command } from 'commander'
import { Platform, type PlatformShape } from '../roles/platform.ts'
import { aborted } from '../signals.ts'
import { commandWith, configurationOf, type SharedOptions, wholeNumber } from './command-options.ts'
import { runDemo } from './demo-source.ts'
import { CommandError } from './exit-codes.ts'
import { print, printJson, say } from './output.ts'
import { runService, type Service } from './service.ts'

interface ServiceOptions extends SharedOptions {
  readonly port?: number
  readonly host?: string
}

interface StartOptions extends ServiceOptions {
  readonly demo?: boolean
  readonly demoRate?: number
}

const ALL: PlatformShape = { threads: ['stream', 'batch', 'present'], answers: true, intake: true }
const FREE_PORT = 'a free one'

export function startCommand(): Command {
  return serviceCommand('start', 'Start everything in one process; prints its address, and runs until Ctrl-C')
    .option('--demo', 'generate the RSVP demo stream, also when datasets are named')
    .option('--no-demo', 'do not generate the RSVP demo stream')
    .option('--demo-rate <n>', 'events per second of the demo stream (default: 50)', wholeNumber(1, 50_000))
    .action(({ demo, demoRate: demoEventsPerSecond, ...options }: StartOptions) =>
      run('start', ALL, options, { demo, demoEventsPerSecond }),
    )
}

export function serveCommand(): Command {
  return serviceCommand('serve', 'Answer queries, and take events in over HTTP; several may run side by side')
    .option('--no-intake', 'answer only: take no events in')
    .action(({ intake, ...options }: ServiceOptions & { intake: boolean }) =>
      run('serve', { threads: [], answers: true, intake }, options),
    )
}

export function intakeCommand(): Command {
  return serviceCommand('intake', 'Take events in over HTTP, and nothing else; several may run side by side').action(
    (options: ServiceOptions) => run('intake', { threads: [], answers: false, intake: true }, options),
  )
}

export function streamCommand(): Command {
  return serviceCommand('stream', 'Fold the log into live partials and closed segments', FREE_PORT).action(
    (options: ServiceOptions) => run('stream', { threads: ['stream'], answers: false, intake: false }, options),
  )
}

export function presentCommand(): Command {
  return serviceCommand('present', 'Keep the presented indices as the answers are', FREE_PORT)
    .addHelpText('after', '\nNeeds the setting presented=elasticsearch. One is enough; two end in the same rows.')
    .action((options: ServiceOptions) =>
      run('present', { threads: ['present'], answers: false, intake: false }, options),
    )
}

/** `watershed batch run` is a command of its own below it. */
export function batchServiceCommand(): Command {
  return serviceCommand('batch', 'Make generations when they are due; see also: batch run', FREE_PORT).action(
    (options: ServiceOptions) => run('batch', { threads: ['batch'], answers: false, intake: false }, options),
  )
}

function serviceCommand(name: string, description: string, port = '8787'): Command {
  return commandWith(name, description)
    .option('--port <n>', `port to listen on; 0 takes a free one (default: ${port})`, wholeNumber(0, 65_535))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1); one that others can reach needs keys')
}

async function run(
  role: string,
  shape: PlatformShape,
  options: ServiceOptions,
  flags: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { port, host } = options
  // Who only wants to know how a role is finds its address in its first line; 8787 is for those that are asked.
  const defaults = shape.answers || shape.intake ? {} : { port: 0 }
  const configuration = await configurationOf(options, { port, host, ...flags }, defaults)
  if (role === 'present' && configuration.presented === 'none')
    throw new CommandError(
      'configuration',
      "presented is 'none': there is nothing to present; set presented=elasticsearch",
    )
  await runService(role, configuration, async (service) => {
    const platform = await Platform.start(configuration, shape, service.emit)
    tellAddress(platform, options, service)
    const demo = role === 'start' ? runDemo(platform, service) : Promise.resolve()
    await aborted(service.signal)
    await demo
    await platform.stop()
  })
}

function tellAddress(platform: Platform, options: ServiceOptions, { configuration, emit }: Service): void {
  if (options.json) printJson({ url: platform.address, process: process.pid, data: configuration.data })
  else print(platform.address)
  const { address, firstQuestions } = platform
  if (process.stderr.isTTY && !options.json && configuration.logFormat !== 'json') say(firstQuestions)
  else emit({ name: 'started', level: 'info', message: `listening on ${address}`, fields: { address } })
}
