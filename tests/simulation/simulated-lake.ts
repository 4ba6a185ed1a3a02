/** For tests: a lake whose files the simulation writes and reads in place of the engine. */
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'

export interface SimulatedLake extends Lake {
  readonly folder: { readonly files: ReadonlyMap<string, string> }
  put(writePath: string, contents: string): void
  get(file: LakeFile): string
}
