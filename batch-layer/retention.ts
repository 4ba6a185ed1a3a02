/** Post-run cleanup: deletes surplus generations and unreferenced segment files. */
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, RemovalOptions, UnreadableGeneration } from '#storage/lake/lake.ts'
import { generationNumber } from '#storage/lake/manifest-names.ts'
import type { Emit } from '#telemetry/emit.ts'
import { boundariesReadSince } from './superseded-boundaries.ts'

export const KEEP_GENERATIONS = 5
export const READERS_GRACE_MS = 600_000
/** a staged file that was not touched for this long belongs to a dead process, and no reader uses the states of a generation removed before that */
export const ORPHAN_GRACE_MS = 3_600_000

export interface RetentionOptions {
  readonly lake: Lake
  readonly partitions: number
  readonly keepGenerations?: number
  readonly readersGraceMs?: number
  readonly emit: Emit
  readonly clock: () => number
}

/** Generations that have a manifest. */
interface Published {
  readonly readable: readonly GenerationManifest[]
  readonly unreadable: readonly UnreadableGeneration[]
}

async function publishedIn(lake: Lake): Promise<Published> {
  return { readable: await lake.generations(), unreadable: await lake.unreadableGenerations() }
}

/** Per partition, the offset up to which all of the generations have counted. */
function commonBoundary(generations: readonly GenerationManifest[], partitions: number): Offset[] {
  return Array.from({ length: partitions }, (_, partition) =>
    generations.length === 0 ? 0 : Math.min(...generations.map((generation) => generation.boundary[partition] ?? 0)),
  )
}

/**
 * Per partition, the offset up to which every kept generation has counted; nothing where that is not known. Later generations never count
 * less, so one that cannot be read has counted at least what an older one has.
 */
export async function keptBoundary(lake: Lake, partitions: number): Promise<Offset[]> {
  return boundaryOf(await publishedIn(lake), partitions)
}

function boundaryOf({ readable, unreadable }: Published, partitions: number): Offset[] {
  const isKnown = unreadable.every(({ id }) => readable.some((generation) => comesBefore(generation.id, id)))
  return commonBoundary(isKnown ? readable : [], partitions)
}

/**
 * Keeps the newest generations and the current one, and removes the rest. Segment files are removed only if the oldest kept generation is
 * older than the readers' grace period, or the current one tells which boundaries were read since: a reader that started with a removed
 * generation still finds them.
 * A failure is emitted and retried after the next run, because the new generation is already published.
 *
 * @param served the generation that was current before this run: readers may still use it
 * @param removal events that readers of open tables may still use, and whether to look for what earlier runs missed, which takes a look at all of
 *   history
 */
export async function removeUnneeded(
  options: RetentionOptions,
  served: GenerationManifest | null,
  removal: RemovalOptions,
): Promise<void> {
  const { lake, emit } = options
  try {
    await lake.moveManifests()
    const kept = await removeGenerations(options)
    const boundary = boundaryOf(kept, options.partitions)
    const now = options.clock()
    const graceMs = options.readersGraceMs ?? READERS_GRACE_MS
    let freed = await lake.sweepOrphans(Math.max(ORPHAN_GRACE_MS, graceMs), removal)
    const read = boundariesReadSince(now - graceMs, kept.readable, await lake.current())
    if (read !== null) {
      const others = served ? [...read, served.boundary] : read
      const needed = boundary.map((end, partition) => Math.min(end, ...others.map((other) => other[partition] ?? 0)))
      freed += await lake.removeReplaced(needed, now - graceMs, removal)
    }
    await lake.checkpoint(boundary, removal)
    tellFreed(options, freed)
  } catch (error) {
    emit({
      name: 'retention-failed',
      level: 'warn',
      dataset: lake.dataset,
      message: `old files in the lake of '${lake.dataset}' could not be removed: ${error instanceof Error ? error.message : error}; retried after the next run`,
    })
  }
}

/**
 * Removes what crashed processes left of segments, which takes a look at all of history: full runs do so, and for a site that makes none the end of
 * each round of its proof. Leaves it to the next one where a batch run holds the lock.
 */
export async function sweepHistory(options: Pick<RetentionOptions, 'lake' | 'readersGraceMs' | 'emit'>): Promise<void> {
  const { lake, readersGraceMs = READERS_GRACE_MS } = options
  const lock = await lake.tryLock('batch')
  if (lock === null) return
  try {
    tellFreed(options, await lake.sweepOrphans(Math.max(ORPHAN_GRACE_MS, readersGraceMs), { thorough: true }))
  } finally {
    await lock.release()
  }
}

function tellFreed({ lake, emit }: Pick<RetentionOptions, 'lake' | 'emit'>, freed: number): void {
  if (freed === 0) return
  emit({
    name: 'lake-files-removed',
    level: 'debug',
    dataset: lake.dataset,
    message: `removed ${freed} bytes of unreferenced files in the lake of '${lake.dataset}'`,
    fields: { bytes: freed },
  })
}

/** @returns those that are left, which for the holder of the batch lock stay what they are */
async function removeGenerations({ lake, keepGenerations = KEEP_GENERATIONS }: RetentionOptions): Promise<Published> {
  const current = await lake.current()
  const { readable, unreadable } = await publishedIn(lake)
  const ids = [...readable, ...unreadable].map(({ id }) => id).sort((a, b) => (comesBefore(a, b) ? -1 : 1))
  const surplus = ids.slice(0, Math.max(0, ids.length - Math.max(1, keepGenerations)))
  const removed = new Set(surplus.filter((id) => id !== current?.id))
  for (const id of removed) await lake.removeGeneration(id)
  const left = <Generation extends { readonly id: string }>(some: readonly Generation[]): readonly Generation[] =>
    some.filter(({ id }) => !removed.has(id))
  return { readable: left(readable), unreadable: left(unreadable) }
}

function comesBefore(id: string, other: string): boolean {
  return generationNumber(id) < generationNumber(other)
}
