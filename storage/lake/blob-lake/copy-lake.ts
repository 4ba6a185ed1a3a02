/**
 * Copies a lake to other storage: what manifests name, then the manifests, and CURRENT last, so that the copy is no lake before it is whole. It can be
 * interrupted at any point: files that are there with their size stay, and all of them are read back and compared at the end.
 */
import { copyFile } from 'node:fs/promises'
import { dirname } from 'node:path/posix'
import { generationFiles } from '../generation-manifest.ts'
import { LakeError } from '../lake-error.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import { lastingFiles, segmentFiles } from '../segment-files.ts'
import type { LakeFile, SegmentManifest } from '../segment-manifest.ts'
import { type BlobGenerations, manifestOf } from './blob-generations.ts'
import type { BlobRefusals } from './blob-refusals.ts'
import type { BlobSegments } from './blob-segments.ts'
import type { Blobs } from './blobs.ts'
import { verifyFiles } from './verify-files.ts'

const COPIED_AT_ONCE = 4

export interface CopiedParts {
  readonly blobs: Blobs
  readonly segments: BlobSegments
  readonly generations: BlobGenerations
  readonly refusals: BlobRefusals
}

export interface CopyProgress {
  readonly files: number
  readonly filesTotal: number
  readonly bytes: number
  readonly bytesTotal: number
}

export interface CopyOptions {
  readonly onProgress?: (progress: CopyProgress) => void
  /** brings what belongs to the lake and is not in it, before the copy can be used */
  readonly alongside?: () => Promise<void>
}

export interface CopyReport {
  readonly files: number
  readonly bytes: number
  /** files that an earlier, interrupted copy had brought */
  readonly kept: number
  readonly segments: number
  readonly generations: number
}

/**
 * @param from nobody may remove files there meanwhile: the caller holds its locks
 * @throws LakeError if something of the lake cannot be read, if the place has another lake, or if what was copied differs; run again, it goes on
 */
export async function copyLake(
  from: CopiedParts,
  to: CopiedParts,
  { onProgress = () => {}, alongside = async () => {} }: CopyOptions,
): Promise<CopyReport> {
  const manifests = [...(await from.segments.all()).values()].toSorted(
    (a, b) => a.partition - b.partition || a.start - b.start || a.end - b.end,
  )
  for (const { error } of await from.generations.unreadable()) throw error
  const generations = await from.generations.list()
  const current = await from.generations.current()
  await assertSameLake(to, manifests, current?.id ?? null)
  const files = namedFiles(manifests, generations)
  const kept = await copyFiles(from.blobs, to.blobs, files, onProgress)
  for (const manifest of manifests) {
    const path = manifestPath(segmentManifestName(manifest))
    await to.blobs.makeFolder(dirname(path))
    await createSame(to.blobs, path, manifestText(manifest, path), 'manifests')
  }
  for (const generation of generations) {
    const path = manifestOf(generation.id)
    await to.blobs.makeFolder(dirname(path))
    await createSame(to.blobs, path, manifestText(generation, path))
  }
  for (const refusal of (await from.refusals.all()).values()) await to.refusals.add(refusal)
  to.segments.forget()
  const { problems } = await verifyFiles(to.blobs, to.segments, to.generations)
  if (problems.length > 0)
    throw new LakeError(
      'file-damaged',
      `lake: ${problems.length} files of the copy are not as they should be: ${problems[0]}; remove them there, and copy again`,
    )
  await alongside()
  if (current !== null) await to.generations.setCurrent(current.id)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return { files: files.length, bytes, kept, segments: manifests.length, generations: generations.length }
}

/** Partials that every generation counts may have been removed already. */
function namedFiles(
  manifests: readonly SegmentManifest[],
  generations: Awaited<ReturnType<BlobGenerations['list']>>,
): readonly LakeFile[] {
  const counted = (partition: number): number =>
    generations.length === 0 ? 0 : Math.min(...generations.map(({ boundary }) => boundary[partition] ?? 0))
  const files = [
    ...manifests.flatMap((manifest) =>
      manifest.end > counted(manifest.partition) ? segmentFiles(manifest) : lastingFiles(manifest),
    ),
    ...generations.flatMap(generationFiles),
  ]
  return [...new Map(files.map((file) => [file.path, file])).values()]
}

/** A place that is in use, or has segments that this lake has not, is another lake. */
async function assertSameLake(
  { blobs, segments, generations }: CopiedParts,
  manifests: readonly SegmentManifest[],
  current: string | null,
): Promise<void> {
  const there = await generations.current()
  if (there !== null)
    throw new LakeError(
      'already-committed',
      `lake: '${blobs.nameOf('CURRENT')}' names ${there.id}, so a lake is there and may be in use (the one to be copied has ${current ?? 'no generation'}); a copy never changes it. If it is this copy, it is whole: check it with \`watershed verify\`; otherwise choose another place`,
    )
  const names = new Set(manifests.map(segmentManifestName))
  for (const name of (await segments.readable()).manifests.keys())
    if (!names.has(name))
      throw new LakeError(
        'already-committed',
        `lake: '${blobs.nameOf(manifestPath(name))}' is not a segment of the lake to be copied; choose another place`,
      )
}

/** @returns how many were there already */
async function copyFiles(
  from: Blobs,
  to: Blobs,
  files: readonly LakeFile[],
  onProgress: (progress: CopyProgress) => void,
): Promise<number> {
  const left = files.toReversed()
  const bytesTotal = files.reduce((sum, file) => sum + file.bytes, 0)
  let [done, bytes, kept] = [0, 0, 0]
  const work = async (): Promise<void> => {
    for (let file = left.pop(); file !== undefined; file = left.pop()) {
      if ((await to.stat(file.path))?.bytes === file.bytes) kept++
      else await copyOne(from, to, file)
      done++
      bytes += file.bytes
      onProgress({ files: done, filesTotal: files.length, bytes, bytesTotal })
    }
  }
  await Promise.all(Array.from({ length: COPIED_AT_ONCE }, work))
  return kept
}

async function copyOne(from: Blobs, to: Blobs, file: LakeFile): Promise<void> {
  await from.check([file])
  const draft = to.draftOf(file.path)
  try {
    await to.makeFolder(dirname(file.path))
    await copyFile(from.resolve(file), draft)
    const print = await to.finishDraft(draft)
    if (!(await to.land(draft, file.path, print))) await to.landOver(draft, file.path, print)
  } finally {
    await to.removeDraft(draft)
  }
}

/** @throws LakeError if another text is there */
async function createSame(blobs: Blobs, path: string, text: string, sign?: string): Promise<void> {
  if (await blobs.create(path, text, sign === undefined ? {} : { sign })) return
  if ((await blobs.read(path)) !== text)
    throw new LakeError(
      'already-committed',
      `lake: '${blobs.nameOf(path)}' is not what the lake to be copied has there; choose another place`,
    )
}
