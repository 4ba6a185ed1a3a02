/**
 * Runs the sources of all datasets, in a worker thread of its own: reading and checking what they give holds up neither HTTP nor answers. A
 * source that cannot be opened is reported, and does not keep the others from running.
 */
import type { SourceDefinition } from '#core/source-definition.ts'
import { Intake } from '#ingest/intake.ts'
import { SourceRunner } from '#ingest/sources/source-runner.ts'
import type { SourceStatus } from '#ingest/sources/source-state.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { SourceBoard } from '#storage/sources/source-board.ts'
import type { Emit } from '#telemetry/emit.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { importDefinition, loadEventChecks } from '../drivers/definitions.ts'
import { DerivingEngine } from '../drivers/deriving-engine.ts'
import { openLake } from '../drivers/open-lake.ts'
import { openLog } from '../drivers/open-log.ts'
import { openSource } from '../drivers/open-source.ts'
import { openBoard } from '../drivers/open-texts.ts'
import type { SourceReport } from '../health/source-reports.ts'
import { masked } from '../settings/secrets.ts'
import type { Configuration } from '../settings/settings.ts'
import { intakeLimits } from './intake-limits.ts'
import type { PartStatus } from './role-messages.ts'
import { runRole } from './role-thread.ts'
import { UnopenedSource } from './unopened-source.ts'

/** how often commands and other processes hear of a source's state */

interface SourceParts {
  readonly dataset: string
  readonly definition: SourceDefinition
  readonly configuration: Configuration
  readonly intake: Intake
  readonly log: EventLog
  readonly lake: Lake
  readonly emit: Emit
}

/** One source: running, or not opened. */
interface HeldSource {
  status(): SourceStatus
  /** of one that is not opened: what somebody decided about it meanwhile */
  look?(): Promise<void>
  stop(): Promise<void>
}

await runRole(async ({ configuration, scratchFolder, platformPid }, emit) => {
  const folder = DataFolder.open(configuration.data, configuration.scratch)
  const step = crashStep(process.env, platformPid)
  const logs: EventLog[] = []
  const held: { readonly board: SourceBoard<SourceReport>; readonly source: HeldSource }[] = []
  const deriving = new DerivingEngine(scratchFolder)
  const loaded = await loadEventChecks(configuration.datasets, () => deriving.connection())
  const checks = new Map(loaded.map((check) => [check.name, check]))
  for (const entry of new Set(configuration.datasets)) {
    const { definition } = await importDefinition(entry)
    const { name: dataset, sources = [] } = definition
    if (sources.length === 0) continue
    const log = await openLog({ dataset, folder, configuration, emit, step })
    logs.push(log)
    const lake = await openLake({ dataset, folder, configuration })
    const guard = new LogGuard({ dataset, log, lake })
    const check = checks.get(dataset)!
    const deriver = await deriving.deriverOf(check)
    const limits = intakeLimits(configuration)
    const intake = new Intake({ dataset: check, deriver, log, guard, limits, emit })
    const board = await openBoard<SourceReport>('sources', { dataset, folder, configuration })
    for (const each of sources) {
      const source = await hold({ dataset, definition: each, configuration, intake, log, lake, emit })
      held.push({ board, source })
    }
  }
  const note = async (): Promise<void> => {
    await Promise.all(held.map(({ source }) => source.look?.().catch(() => {})))
    // Whoever has the source says how it is.
    const own = held.filter(({ source }) => source.status().state !== 'elsewhere')
    await Promise.all(
      own.map(({ board, source }) => board.put({ ...source.status(), atMs: Date.now() }).catch(() => {})),
    )
  }
  await note()
  const noting = setInterval(() => void note(), Math.max(0, ...held.map(({ board }) => board.noteEveryMs)))
  return {
    parts: () => held.map(({ source }) => partOf(source.status())),
    stop: async () => {
      clearInterval(noting)
      await Promise.all(held.map(({ source }) => source.stop()))
      await note()
      for (const log of logs) await log.close()
      await deriving.close()
    },
  }
})

/** Starts the source. */
async function hold({ dataset, definition, configuration, intake, log, lake, emit }: SourceParts): Promise<HeldSource> {
  const { name, kind, paused, eventsPerSecondMax } = definition
  try {
    const opened = await openSource({ dataset, definition, configuration, emit, environment: process.env })
    const runner = new SourceRunner({
      ...{ dataset, name, kind, intake, emit, eventsPerSecondMax },
      source: opened.source,
      ledger: log.sources,
      tryLock: () => lake.tryLock(`source-${name}`),
      startsPaused: paused,
      mask: (text) => masked(text, opened.secrets),
    })
    runner.start()
    return runner
  } catch (error) {
    return new UnopenedSource({ dataset, definition, reason: (error as Error).message, ledger: log.sources, emit })
  }
}

/** An outage of the other side is no reason to send clients to another server. */
function partOf({ dataset, source, state, reason, events, lagMs, lastEventMs }: SourceStatus): PartStatus {
  const lastEvent = lastEventMs === null ? null : new Date(lastEventMs).toISOString()
  return {
    name: `source ${source} of ${dataset}`,
    dataset,
    state,
    fault: reason,
    numbers: { events, lagMs, lastEvent },
    isOutside: true,
  }
}
