/** watershed sources list | pause | resume | reset: the sources of the loaded datasets. What is changed is stored in the log, and a running process follows it. */
import { Command } from 'commander'
import { nearest } from '#core/definition-error.ts'
import type { SourceChange } from '#storage/log/source-ledger.ts'
import { openBoard } from '../drivers/open-texts.ts'
import { type SourceReport, sourceReports } from '../health/source-reports.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, printTable } from './output.ts'
import type { Workspace } from './workspace.ts'

const HEADS = ['source', 'kind', 'state', 'events', 'last event', 'lag', 'cursor', 'reason']

export function sourcesCommand(): Command {
  const list = commandWith('list', 'List the sources of every loaded dataset, with their states').action(listAll)
  const changing = (name: string, description: string, change: SourceChange): Command =>
    commandWith(name, description)
      .argument('<source>', 'for example wikimedia_changes/live; the source alone if one dataset is loaded')
      .action((source: string, options: SharedOptions) => changeOne(source, change, options))
  return new Command('sources')
    .description('Where events come from by themselves: streams, sockets and polled APIs')
    .addCommand(list, { isDefault: true })
    .addCommand(changing('pause', 'Stop reading a source until it is resumed, also after a restart', { paused: true }))
    .addCommand(changing('resume', 'Go on reading a source where it stopped', { paused: false }))
    .addCommand(
      changing('reset', 'Forget where a source is: it is read as a new one; events that come again count again', {
        cursor: null,
      }),
    )
}

async function listAll(options: SharedOptions): Promise<void> {
  const reports = await withWorkspace(options, 'serve', async (workspace) => {
    const all = [...workspace.datasets.keys()].map((dataset) => reportsOf(workspace, dataset))
    return (await Promise.all(all)).flat()
  })
  show(reports, options)
}

async function changeOne(name: string, change: SourceChange, options: SharedOptions): Promise<void> {
  const reports = await withWorkspace(options, 'serve', async (workspace) => {
    const [dataset, source] = found(workspace, name)
    await (await workspace.log(dataset)).sources.change(source, change)
    return (await reportsOf(workspace, dataset)).filter((report) => report.source === source)
  })
  show(reports, options)
}

async function reportsOf(workspace: Workspace, dataset: string): Promise<SourceReport[]> {
  const { sources } = workspace.definition(dataset)
  if (sources.length === 0) return []
  const { folder, configuration } = workspace
  const board = await openBoard<SourceReport>('sources', { dataset, folder, configuration })
  const log = await workspace.log(dataset)
  return sourceReports({ dataset, sources, board }, await log.sources.list())
}

/** @throws CommandError 'usage' */
function found(workspace: Workspace, name: string): [dataset: string, source: string] {
  const declared = [...workspace.datasets.values()].flatMap(({ name: dataset, sources }) =>
    sources.map((source): [string, string] => [dataset, source.name]),
  )
  const isOnly = workspace.datasets.size === 1
  const match = declared.find(([dataset, source]) => `${dataset}/${source}` === name || (isOnly && source === name))
  if (match !== undefined) return match
  const known = declared.map((each) => each.join('/'))
  const those = known.length === 0 ? 'the loaded datasets have none' : `known sources: ${known.join(', ')}`
  throw new CommandError('usage', `source '${name}' is unknown${nearest(name, known)}; ${those}`)
}

function show(reports: readonly SourceReport[], { json }: SharedOptions): void {
  if (json) {
    printJson(reports)
    return
  }
  const rows = reports.map(({ dataset, source, kind, state, events, lastEventMs, lagMs, cursor, reason }) => {
    const last = lastEventMs === null ? '' : new Date(lastEventMs).toISOString()
    return [
      `${dataset}/${source}`,
      kind,
      state,
      events,
      last,
      lagMs === null ? '' : `${lagMs} ms`,
      cursor ?? '',
      reason ?? '',
    ]
  })
  printTable(HEADS, rows)
}
