/** watershed start: all roles in one process, until Ctrl-C. */
import type { Command } from 'commander'
import { RsvpGenerator } from '#datasets/rsvp-generator.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import { print, printJson, say } from '../output.ts'
import { Platform } from '../platform.ts'
import { aborted } from '../signals.ts'
import { commandWith, configurationOf, type SharedOptions, wholeNumber } from './command-options.ts'
import { runService, type Service } from './service.ts'

interface StartOptions extends SharedOptions {
  readonly port?: number
  readonly host?: string
  readonly demo?: boolean
  readonly demoRate?: number
}

const DEMO_DATASET = 'meetup_rsvps'

export function startCommand(): Command {
  return commandWith('start', 'Start everything in one process; prints its address, and runs until Ctrl-C')
    .option('--port <n>', 'port to listen on; 0 takes a free one (default: 8787)', wholeNumber(0, 65_535))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1); one that others can reach needs keys')
    .option('--demo', 'generate the RSVP demo stream, also when datasets are named')
    .option('--no-demo', 'do not generate the RSVP demo stream')
    .option('--demo-rate <n>', 'events per second of the demo stream (default: 50)', wholeNumber(1, 50_000))
    .action(start)
}

async function start(options: StartOptions): Promise<void> {
  const { port, host, demo, demoRate: demoEventsPerSecond } = options
  const configuration = await configurationOf(options, { port, host, demo, demoEventsPerSecond })
  await runService('start', configuration, async (service) => {
    const platform = await Platform.start(configuration, service.emit)
    if (options.json) printJson({ url: platform.address, process: process.pid, data: configuration.data })
    else print(platform.address)
    if (process.stderr.isTTY && !options.json && configuration.logFormat !== 'json') say(platform.firstQuestions)
    const sources = demoSource(platform, service)
    await aborted(service.signal)
    await sources
    await platform.stop()
  })
}

/** The demo stream goes through the same door as everything else. Resolves when it has stopped. */
async function demoSource(platform: Platform, { configuration, emit, signal }: Service): Promise<void> {
  const intake = platform.intakes.get(DEMO_DATASET)
  if (!configuration.demo || intake === undefined) return
  const { demoEventsPerSecond: eventsPerSecond, demoSeed: seed } = configuration
  emit({
    name: 'demo-started',
    level: 'info',
    dataset: DEMO_DATASET,
    message: `demo: ${eventsPerSecond} made-up RSVPs per second go into ${DEMO_DATASET}; --no-demo starts without, or name your own --dataset`,
    fields: { eventsPerSecond, seed },
  })
  const generator = new RsvpGenerator({ seed, startMs: Date.now() })
  const onFault = (error: Error): void =>
    emit({ name: 'demo-fault', level: 'warn', dataset: DEMO_DATASET, message: `demo: ${error.message}` })
  await runGenerator(intake, generator, { eventsPerSecond, signal, onFault })
}
