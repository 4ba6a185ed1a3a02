/** watershed start: all roles. serve, intake, stream, batch, present: one role each, as separate processes. */
import type { Command } from 'commander'
import { collectOnce } from '#core/collect-garbage.ts'
import type { Platform, PlatformShape } from '../roles/platform.ts'
import { defaultsWithin, memoryAtHand } from '../settings/defaults-within.ts'
import type { Configuration } from '../settings/settings.ts'
import { aborted } from '../signals.ts'
import { commandWith, configurationOf, type SharedOptions, wholeNumber } from './command-options.ts'
import { demoGenerators, runDemo } from './demo-source.ts'
import { CommandError } from './exit-codes.ts'
import { print, printJson, say } from './output.ts'
import { runService, type Service } from './service.ts'

interface ServiceOptions extends SharedOptions {
  readonly port?: number
  readonly host?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

interface StartOptions extends ServiceOptions {
  readonly demo?: boolean
  readonly demoRate?: number
}

const ALL: PlatformShape = { threads: [], processes: ['stream', 'batch', 'present'], answers: true, intake: true }
const FREE_PORT = 'a free one'

export function startCommand(): Command {
  return serviceCommand('start', 'Start all roles; prints its address, and runs until Ctrl-C')
    .option('--demo', 'generate the demo streams of the loaded shipped datasets')
    .option('--no-demo', 'do not generate demo streams')
    .option('--demo-rate <n>', 'events per second of each demo stream (default: 50)', wholeNumber(1, 50_000))
    .action(({ demo, demoRate: demoEventsPerSecond, ...options }: StartOptions) =>
      run('start', ALL, options, { demo, demoEventsPerSecond }),
    )
}

export function serveCommand(): Command {
  return serviceCommand('serve', 'Serve queries and ingest events over HTTP; several can run in parallel')
    .option('--no-intake', 'serve queries only, accept no events')
    .action(({ intake, ...options }: ServiceOptions & { intake: boolean }) =>
      run('serve', { threads: [], answers: true, intake }, options),
    )
}

export function intakeCommand(): Command {
  return serviceCommand(
    'intake',
    'Ingest events over HTTP, without serving queries; several can run in parallel',
  ).action((options: ServiceOptions) => run('intake', { threads: [], answers: false, intake: true }, options))
}

export function streamCommand(): Command {
  return serviceCommand('stream', 'Fold the log into live partials and closed segments', FREE_PORT).action(
    (options: ServiceOptions) => run('stream', { threads: ['stream'], answers: false, intake: false }, options),
  )
}

export function presentCommand(): Command {
  return serviceCommand('present', 'Keep the presented indices up to date with the answers', FREE_PORT)
    .addHelpText(
      'after',
      '\nRequires the setting presented=elasticsearch. One process is enough; two produce the same rows.',
    )
    .action((options: ServiceOptions) =>
      run('present', { threads: ['present'], answers: false, intake: false }, options),
    )
}

/** `watershed batch run` is a command of its own below it. */
export function batchServiceCommand(): Command {
  return serviceCommand('batch', 'Build generations when they are due; see also: batch run', FREE_PORT).action(
    (options: ServiceOptions) => run('batch', { threads: ['batch'], answers: false, intake: false }, options),
  )
}

function serviceCommand(name: string, description: string, port = '8787'): Command {
  return commandWith(name, description)
    .option('--port <n>', `port to listen on; 0 selects a free one (default: ${port})`, wholeNumber(0, 65_535))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1); a non-loopback address requires keys')
    .option('--tls-cert <file>', 'certificate (PEM) with which to speak TLS (default: no TLS)')
    .option('--tls-key <file>', 'private key of the certificate (PEM)')
}

async function run(
  role: string,
  shape: PlatformShape,
  options: ServiceOptions,
  flags: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { port, host, tlsCert, tlsKey } = options
  // Roles that serve no requests print their address in their first line; 8787 is for those that do.
  const defaults = shape.answers || shape.intake ? {} : { port: 0 }
  const fitted = role === 'start' ? defaultsWithin(memoryAtHand()) : {}
  const given = { port, host, tlsCert, tlsKey, ...flags }
  const configuration = await configurationOf(options, given, { ...defaults, ...fitted })
  if (role === 'present' && configuration.presented === 'none')
    throw new CommandError(
      'configuration',
      "nothing to present, because the setting presented is 'none'; set presented=elasticsearch",
    )
  await runService(role, configuration, async (service) => {
    const { Platform } = await import('../roles/platform.ts')
    tellFitted(fitted, service)
    const { emit, signal } = service
    const platform = await Platform.start(configuration, shape, emit, signal).catch((error: unknown) => {
      // The signal also reaches the role processes, so a role can fail to start because of it.
      if (signal.aborted) return null
      throw error
    })
    if (platform === null) return
    try {
      // Done before the address is printed, so that the first request does not wait for it.
      const generators = role === 'start' ? await demoGenerators(configuration) : null
      await collectOnce()
      if (signal.aborted) return
      tellAddress(platform, options, service)
      const demo = generators === null ? Promise.resolve() : runDemo(platform, service, generators)
      await aborted(signal)
      await demo
    } finally {
      await platform.stop()
    }
  })
}

/** Of the limits in force, those that are smaller than elsewhere. */
function tellFitted(fitted: Readonly<Record<string, number>>, { configuration, emit }: Service): void {
  const limits = Object.entries(fitted).filter(([name, value]) => configuration[name as keyof Configuration] === value)
  if (limits.length === 0) return
  const mib = Math.floor(memoryAtHand() / (1024 * 1024))
  const shown = limits.map(([name, value]) => `${name} = ${value}`).join(', ')
  const message = `this machine or container has ${mib} MiB of memory, so these defaults are smaller: ${shown}; set them to override that`
  emit({ name: 'defaults-fitted', level: 'info', message, fields: { mib, ...Object.fromEntries(limits) } })
}

function tellAddress(platform: Platform, options: ServiceOptions, { configuration, emit }: Service): void {
  if (options.json) printJson({ url: platform.address, process: process.pid, data: configuration.data })
  else print(platform.address)
  const { address, firstQuestions } = platform
  if (process.stderr.isTTY && !options.json && configuration.logFormat !== 'json') say(firstQuestions)
  else emit({ name: 'started', level: 'info', message: `listening on ${address}`, fields: { address } })
}
