/** For tests of schedules: a generation that a run could have published, with nothing in it. */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { BatchMode } from './plan-run.ts'

/** Publishes it and makes it current. */
export async function publishEmpty(
  lake: Lake,
  mode: BatchMode,
  finishedAtMs: number,
  fullFinishedAtMs: number | undefined,
): Promise<GenerationManifest> {
  const staged = await lake.beginGeneration()
  const manifest: GenerationManifest = {
    format: 2,
    dataset: lake.dataset,
    id: staged.id,
    log: 'l',
    mode,
    boundary: [],
    segments: [],
    base: null,
    views: {},
    dictionaries: {},
    rows: 0,
    deadLetters: 0,
    lateRows: 0,
    gaps: [],
    startedAtMs: finishedAtMs,
    finishedAtMs,
    fullFinishedAtMs,
  }
  await staged.commit(manifest)
  await lake.setCurrent(staged.id)
  return manifest
}
