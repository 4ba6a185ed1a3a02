/** Steps 3 to 5 of a batch run: files, manifest, CURRENT. Knows no SQL, so that the protocol simulation runs it, too. */
import pLimit from 'p-limit'
import type { CompiledDataset } from '#core/compiled.ts'
import type { StepHook } from '#core/steps.ts'
import { filesOfPin, type GenerationManifest, type ViewStates } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedGeneration } from '#storage/lake/lake.ts'
import { isOfSlots } from '#storage/lake/state-ranges.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { BatchCompute } from './batch-compute.ts'
import type { DictionaryPinning, DictionaryPins } from './pin-dictionaries.ts'
import type { RunPlan, ViewPlan } from './plan-run.ts'
import { READERS_GRACE_MS } from './retention.ts'
import { type BatchProgress, RunProgress } from './run-progress.ts'
import { STATE_FILE_BYTES } from './state-file-size.ts'
import { supersededBy } from './superseded-boundaries.ts'
import { type PendingFile, writeStates } from './write-states.ts'

export interface Publication {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly plan: RunPlan
  readonly compute: BatchCompute
  /** views that are computed at the same time; default 1 */
  readonly viewsAtOnce?: number
  readonly pinning: DictionaryPinning
  readonly logIdentity: string
  readonly startedAtMs: number
  readonly clock: () => number
  readonly step: StepHook
  readonly onProgress: (progress: BatchProgress) => void
  readonly signal?: AbortSignal
  readonly emit: Emit
  /** default: STATE_FILE_BYTES */
  readonly stateFileBytes?: number
  /** default: READERS_GRACE_MS */
  readonly readersGraceMs?: number
}

type ViewFiles = GenerationManifest['views']

/** @returns the generation, which is now current. On any fault before its manifest exists, its files are removed. */
export async function publishGeneration(publication: Publication): Promise<GenerationManifest> {
  const { lake, step, clock, emit, dataset } = publication
  const progress = new RunProgress(dataset, publication.plan)
  const staged = await lake.beginGeneration()
  let manifest: GenerationManifest
  try {
    const views = await writeViews(publication, progress, staged)
    const dictionaries = await writeDictionaries(publication, progress, staged, views)
    await step('batch:files-written')
    publication.signal?.throwIfAborted()
    manifest = describeGeneration(publication, staged.id, views, dictionaries, clock())
    await staged.commit(manifest)
  } catch (error) {
    // An existing manifest is kept (discard refuses): published, but not current.
    await staged.discard().catch(() => {})
    throw error
  }
  await lake.setCurrent(manifest.id)
  emit({
    name: 'generation-published',
    level: 'info',
    dataset: dataset.name,
    message: `generation ${manifest.id} of '${dataset.name}' is current: ${manifest.mode}, ${manifest.rows} events up to ${manifest.boundary.join(', ')}`,
    fields: {
      generation: manifest.id,
      mode: manifest.mode,
      rows: manifest.rows,
      deadLetters: manifest.deadLetters,
      lateRows: manifest.lateRows,
      segments: manifest.segments.length,
      recounted: [...publication.plan.views.values()].filter((view) => view.kind === 'recount').length,
      durationMs: manifest.finishedAtMs - manifest.startedAtMs,
    },
  })
  return manifest
}

/** As it is read again, without members that are undefined; without its sources, which may hold credentials. */
function keptDefinition({ definition }: CompiledDataset): Pick<GenerationManifest, 'definition'> {
  if (definition === undefined) return {}
  const { sources: _sources, ...kept } = definition
  return { definition: JSON.parse(JSON.stringify(kept)) as Record<string, unknown> }
}

/** While one view's files are made durable, the next one is computed. Those with most to merge come first, so that several at once end together. */
async function writeViews(
  publication: Publication,
  progress: RunProgress,
  staged: StagedGeneration,
): Promise<ViewFiles> {
  const { dataset, plan, signal, onProgress, viewsAtOnce = 1, stateFileBytes = STATE_FILE_BYTES } = publication
  const pending = new Map<string, readonly PendingFile[]>()
  const write = async (name: string): Promise<void> => {
    signal?.throwIfAborted()
    onProgress(progress.at(name, pending.size))
    const writing = { ...publication, staged, stateFileBytes }
    pending.set(name, await writeStates(writing, dataset.views.get(name)!, plan.views.get(name)!))
  }
  try {
    await inTurns(viewsAtOnce === 1 ? [...plan.views.keys()] : largestFirst(plan), viewsAtOnce, write)
    const states: Record<string, ViewStates> = {}
    for (const name of plan.views.keys())
      states[name] = {
        hash: dataset.views.get(name)!.hash,
        files: await Promise.all(pending.get(name)!),
        ...sinceIn(plan, name),
        ...horizonIn(plan, name),
      }
    return states
  } finally {
    await Promise.allSettled([...pending.values()].flat())
  }
}

/** After the first failure nothing more begins, and what has begun ends before it rejects. */
async function inTurns(names: readonly string[], atOnce: number, work: (name: string) => Promise<void>): Promise<void> {
  const limit = pLimit(atOnce)
  let failed = false
  const one = async (name: string): Promise<void> => {
    if (failed) return
    try {
      await work(name)
    } catch (error) {
      failed = true
      throw error
    }
  }
  const ended = await Promise.allSettled(names.map((name) => limit(one, name)))
  for (const each of ended) if (each.status === 'rejected') throw each.reason
}

function largestFirst({ views }: RunPlan): string[] {
  const added = (view: ViewPlan): number =>
    view.kind === 'recount' ? 0 : view.added.reduce((bytes, file) => bytes + file.bytes, 0)
  return [...views].toSorted(([, one], [, other]) => added(other) - added(one)).map(([name]) => name)
}

function sinceIn({ since }: RunPlan, view: string): Pick<ViewStates, 'since'> {
  const lacks = since.get(view)
  return lacks === undefined ? {} : { since: lacks }
}

function horizonIn({ horizons }: RunPlan, view: string): Pick<ViewStates, 'horizon'> {
  const horizon = horizons.get(view)
  return horizon === undefined ? {} : { horizon }
}

/** The lowest that has all members: earlier versions, which would give answers without them or remove files that they do not know, refuse it. */
function formatOf(views: ViewFiles, dictionaries: DictionaryPins, { ages }: RunPlan): GenerationManifest['format'] {
  if (Object.values(dictionaries).some(({ unknown }) => unknown !== undefined)) return 7
  const all = Object.values(views)
  if (ages !== undefined || all.some(({ horizon }) => horizon !== undefined)) return 6
  return all.some(({ files }) => files.some(isOfSlots)) ? 5 : 4
}

async function writeDictionaries(
  publication: Publication,
  progress: RunProgress,
  staged: StagedGeneration,
  views: ViewFiles,
): Promise<DictionaryPins> {
  const { dataset, plan, pinning, signal, onProgress, emit } = publication
  const total = plan.views.size + dataset.dictionaries.length
  const pins: Record<string, DictionaryPins[string]> = {}
  for (const [done, name] of dataset.dictionaries.entries()) {
    signal?.throwIfAborted()
    onProgress(progress.at(name, plan.views.size + done))
    const base = await wholeBase(publication, name)
    const pin = await pinning.pin(name, { base, plans: plan.views, views, generation: staged })
    if (pin) pins[name] = pin
    else {
      emit({
        name: 'dictionary-missing',
        // Reported for the first generation, and if the dictionary was pinned before; otherwise it is already known.
        level: plan.base === null || Object.hasOwn(plan.base.dictionaries, name) ? 'info' : 'debug',
        dataset: dataset.name,
        message: `dictionary '${name}', used by '${dataset.name}', has no readable version; answers are not enriched by it until one is published`,
        fields: { dictionary: name },
      })
    }
  }
  onProgress(progress.at('done', total))
  return pins
}

/** The base generation, unless the dictionary that it pinned is damaged: then the dictionary is written again. */
async function wholeBase({ lake, plan }: Publication, dictionary: string): Promise<GenerationManifest | null> {
  const pinned = plan.base?.dictionaries[dictionary]
  if (pinned === undefined) return plan.base
  return lake.check(filesOfPin(pinned)).then(
    () => plan.base,
    () => null,
  )
}

function describeGeneration(
  { dataset, plan, logIdentity, startedAtMs, readersGraceMs = READERS_GRACE_MS }: Publication,
  id: string,
  views: ViewFiles,
  dictionaries: DictionaryPins,
  finishedAtMs: number,
): GenerationManifest {
  return {
    format: formatOf(views, dictionaries, plan),
    dataset: dataset.name,
    id,
    log: logIdentity,
    mode: plan.mode,
    boundary: plan.boundary,
    segments: plan.segments,
    base: plan.mode === 'incremental' ? (plan.base?.id ?? null) : null,
    ...keptDefinition(dataset),
    ...(plan.floor && { floor: plan.floor }),
    views,
    ...(plan.ages && { ages: plan.ages }),
    dictionaries,
    ...plan.totals,
    startedAtMs,
    finishedAtMs,
    fullFinishedAtMs: plan.mode === 'full' ? finishedAtMs : plan.base?.fullFinishedAtMs,
    superseded: supersededBy(plan.base, finishedAtMs, readersGraceMs),
  }
}
