/** Reads every file that a manifest names and compares bytes and checksum: for `doctor --deep`, not for each query. */
import { generationFiles } from '../generation-manifest.ts'
import type { FileReport } from '../lake.ts'
import { isMissing } from '../lake-error.ts'
import { lastingFiles, segmentFiles, storedFiles } from '../segment-files.ts'
import type { LakeFile } from '../segment-manifest.ts'
import type { BlobGenerations } from './blob-generations.ts'
import type { BlobSegments } from './blob-segments.ts'
import type { Blobs, Fingerprint } from './blobs.ts'
import { OTHER_CHECKSUM, otherSize } from './file-faults.ts'

export async function verifyFiles(
  blobs: Blobs,
  segments: BlobSegments,
  generations: BlobGenerations,
): Promise<FileReport> {
  const problems = (await generations.unreadable()).map(({ error }) => error.message)
  let bytes = 0
  const files = await neededFiles(segments, generations)
  for (const parts of Map.groupBy(files, ({ path, within }) => within?.path ?? path).values()) {
    const problem = await firstProblem(blobs, parts)
    if (problem !== null) problems.push(problem)
    bytes += parts.reduce((sum, part) => sum + part.bytes, 0)
  }
  return { files: storedFiles(files).length, bytes, problems }
}

/** A shared file is damaged once, however many of its parts are: the first one in the file tells. */
async function firstProblem(blobs: Blobs, parts: readonly LakeFile[]): Promise<string | null> {
  for (const part of parts.toSorted((a, b) => (a.within?.offset ?? 0) - (b.within?.offset ?? 0))) {
    const problem = await compare(blobs, part)
    if (problem !== null) return problem
  }
  return null
}

/** Partials before every generation's boundary may have been removed; all other files must exist. */
async function neededFiles(segments: BlobSegments, generations: BlobGenerations): Promise<LakeFile[]> {
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

async function compare(blobs: Blobs, file: LakeFile): Promise<string | null> {
  const name = blobs.nameOf(file.within?.path ?? file.path)
  try {
    const print = await printOf(blobs, file)
    const before = file.within?.offset ?? 0
    if (print.bytes !== file.bytes)
      return `'${name}' ${otherSize(before + print.bytes, file.within?.bytes ?? file.bytes)}`
    return print.sha256 === file.sha256 ? null : `'${name}' ${OTHER_CHECKSUM}`
  } catch (error) {
    return isMissing(error) ? `'${name}' is missing` : `'${name}' cannot be read: ${String(error)}`
  }
}

function printOf(blobs: Blobs, { path, bytes, within }: LakeFile): Promise<Fingerprint> {
  return within === undefined
    ? blobs.fingerprint(path)
    : blobs.fingerprint(within.path, { offset: within.offset, bytes })
}
