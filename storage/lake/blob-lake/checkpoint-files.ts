/**
 * Checkpoints of chains, and their parts: `manifests/p0000/checkpoints/`. Each file is written once; the newest checkpoint counts. A
 * checkpoint names its parts, and what it goes on with of the one before it stays as it is: what is written follows what is new.
 */
import type { Offset } from '#core/offsets.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { partitionName } from '../manifest-names.ts'
import {
  type CheckpointPart,
  checkpointName,
  checkpointNumber,
  checkpointText,
  isPartName,
  newestCheckpoint,
  readCheckpoint,
  readPart,
  type SegmentCheckpoint,
  writtenPart,
} from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { Blobs } from './blobs.ts'

export const MANIFESTS = 'manifests'
export const CHECKPOINTS = 'checkpoints'
/**
 * Smaller parts are written again together with what follows them, once per doubling. Who needs a range of time opens about two parts of each
 * partition more than the segments of that time; each part is described in the checkpoint by half a kilobyte, which every start reads.
 */
const PART_SEGMENTS_MAX = 256
const PARTS_AT_ONCE = 4

/** A checkpoint whose parts cannot be read: it counts for nothing from then on, and who needs segments reads the manifests. */
export class UnusablePartError extends LakeError {}

export class CheckpointFiles {
  readonly #blobs: Blobs
  readonly #dataset: string
  readonly #read = new Map<number, { readonly name: string; readonly found: SegmentCheckpoint | LakeError }>()
  /** of each partition, the parts that were opened, by file, as long as the newest checkpoint that was read names them */
  readonly #opened = new Map<number, Map<string, readonly SegmentManifest[]>>()

  readonly #changed: () => void

  /** @param changed called when one was written or removed */
  constructor(blobs: Blobs, dataset: string, changed: () => void = () => {}) {
    this.#blobs = blobs
    this.#dataset = dataset
    this.#changed = changed
  }

  /** Read once. An error where it is damaged. @throws where it does not exist any more */
  async load(partition: number, name: string): Promise<SegmentCheckpoint | LakeError> {
    const known = this.#read.get(partition)
    if (known?.name === name) return known.found
    const found = await this.#tryRead(partition, name)
    this.#read.set(partition, { name, found })
    this.#forgetParts(partition, found)
    return found
  }

  /** The newest one of a partition as it is in the folder now; null if there is none. */
  async newest(partition: number): Promise<{ name: string; found: SegmentCheckpoint | LakeError } | null> {
    const name = newestCheckpoint(await this.#names(partition))
    return name === null ? null : { name, found: await this.#tryRead(partition, name) }
  }

  /** Whether the newest checkpoint could not be used when it was read last, and is damaged: it stands for nothing, however often it is read. */
  async isDamaged(partition: number): Promise<boolean> {
    if (!(this.#read.get(partition)?.found instanceof LakeError)) return false
    const found = (await this.newest(partition))?.found
    if (found === undefined) return false
    if (found instanceof LakeError) return found.code === 'manifest-damaged'
    return this.reread(found).then(
      () => false,
      (error: unknown) => {
        if (error instanceof UnusablePartError) return true
        throw error
      },
    )
  }

  /** How many parts a partition has, whether a checkpoint names them or not. */
  async parts(partition: number): Promise<number> {
    return (await this.#names(partition)).filter(isPartName).length
  }

  /**
   * The segments in the parts that `wanted` names; default: in all of them.
   * @throws UnusablePartError if a part is damaged or gone: the checkpoint is not used any more by this handle
   */
  async segments(
    checkpoint: SegmentCheckpoint,
    wanted: (part: CheckpointPart) => boolean = () => true,
  ): Promise<readonly SegmentManifest[]> {
    const read: SegmentManifest[] = []
    const parts = checkpoint.parts.filter(wanted)
    for (let from = 0; from < parts.length; from += PARTS_AT_ONCE) {
      const some = parts.slice(from, from + PARTS_AT_ONCE)
      const opened = await Promise.all(some.map((part) => this.#open(checkpoint, part)))
      for (const segments of opened) for (const segment of segments) read.push(segment)
    }
    return read
  }

  /** The segments in all parts, as the files are now. @throws UnusablePartError */
  async reread(checkpoint: SegmentCheckpoint): Promise<readonly SegmentManifest[]> {
    this.#opened.delete(checkpoint.partition)
    return this.segments(checkpoint)
  }

  async #open(checkpoint: SegmentCheckpoint, part: CheckpointPart): Promise<readonly SegmentManifest[]> {
    const { partition } = checkpoint
    const opened = this.#opened.get(partition) ?? new Map<string, readonly SegmentManifest[]>()
    this.#opened.set(partition, opened)
    const known = opened.get(part.file)
    if (known) return known
    try {
      const segments = await this.#readPart(partition, part)
      opened.set(part.file, segments)
      return segments
    } catch (error) {
      if (!isMissing(error) && !isUnusable(error)) throw error
      const path = this.#blobs.nameOf(`${folderOf(partition)}/${part.file}`)
      const unusable = new UnusablePartError(
        'manifest-damaged',
        error instanceof LakeError ? error.message : `lake: '${path}', a part of a checkpoint, does not exist any more`,
        { cause: error },
      )
      const last = this.#read.get(partition)
      if (last?.found === checkpoint) this.#read.set(partition, { name: last.name, found: unusable })
      throw unusable
    }
  }

  async #readPart(partition: number, part: CheckpointPart): Promise<readonly SegmentManifest[]> {
    const path = `${folderOf(partition)}/${part.file}`
    const place = { where: this.#blobs.nameOf(path), dataset: this.#dataset, partition }
    const text = await this.#blobs.read(path)
    if (isPartName(part.file)) return readPart(text, part, place)
    return readCheckpoint(text, { ...place, name: part.file }).segments!
  }

  #forgetParts(partition: number, found: SegmentCheckpoint | LakeError): void {
    const named = new Set(found instanceof LakeError ? [] : found.parts.map(({ file }) => file))
    for (const file of this.#opened.get(partition)?.keys() ?? [])
      if (!named.has(file)) this.#opened.get(partition)!.delete(file)
  }

  /**
   * Writes the next one durably, then removes those before it. Only for the holder of the batch lock.
   *
   * @param segments contiguous, at least one; from offset 0, or from where a part of `before` ends
   * @param before the parts of this one that end before the segments begin stay
   */
  async write(
    partition: number,
    segments: readonly SegmentManifest[],
    before: SegmentCheckpoint | null = null,
  ): Promise<void> {
    const files = await this.#names(partition)
    const folder = folderOf(partition)
    await this.#blobs.makeFolder(folder)
    const parts = await this.#writeParts(partition, segments, { before, there: new Set(files) })
    const { end } = parts.at(-1)!
    const number = 1 + Math.max(0, ...files.map((name) => checkpointNumber(name) ?? 0))
    const text = checkpointText({ dataset: this.#dataset, partition }, parts)
    this.#changed()
    await this.#blobs.create(`${folder}/${checkpointName(partition, end, number)}`, text, { sign: MANIFESTS })
    const kept = new Set(parts.map(({ file }) => file))
    await this.#remove(
      partition,
      files.filter((name) => !kept.has(name)),
    )
  }

  /** A checkpoint of an earlier version is not a part of a later one, and parts without an outline are written anew. @returns those that stay, and those that are written */
  async #writeParts(
    partition: number,
    segments: readonly SegmentManifest[],
    { before, there }: { readonly before: SegmentCheckpoint | null; readonly there: ReadonlySet<string> },
  ): Promise<readonly CheckpointPart[]> {
    const { start } = segments[0]!
    const parts = (before?.parts ?? []).filter(({ end }) => end <= start)
    if ((parts.at(-1)?.end ?? 0) !== start)
      throw new RangeError(
        `lake: a checkpoint of partition ${partition} would lack the segments before offset ${start}`,
      )
    const staying =
      parts.findLastIndex(({ file, outline }) => !there.has(file) || !isPartName(file) || outline === undefined) + 1
    let rest = segments
    for (let last = parts.at(-1); last !== undefined; last = parts.at(-1)) {
      if (parts.length > staying && !isSmall(last, rest.length)) break
      rest = [...(await this.#open(before!, last)), ...rest]
      parts.pop()
    }
    for (let from = 0; from < rest.length; from += PART_SEGMENTS_MAX)
      parts.push(await this.#writePart(partition, rest.slice(from, from + PART_SEGMENTS_MAX)))
    return parts
  }

  async #writePart(partition: number, segments: readonly SegmentManifest[]): Promise<CheckpointPart> {
    const { text, part } = writtenPart({ dataset: this.#dataset, partition }, segments)
    const path = `${folderOf(partition)}/${part.file}`
    // One of this name, which tells its content, was left by a crash, unless it was changed since.
    if (!(await this.#blobs.create(path, text)) && (await this.#blobs.read(path)) !== text)
      await this.#blobs.replace(path, text)
    return part
  }

  /** Removes all of a partition, durably: readers open its manifests until the next one is written. */
  async drop(partition: number): Promise<void> {
    this.#read.delete(partition)
    this.#opened.delete(partition)
    this.#changed()
    await this.#remove(partition, await this.#names(partition))
  }

  /** Checkpoints go before the parts that they name. */
  async #remove(partition: number, names: readonly string[]): Promise<void> {
    const ordered = [...names.filter((name) => !isPartName(name)), ...names.filter(isPartName)]
    for (const name of ordered) await this.#blobs.remove(`${folderOf(partition)}/${name}`)
    if (ordered.length > 0) await this.#blobs.settle([folderOf(partition)])
  }

  async #tryRead(partition: number, name: string): Promise<SegmentCheckpoint | LakeError> {
    const path = `${folderOf(partition)}/${name}`
    try {
      const place = { name, where: this.#blobs.nameOf(path), dataset: this.#dataset, partition }
      const { found, segments } = readCheckpoint(await this.#blobs.read(path), place)
      if (segments) this.#opened.set(partition, new Map([[name, segments]]))
      return found
    } catch (error) {
      // One of a later format is not needed either: the manifests are there.
      if (isUnusable(error)) return error
      throw error
    }
  }

  async #names(partition: number): Promise<readonly string[]> {
    const names = await this.#blobs.names(folderOf(partition))
    return names.filter((name) => checkpointNumber(name) !== null || isPartName(name))
  }
}

/** Small parts are not many. */
function isSmall({ segments }: CheckpointPart, following: number): boolean {
  return segments <= following && segments + following <= PART_SEGMENTS_MAX
}

/** Damaged, or of another version; not: for now, it cannot be read. */
function isUnusable(error: unknown): error is LakeError {
  return error instanceof LakeError && (error.code === 'manifest-damaged' || error.code === 'manifest-format')
}

/** Whether a part has an offset of the range. */
export function reaches({ start, end }: CheckpointPart, from: Offset, to: Offset): boolean {
  return start < to && from < end
}

function folderOf(partition: number): string {
  return `${MANIFESTS}/${partitionName(partition)}/${CHECKPOINTS}`
}
