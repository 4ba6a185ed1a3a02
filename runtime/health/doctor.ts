/** Examines every component of a dataset and reports its state and what to do. `examine` only reads. */

import { CLOCKS_APART_MS_MAX } from '#batch-layer/due-runs.ts'
import { logAgreement } from '#core/log-agreement.ts'
import { verdictText } from '#core/log-verdict-text.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import { unconvertedOf } from '#storage/lake/segment-manifest.ts'
import type { SourceBoard } from '#storage/sources/source-board.ts'
import type { Marker } from '#storage/speed-store/speed-store.ts'
import { type Disagreement, type DisagreementOptions, disagreements } from '#verification/disagreements.ts'
import { arrivalsInLake } from '#verification/go-on-at-lake-end.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import type { ScheduleLook } from '../drivers/open-schedule.ts'
import type { Finding } from './finding.ts'
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

/** A marker older than this means that no stream role is running. */
const MARKER_FRESH_MS = 10_000
/** A generation older than this is reported. */
const GENERATION_OLD_MS = 36 * 3_600_000
/** What a time in the future means. */
const CLOCK_WAS_WRONG =
  'a clock was ahead then, or this one is behind: check the clocks of the machines; freshness is right again once both agree'

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
    return (await repairSegments({ ...open, scratchFolder })).map((one) => ({ part: 'lake', ...one }))
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

async function examineLog({ log }: OpenDataset): Promise<Finding> {
  const ranges = await Promise.all(Array.from({ length: log.partitions }, (_, partition) => log.range(partition)))
  const held = ranges.reduce((sum, range) => sum + range.end - range.start, 0)
  const end = ranges.reduce((sum, range) => sum + range.end, 0)
  const message = `${log.partitions} partitions, ${end} events appended in total, ${held} retained`
  return { part: 'log', state: 'ok', message, advice: null, numbers: { partitions: log.partitions, events: end, held } }
}

async function examineLake({ lake, log, partitions }: OpenDataset): Promise<Finding[]> {
  const unreadable = await lake.unreadableSegments()
  if (unreadable.length > 0) return unreadable.map(({ name, error }) => manifestDamaged(name, error.message))
  const chains = await lake.chains(partitions)
  const segments = chains.flatMap((chain) => chain.segments)
  const sum = (of: (segment: (typeof segments)[number]) => number): number =>
    segments.reduce((total, segment) => total + of(segment), 0)
  const numbers = {
    segments: segments.length,
    rows: sum((segment) => segment.rows),
    deadLetters: sum((segment) => segment.deadLetters),
    lateRows: sum((segment) => segment.late.rows),
    gaps: segments.filter((segment) => segment.kind === 'gap').length,
  }
  const message = `${numbers.segments} closed segments with ${numbers.rows} rows, ${numbers.deadLetters} dead letters, ${numbers.lateRows} late rows`
  const findings: Finding[] = [{ part: 'lake', state: 'ok', message, advice: null, numbers }]
  const { unconverted } = unconvertedOf(segments)
  if (unconverted !== undefined) findings.push(conversionsFailed(unconverted))
  if (segments.some((segment) => segment.log !== log.identity)) {
    return [...findings, foreignLog(log.identity)]
  }
  if (numbers.gaps > 0) findings.push(gapsFound(chains))
  return findings
}

function manifestDamaged(name: string, advice: string): Finding {
  const message = `the manifest '${name}' of a closed segment cannot be read`
  return { part: 'lake', state: 'attention', message, advice, numbers: { manifest: name } }
}

function conversionsFailed(unconverted: Readonly<Record<string, number>>): Finding {
  const columns = Object.entries(unconverted).map(([column, events]) => `${column} in ${events} events`)
  return {
    part: 'lake',
    state: 'note',
    message: `values that could not be converted, and are NULL or the default of their column: ${columns.join(', ')}`,
    advice: "correct the column's path, type or unit, or what is sent; onError 'reject' makes such events dead letters",
    numbers: unconverted,
  }
}

function foreignLog(identity: string): Finding {
  return {
    part: 'lake',
    state: 'attention',
    message: `segments belong to a log other than ${identity}`,
    advice: 'restore the log that belongs to this lake, or start with an empty data folder',
    numbers: {},
  }
}

function gapsFound(chains: readonly SegmentChain[]): Finding {
  const gaps = chains.flatMap((chain) => chain.segments.filter((segment) => segment.kind === 'gap'))
  const lost = gaps.reduce((sum, gap) => sum + gap.end - gap.start, 0)
  return {
    part: 'lake',
    state: 'note',
    message: `${lost} offsets in ${gaps.length} gaps were never read; answers report them`,
    advice: 'raise logRetentionMs, or find out why the stream role did not read them in time',
    numbers: { gaps: gaps.length, lost },
  }
}

async function examineStore(open: OpenDataset, now: number): Promise<Finding> {
  const markers = await open.store.markers()
  const lag = await lagOf(open, markers)
  const newest = Math.max(0, ...[...markers.values()].map((marker) => marker.atMs))
  const numbers = { lag, markerAgeMs: newest === 0 ? null : now - newest }
  if (newest > now + CLOCKS_APART_MS_MAX) {
    const ahead = agoOf(newest - now)
    const message = `the stream role wrote last at a time that is ${ahead} in the future; ${lag} events are not included in answers yet`
    return { part: 'speed store', state: 'attention', message, advice: CLOCK_WAS_WRONG, numbers }
  }
  if (newest !== 0 && now - newest <= MARKER_FRESH_MS) {
    return {
      part: 'speed store',
      state: 'ok',
      message: `a stream role is running, ${lag} events behind the log`,
      advice: null,
      numbers,
    }
  }
  return {
    part: 'speed store',
    state: lag > 0 ? 'attention' : 'note',
    message: `no stream role is running; ${lag} events are not included in answers yet`,
    advice: lag > 0 ? 'run `watershed start`; if it is already running, see its log' : null,
    numbers,
  }
}

/** Events in the log that neither a closed segment nor a marker reaches. */
async function lagOf({ lake, log, partitions }: OpenDataset, markers: ReadonlyMap<number, Marker>): Promise<number> {
  let lag = 0
  const generation = await lake.current().catch(() => null)
  const chains = await lake.chains(partitions, { counted: generation?.boundary })
  for (const chain of chains.slice(0, log.partitions)) {
    const { end } = await log.range(chain.partition)
    const marker = markers.get(chain.partition)
    const open = marker?.segmentStart === chain.end ? marker.through : chain.end
    lag += Math.max(0, end - open)
  }
  return lag
}

async function examineGeneration({ lake, partitions }: OpenDataset, now: number): Promise<Finding> {
  const current = await lake.current()
  if (current === null) {
    const advice = 'run `watershed batch run`, or keep `watershed start` running'
    return {
      part: 'generation',
      state: 'note',
      message: 'none yet; answers come from the speed layer',
      advice,
      numbers: {},
    }
  }
  const chains = await lake.chains(partitions, { counted: current.boundary })
  const missing = manifestsMissing(current, chains)
  if (missing !== null) return missing
  const after = chains.reduce(
    (sum, chain) => sum + Math.max(0, chain.end - (current.boundary[chain.partition] ?? 0)),
    0,
  )
  const ageMs = now - current.finishedAtMs
  const numbers = { id: current.id, ageMs, rows: current.rows, after, kept: (await lake.generations()).length }
  const counts = `has ${current.rows} rows; ${after} closed offsets follow it`
  if (ageMs < -CLOCKS_APART_MS_MAX) {
    const message = `${current.id} (${current.mode}) was completed at a time that is ${agoOf(-ageMs)} in the future, and ${counts}`
    const advice = `${CLOCK_WAS_WRONG}; the schedule does not wait for that time`
    return { part: 'generation', state: 'attention', message, advice, numbers }
  }
  const message = `${current.id} (${current.mode}) is ${agoOf(ageMs)} old and ${counts}`
  const old = ageMs > GENERATION_OLD_MS && after > 0
  const advice = old
    ? 'the schedule is not running: keep `watershed start` running, or run `watershed batch run`'
    : null
  return { part: 'generation', state: old ? 'attention' : 'ok', message, advice, numbers }
}

/** Kept generations that nobody could roll back to. The current one is examined by itself. */
async function examineUnreadable({ lake }: OpenDataset): Promise<Finding[]> {
  return (await lake.unreadableGenerations()).map(({ id, error }) => ({
    part: 'generation',
    state: 'attention',
    message: `${id} cannot be read: ${error.message}`,
    advice: `if it is not the current one, answers and batch runs do without it, and it is removed once enough newer generations are kept`,
    numbers: { id },
  }))
}

function manifestsMissing(generation: GenerationManifest, chains: readonly SegmentChain[]): Finding | null {
  for (const lake of chains) {
    const { partition } = lake
    const verdict = logAgreement({ partition, lake, generation })
    if (verdict.kind !== 'lake-cut') continue
    return {
      part: 'generation',
      state: 'attention',
      message: `partition ${partition}: ${verdictText(verdict)}`,
      advice:
        "restore the lake's folder 'manifests' from a copy, or run `watershed doctor --repair`; the partition is not read until then",
      numbers: { id: generation.id, partition, counted: verdict.counted, end: verdict.lakeEnd },
    }
  }
  return null
}

function agoOf(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

/** Views whose definition changed since the generation was built. */
async function examineDefinition({ lake, dataset }: OpenDataset): Promise<Finding> {
  const current: GenerationManifest | null = await lake.current()
  const changed = [...dataset.views.values()]
    .filter((view) => current !== null && current.views[view.name]?.hash !== view.hash)
    .map((view) => view.name)
  const numbers = { views: dataset.views.size, changed: changed.length }
  if (changed.length === 0) {
    return {
      part: 'definition',
      state: 'ok',
      message: `${dataset.views.size} views, as in the generation`,
      advice: null,
      numbers,
    }
  }
  return {
    part: 'definition',
    state: 'attention',
    message: `changed since the generation was built: ${changed.join(', ')}`,
    advice: `run \`watershed backfill ${dataset.name}\``,
    numbers,
  }
}

/** Keys that lookups did not find when the generation was built. */
async function examineDictionaries({ lake }: OpenDataset): Promise<Finding[]> {
  const pins = Object.entries((await lake.current())?.dictionaries ?? {})
  return pins.map(([name, { unknownKeys, unknownByLookup = {} }]) => {
    const lacking = Object.entries(unknownByLookup).filter(([, unknown]) => unknown > 0)
    const where = lacking.map(([place, unknown]) => `${place} ${unknown}`).join(', ')
    const lacks = `${name} lacks ${unknownKeys} keys${where === '' ? '' : ` (${where})`}`
    const message = unknownKeys === 0 ? `${name} contains every key` : lacks
    const advice =
      unknownKeys === 0
        ? null
        : 'their rows are included, but not enriched; publish more entries with `watershed dictionaries publish`'
    const state = unknownKeys === 0 ? 'ok' : 'note'
    return { part: 'dictionaries', state, message, advice, numbers: { dictionary: name, unknownKeys } }
  })
}

async function examineDictionaryStore({ dataset }: OpenDataset, store: DictionaryStore): Promise<Finding[]> {
  const names = new Set([...dataset.views.values()].flatMap(({ lookups }) => lookups.map((one) => one.dictionary)))
  if (names.size === 0) return []
  const versions = await Promise.all([...names].map((name) => store.version(name)))
  const absent = [...names].filter((_, index) => versions[index] === null)
  const message = `${names.size - absent.length} of ${names.size} dictionaries are published`
  const advice =
    absent.length === 0
      ? null
      : `rows are not enriched by ${absent.join(', ')}; publish with \`watershed dictionaries publish\``
  const numbers = { dictionaries: names.size, absent: absent.length }
  return [{ part: 'dictionary store', state: absent.length === 0 ? 'ok' : 'note', message, advice, numbers }]
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

/** The content of logs that are files of ours. */
async function examineLogContent({ log }: OpenDataset): Promise<Finding[]> {
  if (log.examine === undefined) return []
  for (let partition = 0; partition < log.partitions; partition++) await log.examine(partition)
  const message = `${log.partitions} partitions: every record matches its checksum`
  return [{ part: 'log', state: 'ok', message, advice: null, numbers: { partitions: log.partitions } }]
}

async function examineFiles({ lake }: OpenDataset): Promise<Finding> {
  const { files, bytes, problems } = await lake.verifyFiles()
  const numbers = { files, bytes, problems: problems.length }
  if (problems.length === 0) {
    return {
      part: 'files',
      state: 'ok',
      message: `${files} files, ${bytes} bytes: all match their manifests`,
      advice: null,
      numbers,
    }
  }
  const message = `${problems.length} of ${files} files do not match their manifests: ${problems.slice(0, 5).join('; ')}`
  return { part: 'files', state: 'attention', message, advice: 'restore them from a copy', numbers }
}
