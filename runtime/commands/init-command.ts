/** watershed init <file|url>: drafts a definition from a sample of someone's own data, and checks that it takes that data in. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { type ColumnDraft, draftColumns } from '#ingest/inference/column-draft.ts'
import { type DatasetDraft, draftDataset } from '#ingest/inference/dataset-draft.ts'
import { definitionText } from '#ingest/inference/definition-text.ts'
import { latinWord } from '#ingest/inference/latin-word.ts'
import { decimalCommas, type SourceNotation } from '#ingest/inference/number-notation.ts'
import type { Sample, SampleOptions } from '#ingest/inference/sample.ts'
import { Survey } from '#ingest/inference/survey.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { loadDatasets } from '../drivers/definitions.ts'
import { decodeSample, rejectedBy } from './check-derived.ts'
import { commandWith, type SharedOptions } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { withFormatOptions } from './format-options.ts'
import { printJson, say } from './output.ts'
import { readSample } from './read-sample.ts'
import { spreadJsonHint } from './spread-json.ts'

interface InitOptions extends SharedOptions, SampleOptions {
  readonly name?: string
  readonly output?: string
  readonly force?: boolean
}

interface Checked {
  readonly events: number
  readonly rejected: number
  /** of the first rejected event */
  readonly reason: string | null
}

export function initCommand(): Command {
  const command = commandWith('init', 'Draft a definition from a sample of your own data, and check that it fits')
    .argument('<source>', 'a file, - for stdin, or an http(s) address: NDJSON, a JSON array, CSV or Parquet')
    .option('--name <name>', 'name of the dataset (default: from the file name)')
    .option('--output <file>', 'definition file to write (default: <name>.ts)')
    .option('--force', 'overwrite the definition file')
  return withFormatOptions(command).action(init)
}

async function init(source: string, options: InitOptions): Promise<void> {
  const name = options.name ?? nameOf(source)
  const output = options.output ?? `${name}.ts`
  if (existsSync(output) && !options.force)
    throw new CommandError('usage', `'${output}' exists; choose another with --output, or overwrite it with --force`)
  const { sample, options: read, notation } = await sampleWithCommas(source, options)
  const { columns, draft } = await draftOf(name, source, sample, notation)
  const text = definitionText(draft, columns, basename(source))
  const checked = await check(text, output, sample)
  await writeFile(output, text)
  const doubts = [
    ...draft.doubts,
    ...columns.flatMap((column) => column.doubts.map((doubt) => `${column.name}: ${doubt}`)),
  ]
  if (options.json) {
    const { format, isWhole, odd } = sample
    const views = draft.views.map((view) => view.name)
    const summary = { file: output, dataset: name, time: draft.time.name, key: draft.key.name, views }
    printJson({ ...summary, format, columns: columns.length, isWhole, odd, doubts, ...checked })
  } else sayDraft(source, output, draft, columns, sample, doubts, checked, read)
}

interface ReadSample {
  readonly sample: Sample
  /** the flags with which it was read, those that it turned out to need included */
  readonly options: SampleOptions
  readonly notation: SourceNotation
}

/** A CSV file with decimal commas is read again with the columns that have them. */
async function sampleWithCommas(source: string, options: SampleOptions): Promise<ReadSample> {
  const sample = await readSample(source, options)
  const { delimiter } = sample
  const given = { delimiter, decimalComma: options.decimalComma ?? [], guessed: new Map<string, string>() }
  const isSettled = delimiter === null || source === '-' || options.decimalComma !== undefined
  const found = isSettled ? new Map<string, string>() : decimalCommas(surveyOf(sample).fields.values(), delimiter)
  if (found.size === 0) return { sample, options, notation: given }
  const decimalComma = [...found.keys()]
  const guessed = new Map([...found].filter((entry): entry is [string, string] => entry[1] !== null))
  const more = { ...options, decimalComma }
  return { sample: await readSample(source, more), options: more, notation: { delimiter, decimalComma, guessed } }
}

function surveyOf({ events, format }: Sample): Survey {
  const survey = new Survey()
  for (const event of events) survey.add(event)
  // Parquet has doubles of its own, and its longer decimals are texts: reading its numbers loses no digits.
  if (format === 'parquet')
    for (const field of survey.fields.values()) if (field.path.length === 1) field.fractionDigits = 0
  return survey
}

async function draftOf(
  name: string,
  source: string,
  sample: Sample,
  notation: SourceNotation,
): Promise<{ columns: readonly ColumnDraft[]; draft: DatasetDraft }> {
  if (sample.events.length === 0) {
    const [odd] = sample.odd
    const why = odd === undefined ? '' : `; ${odd.place}: ${odd.reason}`
    const hint = spreadJsonHint(source, 0, sample.odd)
    throw new CommandError('definition', `'${source}' has no events${why}${hint === null ? '' : `\n${hint}`}`)
  }
  const { columns, doubts } = draftColumns(surveyOf(sample), await keywords(), notation)
  try {
    const draft = draftDataset(name, columns, sample.events.length)
    return { columns, draft: { ...draft, doubts: [...draft.doubts, ...doubts] } }
  } catch (error) {
    const message = [(error as Error).message, ...doubts].join('; ')
    throw new CommandError('definition', `'${source}': ${message}`, { cause: error })
  }
}

/** Loads the draft as every command does, before it is written where it stays, and offers it the sample. */
async function check(text: string, output: string, sample: Sample): Promise<Checked> {
  const folder = await mkdtemp(join(tmpdir(), 'watershed-init-'))
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  const file = join(folder, basename(output))
  try {
    await writeFile(file, text)
    const [dataset] = [...(await loadDatasets([file], engine)).values()]
    const reasons = rejectedBy(dataset!, sample, await decodeSample(dataset!, sample))
    return { events: sample.events.length, rejected: reasons.length, reason: reasons[0] ?? null }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    const message = error.message.replaceAll(file, output)
    throw new CommandError(error.exit, `the draft is not valid, so it was not written: ${message}`, { cause: error })
  } finally {
    engine.close()
    await rm(folder, { recursive: true })
  }
}

async function keywords(): Promise<ReadonlySet<string>> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  const connection = await engine.connect()
  try {
    const rows = await connection.rows<{ name: string }>(
      "SELECT keyword_name AS name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'",
    )
    return new Set(rows.map((row) => row.name))
  } finally {
    connection.close()
    engine.close()
  }
}

function sayDraft(
  source: string,
  output: string,
  draft: DatasetDraft,
  columns: readonly ColumnDraft[],
  { format, events, odd, isWhole }: Sample,
  doubts: readonly string[],
  { rejected, reason }: Checked,
  options: SampleOptions,
): void {
  const { name, time, key, views } = draft
  const path = relative('.', resolve(output))
  const file = path.startsWith('.') ? path : `./${path}`
  const [view] = views
  say(`read ${events.length} events as ${format}${isWhole ? '' : ', the beginning of the source'}`)
  for (const { place, reason: why } of odd) say(`  ${place} is no event: ${why}`)
  say(`wrote ${file}: ${columns.length} columns; event time ${time.name} (${time.path}), key ${key.name} (${key.path})`)
  for (const doubt of doubts) say(`  please check: ${doubt}`)
  if (rejected > 0) say(`  ${rejected} of ${events.length} events would be rejected; the first: ${reason}`)
  const isFile = source !== '-' && !/^https?:/i.test(source)
  say('next:')
  if (isFile) say(`  ./watershed ingest ${name} ${source} --dataset ${file}${readFlags(options)}`)
  say(`  ./watershed query ${name} ${view!.name} --dataset ${file} --limit 10`)
  say(`  ./watershed start --dataset ${file}`)
}

/** The flags with which the source was read, for the next command. */
function readFlags({ after, format, delimiter, columns, decimalComma }: SampleOptions): string {
  const flags = { after, format, delimiter, columns: columns?.join(','), 'decimal-comma': decimalComma?.join(',') }
  const given = Object.entries(flags).filter(([, value]) => value !== undefined)
  return given.map(([name, value]) => ` --${name} '${value}'`).join('')
}

/** @example nameOf('/data/2015-Flights.csv.gz') // 'flights' */
function nameOf(source: string): string {
  const last =
    source === '-'
      ? 'events'
      : (source
          .split(/[?#]/)[0]!
          .split('/')
          .findLast((part) => part !== '') ?? 'events')
  const stem = last.replace(/\.(gz|zst)$/i, '').replace(/\.[a-z0-9]+$/i, '')
  const name = latinWord(stem)
    .replace(/^[^a-z]+/, '')
    .slice(0, 60)
  return name === '' ? 'events' : name
}
