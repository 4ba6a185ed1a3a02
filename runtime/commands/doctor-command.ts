/** watershed doctor: how each part is, and what to do. */
import type { Command } from 'commander'
import { type DoctorReport, examine, repair } from '../doctor.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { printJson, printTable, say } from '../output.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'

export function doctorCommand(): Command {
  return commandWith('doctor', 'Say how each part is, and what to do')
    .option('--deep', 'also read every file in the lake and compare checksums')
    .option('--repair', 'mend what can be mended without losing anything, and say what was done')
    .action(doctor)
}

async function doctor(options: SharedOptions & { deep?: boolean; repair?: boolean }): Promise<void> {
  const reports = await withWorkspace(options, 'serve', async (workspace) => {
    const examined: DoctorReport[] = []
    const dictionary = await workspace.openDictionary()
    try {
      for (const name of workspace.datasets.keys()) {
        const open = await workspace.dataset(name).catch((error: Error) => error)
        if (open instanceof Error) examined.push(unopened(name, open))
        else examined.push(await (options.repair ? repair : examine)(open, { deep: options.deep, dictionary }))
      }
    } finally {
      await dictionary.close()
    }
    return examined
  })
  if (options.json) printJson(reports)
  else {
    for (const { dataset, repairs = [] } of reports)
      for (const { part, outcome, message } of repairs) say(`${dataset}, ${part}: ${outcome}: ${message}`)
    const rows = reports.flatMap(({ dataset, findings }) =>
      findings.map(({ part, state, message, advice }) => [dataset, part, state, message, advice ?? '']),
    )
    printTable(['dataset', 'part', 'state', 'how it is', 'what to do'], rows)
  }
  if (reports.some((report) => !report.well)) process.exitCode = EXIT_CODES.different.code
}

/** One dataset whose log or speed store is away does not hide how the others are. */
function unopened(dataset: string, { message }: Error): DoctorReport {
  const finding = {
    part: 'services',
    state: 'attention',
    message: 'can not be opened',
    advice: message,
    numbers: {},
  } as const
  return { dataset, findings: [finding], well: false }
}
