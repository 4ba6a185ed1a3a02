/** watershed verify: recounts every view from raw events and compares with the merged answers, row by row. */
import type { Command } from 'commander'
import { type Slice, sliceText } from '#verification/slice.ts'
import { type VerifyReport, verifyDataset } from '#verification/verify-dataset.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { mergedSnapshot } from '../health/merged-snapshot.ts'
import { withNextSlice } from '../health/prove-slice.ts'
import { recordVerification } from '../health/record-verification.ts'
import { stopSignal } from '../signals.ts'
import { commandWith, type SharedOptions, wholeNumber, withWorkspace } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { printJson, printTable, say } from './output.ts'
import type { Workspace } from './workspace.ts'

export function verifyCommand(): Command {
  return commandWith('verify', 'Recount every view of every loaded dataset from raw events, and compare')
    .option(
      '--slices <number>',
      'compare only the next of so many slices of history; after all of them everything was compared',
      wholeNumber(1, SLICES_MAX),
    )
    .action(verify)
}

const SLICES_MAX = 366

interface VerifyOptions extends SharedOptions {
  readonly slices?: number
}

interface ToldReport extends VerifyReport {
  /** offsets in the log that no answer includes yet; null: the log is unavailable */
  readonly behind: number | null
  /** series that are calculated from the compared views when they are asked for */
  readonly series: readonly string[]
}

async function verify(options: VerifyOptions): Promise<void> {
  const stop = stopSignal()
  const reports = await withWorkspace(options, 'serve', (workspace) =>
    verifyAll(workspace, stop.signal, options.slices ?? null),
  ).finally(stop.dispose)
  if (options.json) printJson(reports)
  else for (const report of reports) show(report)
  if (reports.some((report) => !report.equal)) process.exitCode = EXIT_CODES.different.code
}

/**
 * @param slices null: everything is compared
 * @throws CommandError 'interrupted' if the signal came before the end
 */
export async function verifyAll(
  workspace: Workspace,
  signal: AbortSignal,
  slices: number | null = null,
): Promise<ToldReport[]> {
  const reports: ToldReport[] = []
  for (const open of await workspace.all()) {
    const compare = (slice: Slice | null): Promise<ToldReport> => verifyOne(workspace, open, signal, slice)
    const report = slices === null ? await compare(null) : await withNextSlice(open, slices, compare)
    if (report === null)
      throw new CommandError(
        'busy',
        `'${open.dataset.name}': another process compares a slice now; try again when it has ended`,
      )
    reports.push(report)
  }
  return reports
}

async function verifyOne(
  workspace: Workspace,
  open: OpenDataset,
  signal: AbortSignal,
  slice: Slice | null,
): Promise<ToldReport> {
  const report = await verifyDataset({
    ...open,
    scratchFolder: workspace.scratchFolder,
    signal,
    slice,
    snapshot: (panes) => mergedSnapshot(open, panes),
    onView: (view, done, total) => {
      if (process.stderr.isTTY) say(`${open.dataset.name}: view ${done + 1} of ${total}, ${view}`)
    },
  }).catch((error) => {
    if (!signal.aborted) throw error
    throw new CommandError('interrupted', `verify was stopped before '${open.dataset.name}' was compared`)
  })
  await recordVerification(open.lake, report).catch((error: Error) =>
    say(`${open.dataset.name}: the result could not be recorded for metrics: ${error.message}`),
  )
  return { ...report, behind: await behindOf(open, report), series: [...open.dataset.series.keys()] }
}

/** Events in the log beyond those compared: answers include them when a stream role has read them. */
async function behindOf({ log }: OpenDataset, { position }: VerifyReport): Promise<number | null> {
  const ranges = await Promise.all(position.map((_, partition) => log.range(partition))).catch(() => null)
  return ranges?.reduce((sum, { end }, partition) => sum + Math.max(0, end - position[partition]!), 0) ?? null
}

function show(report: ToldReport): void {
  const heads = ['dataset', 'view', 'merged rows', 'recounted rows', 'different']
  printTable(
    heads,
    report.views.map(({ view, merged, recounted, different }) => [report.dataset, view, merged, recounted, different]),
  )
  const sum = (of: (count: VerifyReport['partitions'][number]) => number): number =>
    report.partitions.reduce((total, count) => total + of(count), 0)
  const summarized = sum((count) => count.summarized)
  const given = summarized === 0 ? '' : `${summarized} summarized + `
  say(
    `${report.dataset}: ${sum((count) => count.positions)} offsets = ${given}${sum((count) => count.rows)} rows + ${sum((count) => count.deadLetters)} dead letters + ${sum((count) => count.gaps)} in gaps`,
  )
  if (summarized > 0)
    say(
      `${report.dataset}: raw events of ${summarized} offsets were removed by keep.raw; their states were taken as given, and everything after them was recounted`,
    )
  if (report.behind !== null && report.behind > 0)
    say(`${report.dataset}: the log has ${report.behind} more offsets, which were not compared`)
  if (report.series.length > 0)
    say(
      `${report.dataset}: series are calculated from these views when they are asked for: ${report.series.join(', ')}`,
    )
  for (const note of report.notes) say(`${report.dataset}: ${note}`)
  for (const problem of report.problems) say(`different: ${problem}`)
  for (const { view, first } of report.views) for (const row of first) say(`  ${view}: ${JSON.stringify(row)}`)
  const took = `generation ${report.generation ?? 'none'}, ${(report.tookMs / 1_000).toFixed(1)} s`
  const what = report.slice === null ? report.dataset : `${report.dataset}, ${sliceText(report.slice)}`
  say(report.equal ? `${what}: equal (${took})` : `${what}: NOT equal (${took})`)
}
