/** For tests of schedules: a generation that a run could have published, with nothing in it. */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { emptyGeneration } from '#storage/lake/lake-contract-fixture.ts'
import type { BatchMode } from './plan-run.ts'

/** Publishes it and makes it current. */
export async function publishEmpty(
  lake: Lake,
  mode: BatchMode,
  finishedAtMs: number,
  fullFinishedAtMs: number | undefined,
): Promise<GenerationManifest> {
  const staged = await lake.beginGeneration()
  const times = { startedAtMs: finishedAtMs, finishedAtMs, fullFinishedAtMs }
  const manifest = { ...emptyGeneration(staged.id, []), dataset: lake.dataset, mode, ...times }
  await staged.commit(manifest)
  await lake.setCurrent(staged.id)
  return manifest
}
