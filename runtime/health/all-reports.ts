/** Reports of the sources and sinks that all datasets of a workspace declare, whichever process runs them. */
import type { Workspace } from '../commands/workspace.ts'
import { openBoard } from '../drivers/open-texts.ts'
import { type SinkReport, sinkReports } from './sink-reports.ts'
import { type SourceReport, sourceReports } from './source-reports.ts'

type Place = Pick<Workspace, 'datasets' | 'folder' | 'configuration'>

export async function allSourceReports({ datasets, folder, configuration }: Place): Promise<readonly SourceReport[]> {
  const declared = [...datasets.values()].filter(({ sources }) => sources.length > 0)
  const reports = declared.map(async ({ name: dataset, sources }) => {
    const board = await openBoard<SourceReport>('sources', { dataset, folder, configuration })
    return sourceReports({ dataset, sources, board })
  })
  return (await Promise.all(reports)).flat()
}

export async function allSinkReports({ datasets, folder, configuration }: Place): Promise<readonly SinkReport[]> {
  const declared = [...datasets.values()].filter(({ sinks }) => sinks.length > 0)
  const reports = declared.map(async ({ name: dataset, sinks }) => {
    const board = await openBoard<SinkReport>('sinks', { dataset, folder, configuration })
    return sinkReports({ dataset, sinks, board })
  })
  return (await Promise.all(reports)).flat()
}
