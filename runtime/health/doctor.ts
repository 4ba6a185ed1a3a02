/** Examines every component of a dataset and reports its state and what to do. `examine` only reads. */

import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { SourceBoard } from '#storage/sources/source-board.ts'
import { type Disagreement, type DisagreementOptions, disagreements } from '#verification/disagreements.ts'
import { arrivalsInLake } from '#verification/go-on-at-lake-end.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import type { ScheduleLook } from '../drivers/open-schedule.ts'
import { examineDictionaries, examineDictionaryStore } from './examine-dictionaries.ts'
import { examineDefinition, examineGeneration, examineUnreadable } from './examine-generation.ts'
import { examineFiles, examineLake } from './examine-lake.ts'
import { examineLog, examineLogContent } from './examine-log.ts'
import { examineStore } from './examine-speed-store.ts'
import type { Finding } from './finding.ts'
import { examineCheckpoints, repairCheckpoints } from './repair-checkpoints.ts'
import { isSegmentDamage, repairSegments } from './repair-segments.ts'
import { retentionFindings } from './retention-finding.ts'
import { type SinkReport, sinkFinding, sinkReports } from './sink-reports.ts'
import { sourceFinding } from './source-finding.ts'
import { type SourceReport, sourceReports } from './source-reports.ts'

export type { Finding }

export interface Repair {
  readonly part: Finding['part']
  readonly outcome: 'repaired' | 'refused'
  /** what was done; or why it was refused, and what to do */
  readonly message: string
}

export interface DoctorReport {
  readonly dataset: string
  /** what was repaired, if a repair was requested */
  readonly repairs?: readonly Repair[]
  readonly findings: readonly Finding[]
  readonly well: boolean
}

export interface DoctorOptions {
  /** also reads every file that a manifest names and compares checksums */
  readonly deep?: boolean
  /** also examined, if views of the dataset use dictionaries */
  readonly dictionary?: DictionaryStore
  /** also examined, if processes share a schedule */
  readonly schedule?: Pick<ScheduleLook, 'hasSchedules'> | null
  /** what is noted of the dataset's sources; default: they are not examined */
  readonly sources?: SourceBoard<SourceReport>
  /** what is noted of the dataset's sinks; default: they are not examined */
  readonly sinks?: SourceBoard<SinkReport>
  readonly clock?: () => number
  /** a folder that the engine may use: segments are made again only with it */
  readonly scratchFolder?: string
}

/** Examines the dataset; a component that cannot be read is a finding, not an error. */
export async function examine(open: OpenDataset, options: DoctorOptions = {}): Promise<DoctorReport> {
  const now = (options.clock ?? Date.now)()
  const findings: Finding[] = []
  const look = async (part: Finding['part'], examined: () => Promise<Finding | Finding[]>): Promise<void> => {
    try {
      findings.push(...[await examined()].flat())
    } catch (error) {
      const { message } = error as Error
      findings.push({ part, state: 'attention', message: 'cannot be read', advice: message, numbers: {} })
    }
  }
  await look('log', () => examineLog(open))
  await look('lake', () => examineLake(open))
  await look('lake', () => examineCheckpoints(open.lake))
  await look('lake', () => retentionFindings(open, now))
  await look('speed store', () => examineStore(open, now))
  await look('generation', () => examineGeneration(open, now))
  await look('generation', () => examineUnreadable(open))
  await look('speed store', () => examineAgreement(open))
  await look('dictionaries', () => examineDictionaries(open))
  const { dictionary } = options
  if (dictionary !== undefined) await look('dictionary store', () => examineDictionaryStore(open, dictionary))
  const { schedule } = options
  if (schedule) await look('schedule', () => examineSchedule(schedule))
  await look('definition', () => examineDefinition(open))
  const { sources: board, sinks } = options
  if (board !== undefined) await look('sources', () => examineSources(open, board, now))
  if (sinks !== undefined) await look('sinks', () => examineSinks(open, sinks, now))
  if (options.deep) await look('log', () => examineLogContent(open))
  if (options.deep) await look('files', () => examineFiles(open))
  const well = findings.every((finding) => finding.state !== 'attention')
  return { dataset: open.dataset.name, findings, well }
}

/**
 * Repairs what can be repaired without data loss, and a log that lost records where that is accepted, then examines again. A refused
 * repair says what to do.
 */
export async function repair(
  open: OpenDataset,
  options: DoctorOptions & DisagreementOptions = {},
): Promise<DoctorReport> {
  const repairs: Repair[] = await segmentRepairs(open, options.scratchFolder)
  // What is damaged for good leaves nothing to compare; the examination reports it.
  const found = await disagreementsOf(open, options).catch((error: unknown) => {
    if (repairs.length === 0 || !isSegmentDamage(error)) throw error
    return []
  })
  for (const { part, message, advice, repair: mend } of found) {
    if (mend === null) repairs.push({ part, outcome: 'refused', message: `${message}; ${advice}` })
    else
      repairs.push(
        await mend().then(
          (done): Repair => ({ part, outcome: 'repaired', message: done }),
          (error: Error): Repair => ({ part, outcome: 'refused', message: `${message}; ${error.message}` }),
        ),
      )
  }
  return { ...(await examine(open, options)), repairs }
}

async function segmentRepairs(open: OpenDataset, scratchFolder: string | undefined): Promise<Repair[]> {
  if (scratchFolder === undefined) return []
  try {
    const repairs = await repairSegments({ ...open, scratchFolder })
    const checkpoints = await repairCheckpoints(open.lake)
    return [
      ...repairs.map((one): Repair => ({ part: 'lake', ...one })),
      ...checkpoints.map((message): Repair => ({ part: 'lake', outcome: 'repaired', message })),
    ]
  } catch (error) {
    return [{ part: 'lake', outcome: 'refused', message: (error as Error).message }]
  }
}

async function examineAgreement(open: OpenDataset): Promise<Finding[]> {
  const found = (await disagreementsOf(open)).filter(({ part }) => part !== 'generation')
  return found.map(({ part, message, advice, numbers }) => ({ part, state: 'attention', message, advice, numbers }))
}

function disagreementsOf(open: OpenDataset, options?: DisagreementOptions): Promise<Disagreement[]> {
  const { dataset, partitions, log, store, lake, engine } = open
  const countedArrivals = arrivalsInLake(engine, lake)
  return disagreements({ dataset, partitions, log, store, lake, countedArrivals }, options)
}

async function examineSchedule(schedule: Pick<ScheduleLook, 'hasSchedules'>): Promise<Finding> {
  const part = 'schedule'
  if (await schedule.hasSchedules())
    return { part, state: 'ok', message: 'batch runs are scheduled', advice: null, numbers: {} }
  const advice = 'a running batch role creates the configured schedules within half a minute: run `watershed batch`'
  return {
    part,
    state: 'note',
    message: 'the schedules of batch runs do not match the configuration',
    advice,
    numbers: {},
  }
}

async function examineSources(
  { dataset: { name: dataset, sources }, log }: OpenDataset,
  board: SourceBoard<SourceReport>,
  now: number,
): Promise<Finding[]> {
  if (sources.length === 0) return []
  const reports = await sourceReports({ dataset, sources, board }, await log.sources.list(), now)
  return reports.map(sourceFinding)
}

async function examineSinks(
  { dataset: { name: dataset, sinks } }: OpenDataset,
  board: SourceBoard<SinkReport>,
  now: number,
): Promise<Finding[]> {
  return (await sinkReports({ dataset, sinks, board }, now)).map(sinkFinding)
}
