/** watershed doctor: the state of each component, and what to do. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { openScheduleLook } from '../drivers/open-schedule.ts'
import { openBoard } from '../drivers/open-texts.ts'
import { type DoctorReport, examine, repair } from '../health/doctor.ts'
import type { SinkReport } from '../health/sink-reports.ts'
import type { SourceReport } from '../health/source-reports.ts'
import type { Configuration } from '../settings/settings.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { printJson, printTable, say } from './output.ts'
import type { Workspace } from './workspace.ts'

export function doctorCommand(): Command {
  return commandWith('doctor', 'Report the state of each component, and what to do')
    .option('--deep', 'also read the log and every file in the lake, and compare checksums')
    .option('--repair', 'repair what can be repaired without data loss, and report what was done')
    .option('--accept-log-loss', 'with --repair: go on with a log that lost records of closed segments')
    .action(doctor)
}

interface DoctorOptions extends SharedOptions {
  readonly deep?: boolean
  readonly repair?: boolean
  readonly acceptLogLoss?: boolean
}

const OUTAGE_MS_MAX = 5_000

async function doctor(options: DoctorOptions): Promise<void> {
  const reports = await withWorkspace(options, 'serve', (workspace) => reportsOf(workspace, options), {
    adjust: options.repair ? undefined : impatient,
  })
  if (options.json) printJson(reports)
  else {
    for (const { dataset, repairs = [] } of reports)
      for (const { part, outcome, message } of repairs) say(`${dataset}, ${part}: ${outcome}: ${message}`)
    const rows = reports.flatMap(({ dataset, findings }) =>
      findings.map(({ part, state, message, advice }) => [dataset, part, state, message, advice ?? '']),
    )
    printTable(['dataset', 'component', 'state', 'finding', 'action'], rows)
  }
  if (reports.some((report) => !report.well)) process.exitCode = EXIT_CODES.different.code
}

async function reportsOf(
  workspace: Workspace,
  { deep, repair: mend, acceptLogLoss }: DoctorOptions,
): Promise<DoctorReport[]> {
  const examined: DoctorReport[] = []
  const scratchFolder = join(workspace.scratchFolder, 'repair')
  const dictionary = await workspace.openDictionary()
  try {
    const names = [...workspace.datasets.keys()]
    // Concurrently, so that an unavailable service delays the command only once.
    const opened = await Promise.all(names.map((name) => workspace.dataset(name).catch((error: Error) => error)))
    for (const [index, open] of opened.entries()) {
      const name = names[index]!
      const schedule = await openScheduleLook(workspace.configuration, name)
      try {
        if (open instanceof Error) examined.push(unopened(name, open))
        else {
          const { folder, configuration } = workspace
          const place = { dataset: name, folder, configuration }
          const sources = await openBoard<SourceReport>('sources', place)
          const sinks = await openBoard<SinkReport>('sinks', place)
          const examination = { deep, dictionary, schedule, sources, sinks, acceptLogLoss, scratchFolder }
          examined.push(await (mend ? repair : examine)(open, examination))
        }
      } finally {
        await schedule?.close()
      }
    }
  } finally {
    await dictionary.close()
  }
  return examined
}

/** An examination reports an unavailable service quickly; only a repair waits as long as the roles do. */
function impatient(configuration: Configuration): Configuration {
  const { kafka, elasticsearch } = configuration
  const soon = <Settings extends { readonly outageMsMax: number }>(settings: Settings): Settings => ({
    ...settings,
    outageMsMax: Math.min(settings.outageMsMax, OUTAGE_MS_MAX),
  })
  return { ...configuration, kafka: soon(kafka), elasticsearch: soon(elasticsearch) }
}

/** A dataset whose log or speed store is unavailable must not hide the state of the others. */
function unopened(dataset: string, { message }: Error): DoctorReport {
  const finding = {
    part: 'services',
    state: 'attention',
    message: 'cannot be opened',
    advice: message,
    numbers: {},
  } as const
  return { dataset, findings: [finding], well: false }
}
