/** watershed check <definition> [file]: what a definition makes of a file, before anything is ingested. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CompiledDataset } from '#core/compiled.ts'
import { failureFinder } from '#core/conversion-failures.ts'
import type { ColumnDefinition, DatasetDefinition } from '#core/definition.ts'
import { parseJsonPath, valueAt } from '#core/json-path.ts'
import { readColumns } from '#core/read-columns.ts'
import { sentText } from '#core/sent-value.ts'
import { TRINO_ADVICE, type TrinoViews, trinoViews } from '#core/trino/trino-views.ts'
import { whyUnusable } from '#core/usable-value.ts'
import { recogniseFormat } from '#ingest/inference/known-formats.ts'
import type { Sample, SampleOptions } from '#ingest/inference/sample.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { importDefinition, loadDatasets } from '../drivers/definitions.ts'
import { isDefinitionPath } from '../settings/setting-sources.ts'
import { type DecodedSample, decodeSample, rejectedBy } from './check-derived.ts'
import { commandWith, type SharedOptions } from './command-options.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { withFormatOptions } from './format-options.ts'
import { printJson, printTable, say } from './output.ts'
import { readSample } from './read-sample.ts'

/** values from which a format is recognised */
const HINTED_MAX = 1_000

type CheckOptions = SharedOptions & SampleOptions

interface ColumnCheck {
  readonly column: string
  readonly type: string
  /** where the values are from: a JSON path, or = and an expression */
  readonly path: string
  readonly values: number
  readonly missing: number
  /** present, but not a value of the type: NULL, or the default */
  readonly unconverted: number
  readonly example: string | null
}

interface Rejected {
  readonly reason: string
  events: number
}

export function checkCommand(): Command {
  const command = commandWith('check', 'Check a definition, and what it makes of a file')
    .argument('<definition>', 'a definition file, or the name of a shipped dataset')
    .argument('[file]', 'events to check it against: a file, - for stdin, or an http(s) address')
  return withFormatOptions(command).action(check)
}

async function check(entry: string, file: string | undefined, options: CheckOptions): Promise<void> {
  const path = isDefinitionPath(entry) ? resolve(entry) : entry
  const { dataset, refused } = await compiled(path)
  const { definition } = await importDefinition(path)
  const sample = file === undefined ? null : await readSample(file, options)
  const read = sample === null ? [] : checkColumns(definition, sample)
  const decoded = sample === null ? null : await decodeSample(dataset, sample)
  const columns = [...read, ...derivedColumns(dataset, decoded, sample?.events.length ?? 0)]
  const rejects = sample === null ? [] : rejectsOf(rejectedBy(dataset, sample, decoded))
  const rejected = rejects.reduce((sum, { events }) => sum + events, 0)
  const views = [...dataset.views.keys()]
  if (options.json)
    printJson({
      ...{ dataset: dataset.name, views, events: sample?.events.length ?? 0, rejected, rejects, columns },
      trino: { refused },
    })
  else {
    say(`${dataset.name}: the definition is valid; views ${views.join(', ')}`)
    sayRefused(refused, views.length)
    if (sample !== null) sayCheck(sample, columns, rejects, rejected)
  }
  if (rejected > 0) process.exitCode = EXIT_CODES.rejected.code
}

async function compiled(
  entry: string,
): Promise<{ readonly dataset: CompiledDataset; readonly refused: TrinoViews['refused'] }> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  try {
    const datasets = await loadDatasets([entry], engine)
    const dataset = [...datasets.values()][0]!
    return { dataset, refused: (await trinoViews(dataset, await engine.connect())).refused }
  } finally {
    engine.close()
  }
}

/** For whom it may concern: most never recount on Trino. */
function sayRefused(refused: TrinoViews['refused'], views: number): void {
  if (refused.length === 0) return
  const count = refused.length === views ? 'no view' : `${views - refused.length} of ${views} views`
  say(
    `  for information: Trino (--batch-engine trino) would compute ${count} to the same values, and refuse the dataset:`,
  )
  for (const { view, reasons } of refused) for (const reason of reasons) say(`    view '${view}', ${reason}`)
  say(`    ${TRINO_ADVICE}`)
}

/** What ingest would make of the events, column by column. */
function checkColumns(definition: DatasetDefinition, { events, texts }: Sample): ColumnCheck[] {
  const find = failureFinder(definition.columns)
  const failures = events.map((event, at) => find(event, texts[at]!))
  return Object.entries(readColumns(definition.columns)).map(([name, column]) => {
    const path = parseJsonPath(column.path)!
    // For these, ingest is stricter than the engine.
    const isStrict = column.required || name === definition.time || name === definition.key
    const values = events.map((event) => valueAt(event, path) ?? null)
    /** Per event, why its value cannot be used; null if it can, or if there is none. */
    const whyNot = values.map((value, at) => {
      const failed = failures[at]!.find((failure) => failure.column === name)
      if (isStrict ? value === null : failed === undefined) return null
      const why = value === null ? null : whyUnusable(value, column, () => sentText(texts[at]!, path))
      return isStrict ? why : (why ?? `${failed!.value} is not a valid ${column.type}`)
    })
    const wrong = whyNot.filter((why) => why !== null)
    const missing = values.filter((value, at) => value === null && whyNot[at] === null).length
    const there = values.filter((value) => value !== null)
    return {
      column: name,
      type: column.type,
      path: column.path,
      values: events.length - missing - wrong.length,
      missing,
      unconverted: wrong.length,
      example: wrong[0] === undefined ? null : `${wrong[0]}${formatHint(column, there)}`,
    }
  })
}

/** The formats that read what the column does not; nothing if none is known. */
function formatHint(column: ColumnDefinition, values: readonly unknown[]): string {
  if (column.type !== 'TIMESTAMP') return ''
  const wrong = values.filter((value) => whyUnusable(value, column) !== null)
  const texts = wrong.filter((value) => typeof value === 'string' || typeof value === 'number')
  const found = recogniseFormat(texts.slice(0, HINTED_MAX))
  if (found === null) return ''
  const formats = [found.formats, ...found.alternatives.map((other) => [other])].map((these) =>
    these.map((one) => `'${one}'`).join(', '),
  )
  return `; format ${formats.join(' or ')} reads it`
}

function derivedColumns(dataset: CompiledDataset, decoded: DecodedSample | null, events: number): ColumnCheck[] {
  const columns = new Map(dataset.columns.map((column) => [column.name, column]))
  return (decoded?.counts ?? []).map(({ column, values, failed }) => {
    const { type, as } = columns.get(column)!
    return {
      column,
      type,
      path: `= ${as}`,
      values,
      missing: events - values - failed,
      unconverted: failed,
      example: null,
    }
  })
}

function rejectsOf(all: readonly string[]): Rejected[] {
  const reasons = new Map<string, Rejected>()
  for (const reason of all) {
    // The value differs from event to event, the column and what is wrong with it do not.
    const kind = reason.replace(/"(\\.|[^"\\])*"|-?\d+(\.\d+)?(e[+-]?\d+)?/gi, '…')
    const known = reasons.get(kind)
    if (known === undefined) reasons.set(kind, { reason, events: 1 })
    else known.events++
  }
  return [...reasons.values()].toSorted((a, b) => b.events - a.events)
}

function sayCheck(
  sample: Sample,
  columns: readonly ColumnCheck[],
  rejects: readonly Rejected[],
  rejected: number,
): void {
  const { events, odd, format, isWhole } = sample
  say(`read ${events.length} events as ${format}${isWhole ? '' : ', the beginning of the file'}`)
  for (const { place, reason } of odd) say(`  ${place} is no event: ${reason}`)
  printTable(
    ['column', 'type', 'path', 'values', 'missing', 'unconverted', 'example'],
    columns.map(({ column, type, path, values, missing, unconverted, example }) => [
      column,
      type,
      path,
      values,
      missing,
      unconverted,
      example,
    ]),
  )
  for (const { reason, events: count } of rejects) say(`  ${count} events would be rejected, such as: ${reason}`)
  if (rejected === 0) say('  no event would be rejected')
}
