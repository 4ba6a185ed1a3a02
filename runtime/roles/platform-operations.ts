/** How operators change what the platform does: the same works as the commands, for the routes. */
import { rollback } from '#batch-layer/rollback.ts'
import type { SourceDefinition } from '#core/source-definition.ts'
import type { OperationsPort } from '#serving/http/operations/operations-port.ts'
import { JobLedger } from '#storage/jobs/job-ledger.ts'
import { ReplayLedger } from '#storage/replays/replay-ledger.ts'
import { SourceBoard } from '#storage/sources/source-board.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { DataFolder } from '../drivers/data-folder.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { type SourceReport, servedSource, sourceReports } from '../health/source-reports.ts'

export interface PlatformOperationsParts {
  readonly datasets: readonly OpenDataset[]
  readonly folder: DataFolder
  /** of a dataset */
  readonly sourcesOf: (dataset: string) => readonly SourceDefinition[]
  readonly secrets: readonly string[]
  /** how long the log remembers idempotency keys */
  readonly keyKeptMs: number
  readonly emit: Emit
}

export function platformOperations(parts: PlatformOperationsParts): OperationsPort {
  const { datasets, folder, sourcesOf, secrets, keyKeptMs, emit } = parts
  const opened = new Map(datasets.map((open) => [open.dataset.name, open]))
  const jobs = [...opened.keys()].map((name): [string, JobLedger] => [
    name,
    new JobLedger(name, folder.jobsFolder(name)),
  ])
  const replays = [...opened.keys()].map((name): [string, ReplayLedger] => [
    name,
    new ReplayLedger(folder.replaysFolder(name)),
  ])
  return {
    jobs: new Map(jobs),
    replays: new Map(replays),
    keyKeptMs,
    rollBack: (dataset, id) => rollback({ lake: opened.get(dataset)!.lake, id, emit }),
    changeSource: async (dataset, source, change) => {
      const { log } = opened.get(dataset)!
      await log.sources.change(source, change)
      const board = new SourceBoard<SourceReport>(folder.sourcesFolder(dataset))
      const reports = await sourceReports({ dataset, sources: sourcesOf(dataset), board }, await log.sources.list())
      return servedSource(reports.find((report) => report.source === source)!, secrets)
    },
  }
}
