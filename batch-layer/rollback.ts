/** Makes an older generation current. Its boundary is older, too, so answers stay the same: the speed layer covers the rest. */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { type Emit, silent } from '#telemetry/emit.ts'

export interface RollbackOptions {
  readonly lake: Lake
  /** default: the newest one that is older than the current one */
  readonly id?: string
  readonly emit?: Emit
}

/**
 * Makes a kept generation current. The next incremental run builds on it.
 *
 * @returns the generation that is now current; null if a batch run holds the lock (retry when it has finished)
 * @throws LakeError 'generation-unknown' if the generation does not exist
 */
export async function rollback({ lake, id, emit = silent }: RollbackOptions): Promise<GenerationManifest | null> {
  const lock = await lake.tryLock('batch')
  if (lock === null) return null
  try {
    const target = await find(lake, id)
    await lake.setCurrent(target.id)
    emit({
      name: 'generation-rolled-back',
      level: 'warn',
      dataset: lake.dataset,
      message: `generation ${target.id} of '${lake.dataset}' is current again; the next batch run builds on it`,
      fields: { generation: target.id },
    })
    return target
  } finally {
    await lock.release()
  }
}

async function find(lake: Lake, id: string | undefined): Promise<GenerationManifest> {
  const generations = await lake.generations()
  const current = id === undefined ? await lake.current() : null
  const target =
    id === undefined
      ? generations.findLast((generation) => current !== null && generation.id < current.id)
      : generations.find((generation) => generation.id === id)
  if (target) return target
  const unreadable = (await lake.unreadableGenerations()).find((generation) => generation.id === id)
  if (unreadable) throw unreadable.error
  const kept = generations.map((generation) => generation.id).join(', ') || 'none'
  throw new LakeError(
    'generation-unknown',
    `lake, dataset '${lake.dataset}': there is no generation ${id === undefined ? 'before the current one' : `'${id}'`} to roll back to; kept generations: ${kept}`,
  )
}
