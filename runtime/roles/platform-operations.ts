/** How operators change what the platform does: the same works as the commands, for the routes. */
import { rollback } from '#batch-layer/rollback.ts'
import type { SourceDefinition } from '#core/source-definition.ts'
import type { OperationsPort } from '#serving/http/operations/operations-port.ts'
import { JobLedger } from '#storage/jobs/job-ledger.ts'
import { ReplayLedger } from '#storage/replays/replay-ledger.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { DataFolder } from '../drivers/data-folder.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { type OpenTextsOptions, openBoard, openTexts } from '../drivers/open-texts.ts'
import { type SourceReport, servedSource, sourceReports } from '../health/source-reports.ts'

export interface PlatformOperationsParts {
  readonly datasets: readonly OpenDataset[]
  readonly folder: DataFolder
  readonly configuration: OpenTextsOptions['configuration']
  /** of a dataset */
  readonly sourcesOf: (dataset: string) => readonly SourceDefinition[]
  readonly secrets: readonly string[]
  /** how long the log remembers idempotency keys */
  readonly keyKeptMs: number
  readonly emit: Emit
}

export async function platformOperations(parts: PlatformOperationsParts): Promise<OperationsPort> {
  const { datasets, folder, configuration, sourcesOf, secrets, keyKeptMs, emit } = parts
  const opened = new Map(datasets.map((open) => [open.dataset.name, open]))
  const jobs = [...opened.keys()].map(
    async (dataset) =>
      [dataset, new JobLedger(dataset, await openTexts('jobs', { dataset, folder, configuration }))] as const,
  )
  const replays = [...opened.keys()].map(
    async (dataset) =>
      [dataset, new ReplayLedger(await openTexts('replays', { dataset, folder, configuration }))] as const,
  )
  return {
    jobs: new Map(await Promise.all(jobs)),
    replays: new Map(await Promise.all(replays)),
    keyKeptMs,
    rollBack: (dataset, id) => rollback({ lake: opened.get(dataset)!.lake, id, emit }),
    changeSource: async (dataset, source, change) => {
      const { log } = opened.get(dataset)!
      await log.sources.change(source, change)
      const board = await openBoard<SourceReport>('sources', { dataset, folder, configuration })
      const reports = await sourceReports({ dataset, sources: sourcesOf(dataset), board }, await log.sources.list())
      return servedSource(reports.find((report) => report.source === source)!, secrets)
    },
  }
}
