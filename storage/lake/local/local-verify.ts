/** Reads every file that a manifest names and compares bytes and checksum: for `doctor --deep`, not for each query. */
import { join } from 'node:path'
import { generationFiles } from '../generation-manifest.ts'
import type { FileReport } from '../lake.ts'
import { isMissing } from '../lake-error.ts'
import { lastingFiles, segmentFiles } from '../segment-files.ts'
import type { LakeFile } from '../segment-manifest.ts'
import { fingerprint } from './durable-files.ts'
import type { LocalGenerations } from './local-generations.ts'
import type { LocalSegments } from './local-segments.ts'

export async function verifyLocalFiles(
  folder: string,
  segments: LocalSegments,
  generations: LocalGenerations,
): Promise<FileReport> {
  const problems = (await generations.unreadable()).map(({ error }) => error.message)
  let bytes = 0
  const files = await neededFiles(segments, generations)
  for (const file of files) {
    const problem = await compare(join(folder, file.path), file)
    if (problem !== null) problems.push(problem)
    bytes += file.bytes
  }
  return { files: files.length, bytes, problems }
}

/** Partials before every generation's boundary may have been removed; all other files must exist. */
async function neededFiles(segments: LocalSegments, generations: LocalGenerations): Promise<LakeFile[]> {
  const kept = await generations.list()
  const counted = (partition: number): number =>
    kept.length === 0 ? 0 : Math.min(...kept.map((generation) => generation.boundary[partition] ?? 0))
  const manifests = [...(await segments.all()).values()]
  const files = [
    ...manifests.flatMap((manifest) =>
      manifest.end > counted(manifest.partition) ? segmentFiles(manifest) : lastingFiles(manifest),
    ),
    ...kept.flatMap(generationFiles),
  ]
  return [...new Map(files.map((file) => [file.path, file])).values()]
}

async function compare(path: string, file: LakeFile): Promise<string | null> {
  try {
    const print = await fingerprint(path)
    if (print.bytes !== file.bytes) return `'${path}' has ${print.bytes} bytes, but its manifest says ${file.bytes}`
    return print.sha256 === file.sha256 ? null : `'${path}' does not have the checksum in its manifest`
  } catch (error) {
    return isMissing(error) ? `'${path}' is missing` : `'${path}' cannot be read: ${String(error)}`
  }
}
