/** Publishes generations, for the tests of drivers. */
import { writeFile } from 'node:fs/promises'
import type { GenerationManifest } from '../generation-manifest.ts'
import type { Lake } from '../lake.ts'
import { emptyGeneration } from '../lake-contract-fixture.ts'

/** A generation with one file of states, which becomes the current one. */
export async function publishStates(lake: Lake, states = 'states'): Promise<GenerationManifest> {
  const staged = await lake.beginGeneration()
  const view = await staged.stageFile('states', 'v')
  await writeFile(view.writePath, states)
  const views = { v: { hash: 'h', files: [await view.finish(1)] } }
  const manifest: GenerationManifest = { ...emptyGeneration(staged.id, [10]), views, rows: 10 }
  await staged.commit(manifest)
  await lake.setCurrent(staged.id)
  return manifest
}
