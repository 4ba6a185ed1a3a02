/**
 * For tests: a lake in an object store, for the simulation: the production code of lakes over a bucket in memory, with a pause before each
 * request. What was just written can be missing from listings for a while, and locks can be taken over from holders that live.
 */
import { createHash } from 'node:crypto'
import type { Random } from '#datasets/random.ts'
import { BlobLake } from '#storage/lake/blob-lake/blob-lake.ts'
import type {
  BlobStat,
  Blobs,
  ByteRange,
  CreateOptions,
  Fingerprint,
  NamesInFolder,
  PartDraft,
  ReplaceOptions,
  VersionedText,
} from '#storage/lake/blob-lake/blobs.ts'
import { damagedFile, missingFile, OTHER_CHECKSUM, otherSize } from '#storage/lake/blob-lake/file-faults.ts'
import type { LakeLocks } from '#storage/lake/blob-lake/lake-locks.ts'
import type { HeldLock, LakeWork } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { StoredFile } from '#storage/lake/segment-files.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'

const CLAIM = 'CLAIMED'
const DATASET = 'd'

interface StoredObject {
  readonly text: string
  readonly version: string
  readonly modifiedMs: number
  /** how many writes there must have been before listings have it */
  readonly listedAfter: number
}

/** What processes share. */
export class Bucket {
  readonly objects = new Map<string, StoredObject>()
  readonly locks = new Map<LakeWork, { readonly fence: number; holder: object | null }>()
  readonly random: Random
  readonly #now: () => number
  #writes = 0
  /** numbers given to generations */
  claimed = 0
  /** files with partials of several segments */
  shared = 0
  /** locks that were taken from holders that live */
  stolen = 0
  /** how often CURRENT was written by a holder that another one had followed already */
  outOfTurn = 0
  /** a fault put in on purpose: conditions of writes are not looked at, and nobody proves that he has the lock */
  readonly isUnfenced: boolean
  #fence = 0

  constructor(random: Random, now: () => number, isUnfenced: boolean) {
    this.random = random
    this.#now = now
    this.isUnfenced = isUnfenced
  }

  get nowMs(): number {
    return this.#now()
  }

  put(path: string, text: string): void {
    this.#writes++
    if (path === 'CURRENT') this.#followTurns(text)
    const isLate = this.random.chance(0.2)
    this.objects.set(path, {
      ...{ text, version: String(this.#writes), modifiedMs: this.nowMs },
      listedAfter: isLate ? this.#writes + this.random.below(20) : 0,
    })
  }

  #followTurns(current: string): void {
    const fence = Number(/\n(\d+) /.exec(current)![1])
    if (fence < this.#fence) this.outOfTurn++
    this.#fence = Math.max(this.#fence, fence)
  }

  /** Paths below a folder, as a listing has them now. */
  listed(folder: string): readonly string[] {
    const prefix = folder === '' ? '' : `${folder}/`
    return [...this.objects]
      .filter(([path, { listedAfter }]) => path.startsWith(prefix) && listedAfter <= this.#writes)
      .map(([path]) => path.slice(prefix.length))
  }
}

type Pause = () => Promise<void>

export class BucketLake extends BlobLake {
  readonly #bucket: Bucket
  /** drafts, by the path that the engine would write to */
  readonly folder: { readonly files: Map<string, string> }

  constructor(bucket: Bucket, pause: Pause) {
    const drafts = new Map<string, string>()
    super({
      dataset: DATASET,
      blobs: new BucketBlobs(bucket, drafts, pause),
      locks: new BucketLocks(bucket, pause),
      step: pause,
      moveManifests: async () => 0,
    })
    this.#bucket = bucket
    this.folder = { files: drafts }
  }

  /** Writes a staged file's content in place of the engine. */
  put(writePath: string, contents: string): void {
    this.folder.files.set(writePath, contents)
  }

  /** Reads a file that a manifest names in place of the engine. @throws LakeError if it does not exist */
  get(file: LakeFile): string {
    this.resolve(file)
    return textOf(this.#bucket, file)!
  }
}

class BucketBlobs implements Blobs {
  readonly trustedMs = -1
  readonly listsLate = true
  readonly #bucket: Bucket
  readonly #drafts: Map<string, string>
  readonly #pause: Pause
  #staged = 0

  constructor(bucket: Bucket, drafts: Map<string, string>, pause: Pause) {
    this.#bucket = bucket
    this.#drafts = drafts
    this.#pause = pause
  }

  nameOf(path: string): string {
    return `s3://bucket/${path}`
  }

  async read(path: string): Promise<string> {
    const found = await this.version(path)
    if (found !== null) return found.text
    throw Object.assign(new Error(`'${path}' does not exist`), { code: 'ENOENT' })
  }

  async version(path: string): Promise<VersionedText | null> {
    await this.#pause()
    return this.#bucket.objects.get(path) ?? null
  }

  async stat(path: string): Promise<BlobStat | null> {
    await this.#pause()
    const found = this.#bucket.objects.get(path)
    return found === undefined ? null : { bytes: Buffer.byteLength(found.text), modifiedMs: found.modifiedMs }
  }

  async fingerprint(path: string, range?: ByteRange): Promise<Fingerprint> {
    const text = await this.read(path)
    return printOf(range === undefined ? text : slice(text, range))
  }

  async names(folder: string): Promise<string[]> {
    await this.#pause()
    const names = this.#bucket.listed(folder).map((path) => path.split('/', 1)[0]!)
    return [...new Set(names)].filter((name) => name !== CLAIM)
  }

  namesIn(folder: string, accepts: (name: string) => boolean): NamesInFolder {
    let listing = { version: 0, names: [] as readonly string[] }
    return {
      read: async () => {
        const names = (await this.names(folder)).filter(accepts).toSorted()
        if (names.join() !== listing.names.join()) listing = { version: listing.version + 1, names }
        return { ...listing, mark: null }
      },
      forget: () => {},
    }
  }

  async create(path: string, text: string, _options?: CreateOptions): Promise<boolean> {
    await this.#pause()
    if (this.#bucket.objects.has(path)) return false
    this.#bucket.put(path, text)
    await this.#pause()
    return true
  }

  async replace(path: string, text: string, { before, after, expected }: ReplaceOptions = {}): Promise<void> {
    await before?.()
    await this.#pause()
    const found = this.#bucket.objects.get(path)?.version ?? null
    if (expected !== undefined && expected !== found && !this.#bucket.isUnfenced)
      throw new LakeError('replaced-meanwhile', `lake: '${path}' was replaced by another process meanwhile`)
    this.#bucket.put(path, text)
    await after?.()
  }

  async remove(path: string): Promise<boolean> {
    await this.#pause()
    return this.#bucket.objects.delete(path)
  }

  async copy(from: string, to: string): Promise<void> {
    const text = await this.read(from)
    await this.#pause()
    this.#bucket.put(to, text)
  }

  async move(from: string, to: string): Promise<void> {
    await this.copy(from, to)
    await this.remove(from)
  }

  async touch(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      await this.#pause()
      const found = this.#bucket.objects.get(path)
      if (found !== undefined) this.#bucket.put(path, found.text)
    }
  }

  async nowMs(): Promise<number> {
    await this.#pause()
    return this.#bucket.nowMs
  }

  async makeFolder(): Promise<void> {}

  async claimFolder(folder: string): Promise<boolean> {
    const claimed = await this.create(`${folder}/${CLAIM}`, '')
    if (claimed) this.#bucket.claimed++
    return claimed
  }

  async dropFolder(folder: string): Promise<void> {
    await this.remove(`${folder}/${CLAIM}`)
  }

  async removeFolder(folder: string): Promise<void> {
    for (const path of this.#bucket.listed(folder)) await this.remove(`${folder}/${path}`)
  }

  async settle(): Promise<void> {}

  draftOf(path: string): string {
    return `${path}-${this.#staged++}.inprogress`
  }

  async finishDraft(draft: string): Promise<Fingerprint> {
    const text = this.#drafts.get(draft)
    if (text === undefined) throw new LakeError('file-missing', `lake: the staged file '${draft}' was not written`)
    return printOf(text)
  }

  async land(draft: string, path: string): Promise<boolean> {
    return this.create(path, this.#drafts.get(draft)!)
  }

  async landTogether(parts: readonly PartDraft[], path: string): Promise<boolean> {
    if (new Set(parts.map(({ file }) => placeOf(file.path))).size > 1) this.#bucket.shared++
    return this.create(path, parts.map(({ draft }) => this.#drafts.get(draft)!).join(''))
  }

  async landOver(draft: string, path: string): Promise<void> {
    await this.#pause()
    this.#bucket.put(path, this.#drafts.get(draft)!)
  }

  async removeDraft(draft: string): Promise<void> {
    this.#drafts.delete(draft)
  }

  async sweepDrafts(): Promise<number> {
    return 0
  }

  resolve(file: LakeFile): string {
    const text = textOf(this.#bucket, file)
    if (text === null) throw missingFile(DATASET, this.nameOf(file.path))
    const bytes = Buffer.byteLength(text)
    if (bytes !== file.bytes) throw damagedFile(DATASET, this.nameOf(file.path), otherSize(bytes, file.bytes))
    return file.path
  }

  async check(files: Iterable<LakeFile>): Promise<void> {
    for (const file of files) {
      await this.#pause()
      this.resolve(file)
      if (printOf(textOf(this.#bucket, file)!).sha256 !== file.sha256)
        throw damagedFile(DATASET, this.nameOf(file.path), OTHER_CHECKSUM)
    }
  }

  async assertThere(files: Iterable<StoredFile>): Promise<void> {
    for (const file of files) {
      await this.#pause()
      this.resolve({ ...file, rows: 0, sha256: '' })
    }
  }

  async bring(path: string): Promise<string> {
    await this.read(path)
    return path
  }
}

/** Leases: whoever asks may find that one ended, whether its holder lives or not. */
class BucketLocks implements LakeLocks {
  readonly #bucket: Bucket
  readonly #pause: Pause
  readonly #held = new Map<LakeWork, number>()
  #stamps = 0

  constructor(bucket: Bucket, pause: Pause) {
    this.#bucket = bucket
    this.#pause = pause
  }

  async tryLock(work: LakeWork): Promise<HeldLock | null> {
    await this.#pause()
    const { locks, random } = this.#bucket
    const there = locks.get(work)
    if (there !== undefined && there.holder !== null) {
      if (!random.chance(0.3)) return null
      this.#bucket.stolen++
    }
    const fence = (there?.fence ?? 0) + 1
    locks.set(work, { fence, holder: this })
    this.#held.set(work, fence)
    return {
      release: async () => {
        await this.#pause()
        this.#held.delete(work)
        const now = locks.get(work)!
        if (now.fence === fence) now.holder = null
      },
    }
  }

  async prove(work: LakeWork): Promise<void> {
    await this.#pause()
    const own = this.#held.get(work)
    if (own !== undefined && !this.#bucket.isUnfenced && this.#bucket.locks.get(work)!.fence !== own)
      throw new LakeError('lock-lost', `lake: the lock of '${work}' was taken over`)
  }

  stamp(work: LakeWork): string {
    return `${this.#held.get(work) ?? 0} ${this.#stamps++} ${this.#bucket.random.below(2 ** 30)}`
  }
}

/** null: there is nothing */
function textOf({ objects }: Bucket, { path, bytes, within }: LakeFile): string | null {
  const found = objects.get(within?.path ?? path)
  if (found === undefined) return null
  return within === undefined ? found.text : slice(found.text, { offset: within.offset, bytes })
}

function slice(text: string, { offset, bytes }: ByteRange): string {
  return Buffer.from(text)
    .subarray(offset, offset + bytes)
    .toString()
}

/** segments/p0000/<start> */
function placeOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 17)
}

function printOf(text: string): Fingerprint {
  return { bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}
