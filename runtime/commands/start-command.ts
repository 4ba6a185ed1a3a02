/** watershed start: all roles in one process, until Ctrl-C. */
import type { Command } from 'commander'
import { RsvpGenerator } from '#datasets/rsvp-generator.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import { print, printJson, say } from '../output.ts'
import { Platform } from '../platform.ts'
import { aborted, stopSignal } from '../signals.ts'
import { commandWith, configurationOf, type SharedOptions, sayEvent, wholeNumber } from './command-options.ts'

interface StartOptions extends SharedOptions {
  readonly port?: number
  readonly host?: string
  readonly demo?: boolean
  readonly demoRate?: number
}

export function startCommand(): Command {
  return commandWith('start', 'Start everything in one process; prints its address')
    .option('--port <n>', 'port to listen on; 0 takes a free one (default: 8787)', wholeNumber(0, 65_535))
    .option('--host <address>', 'address to listen on (default: 127.0.0.1); others than loopback need keys')
    .option('--demo', 'generate the RSVP demo stream, also when datasets are named')
    .option('--no-demo', 'do not generate the RSVP demo stream')
    .option('--demo-rate <n>', 'events per second of the demo stream (default: 50)', wholeNumber(1, 100_000))
    .action(start)
}

async function start(options: StartOptions): Promise<void> {
  const { port, host, demo, demoRate: demoEventsPerSecond } = options
  const configuration = await configurationOf(options, { port, host, demo, demoEventsPerSecond })
  const platform = await Platform.start(configuration, sayEvent)
  const url = `http://127.0.0.1:0`
  if (options.json) printJson({ url, process: process.pid, data: configuration.data })
  else print(url)
  const stop = stopSignal(() => say('stopping: what was accepted stays; press Ctrl-C again to stop at once'))
  const sources: Promise<unknown>[] = []
  const intake = platform.intakes.get('meetup_rsvps')
  if (configuration.demo && intake !== undefined) {
    say(
      `demo: generating ${configuration.demoEventsPerSecond} RSVPs per second into meetup_rsvps (made-up data; --no-demo turns it off)`,
    )
    const generator = new RsvpGenerator({ seed: configuration.demoSeed, startMs: Date.now() })
    sources.push(
      runGenerator(intake, generator, {
        eventsPerSecond: configuration.demoEventsPerSecond,
        signal: stop.signal,
        onFault: (error) => say(`demo: ${error.message}`),
      }),
    )
  }
  await aborted(stop.signal)
  await Promise.all(sources)
  await platform.stop()
  stop.dispose()
}
