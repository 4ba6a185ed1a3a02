/** watershed generate: a seeded stream of made-up events of a shipped dataset as NDJSON, to stdout or a file. The same flags give the same bytes, unless the start is 'now'. */
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type Command, InvalidArgumentError } from 'commander'
import Papa from 'papaparse'
import type { EventGenerator } from '#datasets/event-generator.ts'
import { shippedDataset } from '../drivers/definitions.ts'
import { commandWith, type SharedOptions, wholeNumber } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, say } from './output.ts'

interface GenerateOptions extends SharedOptions {
  readonly seed: number
  readonly count: number
  readonly rate: number
  readonly start: number | 'now'
  readonly format: 'ndjson' | 'csv'
  readonly output?: string
}

const CHUNK_LINES = 1_000
const RATE_MAX = 1_000_000
/** 2017-03-19T00:00:00Z: the days of the real stream */
const START_MS = 1_489_881_600_000

export function generateCommand(): Command {
  return commandWith('generate', 'Write a seeded stream of made-up events of a shipped dataset as NDJSON')
    .argument('[dataset]', 'name of a shipped dataset', 'meetup_rsvps')
    .option('--seed <n>', 'the same seed gives the same stream', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--count <n>', 'number of lines', wholeNumber(0), 1_000)
    .option('--rate <n>', 'events per second of event time, for example 0.5', rateOf, 100)
    .option(
      '--start <time>',
      "event time of the first line, ISO 8601 or epoch ms; 'now': the stream ends now",
      timeOf,
      START_MS,
    )
    .option('--format <format>', 'ndjson, or csv for events without nested values', formatOf, 'ndjson')
    .option('--output <file>', 'file to write (default: stdout)')
    .action(generate)
}

function rateOf(text: string): number {
  const rate = Number(text)
  if (text.trim() !== '' && rate > 0 && rate <= RATE_MAX) return rate
  throw new InvalidArgumentError(`it must be a number above 0, at most ${RATE_MAX}.`)
}

function formatOf(text: string): 'ndjson' | 'csv' {
  if (text === 'ndjson' || text === 'csv') return text
  throw new InvalidArgumentError('it must be ndjson or csv.')
}

function timeOf(text: string): number | 'now' {
  if (text === 'now') return text
  const ms = /^-?\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isFinite(ms))
    throw new InvalidArgumentError("use ISO 8601 such as 2017-03-19T12:00:00Z, epoch ms, or 'now'.")
  return ms
}

async function generate(dataset: string, options: GenerateOptions): Promise<void> {
  const { seed, count, rate, start, format, output } = options
  const startMs = start === 'now' ? Date.now() - Math.ceil((count / rate) * 1_000) : start
  const { generator: make } = shippedDataset(dataset)
  if (make === undefined)
    throw new CommandError('usage', `'${dataset}' has no made-up events: they come from its live source`)
  const generator = await make({ seed, startMs, eventsPerSecond: rate })
  const target = output === undefined ? process.stdout : createWriteStream(output)
  try {
    const bytes = await writeLines(target, count, linesOf(generator, format))
    if (output === undefined) return
    target.end()
    await finished(target)
    if (options.json) printJson({ file: output, lines: count, bytes })
    else say(`wrote ${count} lines, ${bytes} bytes to ${output}`)
  } catch (error) {
    if (error instanceof CommandError) throw error
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return
    throw new CommandError('storage', `${output ?? 'stdout'} cannot be written: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** The text of each next event; of CSV the header comes with the first one. @throws CommandError 'usage' where CSV cannot hold an event */
function linesOf(generator: EventGenerator, format: 'ndjson' | 'csv'): () => string {
  if (format === 'ndjson') return () => generator.next()
  let names: readonly string[] | null = null
  return () => {
    const event = JSON.parse(generator.next()) as Readonly<Record<string, unknown>>
    const nested = Object.keys(event).find((name) => typeof event[name] === 'object' && event[name] !== null)
    if (nested !== undefined)
      throw new CommandError(
        'usage',
        `CSV cannot hold these events: '${nested}' has nested values; use --format ndjson`,
      )
    const header = names === null
    names ??= Object.keys(event)
    return Papa.unparse({ fields: [...names], data: [event] }, { header, newline: '\n' })
  }
}

async function writeLines(target: Writable, count: number, next: () => string): Promise<number> {
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  target.on('error', failed.reject)
  let bytes = 0
  for (let made = 0; made < count; ) {
    let chunk = ''
    for (const end = Math.min(count, made + CHUNK_LINES); made < end; made++) chunk += `${next()}\n`
    bytes += Buffer.byteLength(chunk)
    // A write can complete before the stream reports its error: the next write must not start then.
    const written = new Promise<void>((resolve, reject) =>
      target.write(chunk, (error) => (error ? reject(error) : resolve())),
    )
    await Promise.race([written, failed.promise])
  }
  return bytes
}
