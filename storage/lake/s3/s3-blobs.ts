/**
 * The lake's files as objects below a prefix, with a local cache in which the engine reads and writes. Whatever decides is a conditional write
 * (`If-None-Match: *`, `If-Match`).
 */
import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { appendFile, readFile, rm } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
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
} from '../blob-lake/blobs.ts'
import { damagedFile, missingFile, OTHER_CHECKSUM, otherSize } from '../blob-lake/file-faults.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { fingerprint, neverWritten } from '../local/durable-files.ts'
import type { StoredFile } from '../segment-files.ts'
import type { LakeFile } from '../segment-manifest.ts'
import type { ObjectCache } from './object-cache.ts'
import { explainS3Fault } from './s3-faults.ts'
import type { S3Store } from './s3-store.ts'
import { SignedNames } from './signed-names.ts'

/** how long an unchanged sign stands for all manifests: longer than a writer may take between a manifest and the sign */
const TRUSTED_MS = 30_000
/** the folder with a sign, and the sign's name in it */
const SIGNED = 'manifests'
const SIGN = 'CHANGED'
/** what a folder without files has */
const CLAIM = 'CLAIMED'
const ASKED_AT_ONCE = 16
const FETCH_TRIES_MAX = 4
/** maximum number of own uploads that need not be asked for when a manifest names them */
const LANDED_MAX = 10_000

export class S3Blobs implements Blobs {
  readonly trustedMs = TRUSTED_MS
  readonly listsLate = true
  readonly #dataset: string
  readonly #store: S3Store
  readonly #cache: ObjectCache
  /** path → bytes, of files that this handle uploaded */
  readonly #landed = new Map<string, number>()

  constructor(dataset: string, store: S3Store, cache: ObjectCache) {
    this.#dataset = dataset
    this.#store = store
    this.#cache = cache
  }

  nameOf(path: string): string {
    return this.#store.nameOf(this.#key(path))
  }

  async read(path: string): Promise<string> {
    const found = await this.version(path)
    if (found !== null) return found.text
    throw this.#nothing(path)
  }

  async version(path: string): Promise<VersionedText | null> {
    const found = await this.#store.get(this.#key(path))
    return found === null || found === 'same' ? null : { text: found.text, version: found.etag }
  }

  async stat(path: string): Promise<BlobStat | null> {
    const found = await this.#store.head(this.#key(path))
    return found && { bytes: found.bytes, modifiedMs: found.modifiedMs }
  }

  async fingerprint(path: string, range?: ByteRange): Promise<Fingerprint> {
    const print = await this.#fetch(path, null, range)
    if (print !== null) return print
    throw this.#nothing(path)
  }

  async names(folder: string): Promise<string[]> {
    const { files, folders } = await this.#store.list(this.#key(folder))
    return [...files, ...folders].filter((name) => name !== CLAIM)
  }

  namesIn(folder: string, accepts: (name: string) => boolean): NamesInFolder {
    const sign = folder === SIGNED ? this.#key(`${SIGNED}/${SIGN}`) : null
    return new SignedNames({
      ...{ store: this.#store, folder: this.#key(folder), accepts, sign },
      trustedMs: sign === null ? 0 : TRUSTED_MS,
    })
  }

  async create(path: string, text: string, { sign }: CreateOptions = {}): Promise<boolean> {
    const created = await this.#store.putNew(this.#key(path), { text })
    if (created) await this.#changed(sign)
    return created
  }

  async replace(path: string, text: string, options: ReplaceOptions = {}): Promise<void> {
    const { sign, before, after, expected } = options
    await before?.()
    if (expected === undefined) await this.#store.put(this.#key(path), { text })
    else if ((await this.#store.replace(this.#key(path), text, expected)) === null)
      throw new LakeError(
        'replaced-meanwhile',
        `lake, dataset '${this.#dataset}': '${this.nameOf(path)}' was replaced by another process meanwhile; nothing has changed here, and the next run begins with what is there`,
      )
    await this.#changed(sign)
    await after?.()
  }

  /** The store does not tell whether it existed. */
  async remove(path: string): Promise<boolean> {
    await this.#store.remove(this.#key(path))
    this.#landed.delete(path)
    await this.#cache.drop(path)
    return true
  }

  async copy(from: string, to: string): Promise<void> {
    if (await this.#store.copy(this.#key(from), this.#key(to))) return
    throw missingFile(this.#dataset, this.nameOf(from))
  }

  async move(from: string, to: string): Promise<void> {
    await this.copy(from, to)
    await this.remove(from)
  }

  async touch(paths: readonly string[]): Promise<void> {
    await each(paths, (path) => this.#store.touch(this.#key(path)))
  }

  nowMs(): Promise<number> {
    return this.#store.nowMs()
  }

  /** Folders are in names only. */
  async makeFolder(): Promise<void> {}

  claimFolder(folder: string): Promise<boolean> {
    return this.#store.putNew(this.#key(`${folder}/${CLAIM}`), { text: `${randomUUID()}\n` })
  }

  dropFolder(folder: string): Promise<void> {
    return this.#store.remove(this.#key(`${folder}/${CLAIM}`))
  }

  async removeFolder(folder: string): Promise<void> {
    const { files } = await this.#store.list(this.#key(folder), true)
    await each(files, async (name) => void (await this.remove(`${folder}/${name}`)))
  }

  async settle(): Promise<void> {}

  draftOf(path: string): string {
    return this.#cache.draftOf(path)
  }

  async finishDraft(draft: string): Promise<Fingerprint> {
    return fingerprint(draft).catch((error: unknown) => {
      throw isMissing(error) ? neverWritten(draft, error) : error
    })
  }

  async land(draft: string, path: string, { bytes, sha256 }: Fingerprint): Promise<boolean> {
    if (!(await this.#store.putNew(this.#key(path), { file: draft, bytes }))) return false
    await this.#adopt(draft, path, { bytes, sha256 })
    return true
  }

  async landTogether(parts: readonly PartDraft[], path: string): Promise<boolean> {
    const whole = this.#cache.draftOf(path)
    try {
      for (const { draft } of parts) await appendFile(whole, await readFile(draft))
      const bytes = parts.reduce((sum, { file }) => sum + file.bytes, 0)
      if (!(await this.#store.putNew(this.#key(path), { file: whole, bytes }))) return false
      this.#note(path, bytes)
    } finally {
      await rm(whole, { force: true })
    }
    for (const { draft, file } of parts) await this.#cache.adopt(draft, file.path, file.sha256)
    return true
  }

  async landOver(draft: string, path: string, { bytes, sha256 }: Fingerprint): Promise<void> {
    await this.#store.put(this.#key(path), { file: draft, bytes })
    await this.#adopt(draft, path, { bytes, sha256 })
  }

  async #adopt(draft: string, path: string, { bytes, sha256 }: Fingerprint): Promise<void> {
    this.#note(path, bytes)
    await this.#cache.adopt(draft, path, sha256)
  }

  #note(path: string, bytes: number): void {
    this.#landed.set(path, bytes)
    if (this.#landed.size > LANDED_MAX) this.#landed.delete(this.#landed.keys().next().value!)
  }

  removeDraft(draft: string): Promise<void> {
    return rm(draft, { force: true })
  }

  sweepDrafts(untouchedMs: number): Promise<number> {
    return this.#cache.sweepDrafts(untouchedMs)
  }

  /** @throws LakeError 'file-missing' also for a file that was not checked before: only `check` brings files here */
  resolve(file: LakeFile): string {
    const bytes = this.#cache.bytesOf(file.path)
    if (bytes === null) throw missingFile(this.#dataset, this.nameOf(file.path))
    if (bytes !== file.bytes) throw damagedFile(this.#dataset, this.nameOf(file.path), otherSize(bytes, file.bytes))
    return this.#cache.pathOf(file.path)
  }

  check(files: Iterable<LakeFile>): Promise<void> {
    return this.#cache.fill(files, (path, to) => this.#fetch(path, to), {
      missing: (path) => missingFile(this.#dataset, this.nameOf(path)),
      damaged: (path, bytes, expected) =>
        damagedFile(this.#dataset, this.nameOf(path), bytes === expected ? OTHER_CHECKSUM : otherSize(bytes, expected)),
    })
  }

  async assertThere(files: Iterable<StoredFile>): Promise<void> {
    const unknown = [...files].filter(({ path, bytes }) => this.#landed.get(path) !== bytes)
    await each(unknown, async ({ path, bytes }) => {
      const found = await this.stat(path)
      if (found === null) throw missingFile(this.#dataset, this.nameOf(path))
      if (found.bytes !== bytes) throw damagedFile(this.#dataset, this.nameOf(path), otherSize(found.bytes, bytes))
    })
  }

  async bring(path: string): Promise<string> {
    const print = await this.fingerprint(path)
    await this.check([{ path, rows: 0, ...print }])
    return this.#cache.pathOf(path)
  }

  /** What was created stays created if the sign cannot be replaced: readers see it somewhat later. */
  async #changed(sign: string | undefined): Promise<void> {
    if (sign !== undefined)
      await this.#store.put(this.#key(`${sign}/${SIGN}`), { text: `${randomUUID()}\n` }).catch(() => {})
  }

  /** Reads an object to a file, or only its checksum. A connection that is lost half-way is tried again. @returns null: there is nothing */
  async #fetch(path: string, to: string | null, range?: ByteRange): Promise<Fingerprint | null> {
    for (let tries = 1; ; tries++) {
      const body = await this.#store.stream(this.#key(path), range)
      if (body === null) return null
      const hash = createHash('sha256')
      let bytes = 0
      const count = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          hash.update(chunk)
          bytes += chunk.length
          done(null, to === null ? undefined : chunk)
        },
      })
      try {
        if (to === null) await pipeline(body, count.resume())
        else await pipeline(body, count, createWriteStream(to))
        return { bytes, sha256: hash.digest('hex') }
      } catch (error) {
        if (tries === FETCH_TRIES_MAX) throw explainS3Fault(error, 'cannot read', this.nameOf(path))
      }
    }
  }

  #nothing(path: string): Error {
    return Object.assign(new Error(`ENOENT: '${this.nameOf(path)}' does not exist`), { code: 'ENOENT' })
  }

  #key(path: string): string {
    return path === '' ? this.#dataset : `${this.#dataset}/${path}`
  }
}

/** Some at once. */
async function each<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = [...all]
  const next = async (): Promise<void> => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) await work(one)
  }
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, left.length) }, next))
}
