/**
 * Files of segments that close together, stored as few as possible. Segments join until the first of them has written its drafts; what all of
 * them have written is stored then, before any of their manifests can name it. A shared file is never removed by one of
 * its segments, because the manifest of another one may name it already. A file that no manifest names is swept like any orphan.
 */
import { randomBytes } from 'node:crypto'
import type { SegmentShare, SharedPartials } from '../lake.ts'
import { sharedFilePath } from '../manifest-names.ts'
import type { ClosingSegment, LakeFile } from '../segment-manifest.ts'
import type { Blobs, PartDraft } from './blobs.ts'
import { landFile, taken, type Unnamed } from './staged-segment-file.ts'

/** how many may wait for one another */
const SEGMENTS_MAX = 32
/** a larger draft becomes a file of its own: readers fetch a shared file as a whole */
const PART_BYTES_MAX = 1024 * 1024
const SHARED_BYTES_MAX = 8 * 1024 * 1024

interface Round {
  readonly segments: Set<ClosingSegment>
  /** of these, how many still write */
  writing: number
  readonly parts: PartDraft[]
  /** path of a part → as manifests name it */
  readonly stored: PromiseWithResolvers<ReadonlyMap<string, LakeFile>>
}

export class SharedFiles {
  readonly #blobs: Blobs
  readonly #unnamed: Unnamed
  /** the one that can be joined */
  #open: Round | null = null

  constructor(blobs: Blobs, unnamed: Unnamed) {
    this.#blobs = blobs
    this.#unnamed = unnamed
  }

  /** @param newPath a path that no other file has */
  join(segment: ClosingSegment, newPath: (kind: string) => Promise<string>): SegmentShare {
    if (this.#open === null || this.#open.segments.size >= SEGMENTS_MAX) this.#open = emptyRound()
    const round = this.#open
    round.segments.add(segment)
    round.writing++
    const drafts = new Map<string, string>()
    let isWriting = true
    const close = (): void => {
      if (this.#open === round) this.#open = null
    }
    const end = (): void => {
      isWriting = false
      round.writing--
      close()
      if (round.writing === 0) this.#store(round).then(round.stored.resolve, round.stored.reject)
    }
    return {
      stage: async (kind) => {
        const path = await newPath(kind)
        const draft = this.#blobs.draftOf(path)
        drafts.set(draft, path)
        return draft
      },
      finish: async (rowsOf) => {
        close()
        const written = await Promise.all([...rowsOf].map((each) => this.#print(drafts.get(each[0])!, ...each)))
        const [small, large] = [written.filter(isSmall), written.filter((part) => !isSmall(part))]
        round.parts.push(...small)
        end()
        for (const part of large) await landFile(this.#blobs, part, this.#unnamed)
        const stored = await round.stored.promise
        return described(
          written.map(({ file }) => stored.get(file.path) ?? file),
          round,
        )
      },
      leave: async () => {
        if (isWriting) {
          round.segments.delete(segment)
          end()
        }
        for (const [draft, path] of drafts) {
          await this.#blobs.removeDraft(draft)
          if (this.#unnamed.delete(path)) await this.#blobs.remove(path)
        }
      },
    }
  }

  async #print(path: string, draft: string, rows: number): Promise<PartDraft> {
    return { draft, file: { path, rows, ...(await this.#blobs.finishDraft(draft)) } }
  }

  async #store(round: Round): Promise<ReadonlyMap<string, LakeFile>> {
    const stored = new Map<string, LakeFile>()
    for (const parts of inFiles(round.parts)) {
      const [first] = parts
      if (parts.length === 1) await landFile(this.#blobs, first!, this.#unnamed)
      else {
        const [called] = round.segments
        const path = sharedFilePath(called!, randomBytes(6).toString('hex'))
        const placed = within(path, parts)
        if (!(await this.#blobs.landTogether!(placed, path))) throw taken(this.#blobs, path)
        for (const { file } of placed) stored.set(file.path, file)
      }
    }
    return stored
  }
}

function emptyRound(): Round {
  const round: Round = { segments: new Set(), writing: 0, parts: [], stored: Promise.withResolvers() }
  // Seen by who waits for it; all may have left.
  round.stored.promise.catch(() => {})
  return round
}

function isSmall({ file }: PartDraft): boolean {
  return file.bytes <= PART_BYTES_MAX
}

function inFiles(parts: readonly PartDraft[]): PartDraft[][] {
  const files: PartDraft[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const part of parts) {
    if (bytes + part.file.bytes > SHARED_BYTES_MAX) {
      files.push([])
      bytes = 0
    }
    files.at(-1)!.push(part)
    bytes += part.file.bytes
  }
  return files
}

/** The parts, one after the other in a file. */
function within(path: string, parts: readonly PartDraft[]): PartDraft[] {
  const bytes = parts.reduce((sum, { file }) => sum + file.bytes, 0)
  let offset = 0
  return parts.map(({ draft, file }) => {
    const placed = { draft, file: { ...file, within: { path, bytes, offset } } }
    offset += file.bytes
    return placed
  })
}

function described(files: readonly LakeFile[], { segments }: Round): SharedPartials {
  return files.some((file) => file.within !== undefined) ? { files, together: [...segments] } : { files }
}
