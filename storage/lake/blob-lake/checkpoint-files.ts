/** Checkpoints of chains: `manifests/p0000/checkpoints/`. Each is written once; the newest counts. */
import { LakeError } from '../lake-error.ts'
import { partitionName } from '../manifest-names.ts'
import {
  checkpointName,
  checkpointNumber,
  checkpointText,
  newestCheckpoint,
  readCheckpoint,
  type SegmentCheckpoint,
} from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { Blobs } from './blobs.ts'

export const MANIFESTS = 'manifests'
export const CHECKPOINTS = 'checkpoints'

export class CheckpointFiles {
  readonly #blobs: Blobs
  readonly #dataset: string
  readonly #read = new Map<number, { readonly name: string; readonly found: SegmentCheckpoint | LakeError }>()

  constructor(blobs: Blobs, dataset: string) {
    this.#blobs = blobs
    this.#dataset = dataset
  }

  /** Read once. An error where it is damaged. @throws where it does not exist any more */
  async load(partition: number, name: string): Promise<SegmentCheckpoint | LakeError> {
    const known = this.#read.get(partition)
    if (known?.name === name) return known.found
    const found = await this.#tryRead(partition, name)
    this.#read.set(partition, { name, found })
    return found
  }

  /** The newest one of a partition as it is in the folder now; null if there is none. */
  async newest(partition: number): Promise<{ name: string; found: SegmentCheckpoint | LakeError } | null> {
    const name = newestCheckpoint(await this.#names(partition))
    return name === null ? null : { name, found: await this.#tryRead(partition, name) }
  }

  /** Writes the next one durably, then removes those before it. Only for the holder of the batch lock. */
  async write(partition: number, segments: readonly SegmentManifest[]): Promise<void> {
    const before = await this.#names(partition)
    const end = segments.at(-1)!.end
    const number = 1 + Math.max(0, ...before.map((name) => checkpointNumber(name) ?? 0))
    const text = checkpointText({ format: 1, dataset: this.#dataset, partition, end, segments })
    const folder = folderOf(partition)
    await this.#blobs.makeFolder(folder)
    await this.#blobs.create(`${folder}/${checkpointName(partition, end, number)}`, text, { sign: MANIFESTS })
    await this.#remove(partition, before)
  }

  /** Removes all of a partition, durably: readers open its manifests until the next one is written. */
  async drop(partition: number): Promise<void> {
    this.#read.delete(partition)
    await this.#remove(partition, await this.#names(partition))
  }

  async #remove(partition: number, names: readonly string[]): Promise<void> {
    for (const name of names) await this.#blobs.remove(`${folderOf(partition)}/${name}`)
    if (names.length > 0) await this.#blobs.settle([folderOf(partition)])
  }

  async #tryRead(partition: number, name: string): Promise<SegmentCheckpoint | LakeError> {
    const path = `${folderOf(partition)}/${name}`
    try {
      return readCheckpoint(await this.#blobs.read(path), this.#blobs.nameOf(path), this.#dataset, partition)
    } catch (error) {
      // One of a later format is not needed either: the manifests are there.
      if (error instanceof LakeError) return error
      throw error
    }
  }

  async #names(partition: number): Promise<readonly string[]> {
    return (await this.#blobs.names(folderOf(partition))).filter((name) => checkpointNumber(name) !== null)
  }
}

function folderOf(partition: number): string {
  return `${MANIFESTS}/${partitionName(partition)}/${CHECKPOINTS}`
}
