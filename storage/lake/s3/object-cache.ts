/**
 * Objects of a lake on this machine, where the engine reads them: immutable files, compared with their checksums when they arrive. Bounded: those
 * that were used least recently make room, except what was used within `IN_USE_MS`, which a query may still read. Processes of one
 * machine share the folder; the time of a file says when it was last used.
 */
import { createReadStream, createWriteStream, mkdirSync, statSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Fingerprint } from '../blob-lake/blobs.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { fingerprint, randomName, UNFINISHED } from '../local/durable-files.ts'
import { type StoredFile, storedFiles } from '../segment-files.ts'
import type { LakeFile, PlaceWithin } from '../segment-manifest.ts'

/** what was used within this time is not removed: as long as readers may take for an answer */
const IN_USE_MS = 10 * 60_000
/** how exactly the time of a file says when it was used */
const NOTED_EVERY_MS = 60_000
const FETCHES_AT_ONCE = 8
/** maximum number of files whose checksum is remembered; a forgotten one is compared again */
const KNOWN_MAX = 50_000
const FILES = 'files'
const DRAFTS = 'drafts'

export interface ObjectCacheOptions {
  /** absolute; only for this lake and dataset */
  readonly folder: string
  readonly bytesMax: number
}

/** Fetches an object to a path. @returns what arrived; null: there is no such object */
export type Fetch = (path: string, to: string) => Promise<{ readonly bytes: number; readonly sha256: string } | null>

/** What is wrong with a file that was asked for. */
export interface FillFaults {
  missing(path: string): Error
  /** @param bytes that it has; @param expected what it should have: where both are the same, its contents differ */
  damaged(path: string, bytes: number, expected: number): Error
}

export class ObjectCache {
  readonly #folder: string
  readonly #bytesMax: number
  /** path → its checksum, and the inode that has it; oldest first */
  readonly #known = new Map<string, { readonly sha256: string; readonly ino: number }>()
  readonly #notedMs = new Map<string, number>()
  readonly #fetching = new Map<string, Promise<void>>()
  /** of fetches in progress */
  #awaited = 0
  #room: Promise<void> = Promise.resolve()

  constructor({ folder, bytesMax }: ObjectCacheOptions) {
    this.#folder = folder
    this.#bytesMax = bytesMax
    mkdirSync(join(folder, DRAFTS), { recursive: true })
  }

  /** Where an object is, or would be. */
  pathOf(path: string): string {
    return join(this.#folder, FILES, path)
  }

  /** Where a new file is written before it is uploaded. */
  draftOf(path: string): string {
    return join(this.#folder, DRAFTS, `${path.replaceAll('/', '~')}-${randomName()}${UNFINISHED}`)
  }

  /** The size of an object that is here; null: it is not. */
  bytesOf(path: string): number | null {
    try {
      return statSync(this.pathOf(path)).size
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  /** Notes that a file is used now. */
  async use(path: string): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - (this.#notedMs.get(path) ?? Number.NEGATIVE_INFINITY) < NOTED_EVERY_MS) return
    this.#note(path, nowMs)
    const now = new Date()
    await utimes(this.pathOf(path), now, now).catch(ignoreMissing)
  }

  /** Keeps a file that was uploaded, under the path of its object. */
  async adopt(draft: string, path: string, sha256: string): Promise<void> {
    await mkdir(dirname(this.pathOf(path)), { recursive: true })
    await rename(draft, this.pathOf(path))
    await this.#remember(path, sha256)
    // An upload is not refused for want of room here: it is fetched again if it is read.
    await this.#makeRoom(0, new Set([path])).catch(() => this.drop(path))
  }

  async drop(path: string): Promise<void> {
    this.#known.delete(path)
    this.#notedMs.delete(path)
    await rm(this.pathOf(path), { force: true })
  }

  /** Brings files here that are not, all or none of the wrong ones. @throws LakeError 'cache-full' before anything is fetched */
  async fill(files: Iterable<LakeFile>, fetch: Fetch, faults: FillFaults): Promise<void> {
    const wanted = new Map(Array.from(files, (file) => [file.path, file]))
    const lacking: LakeFile[] = []
    for (const file of wanted.values()) {
      if (!(await this.#isHere(file))) lacking.push(file)
      else await this.use(file.path)
    }
    if (lacking.length === 0) return
    const shared = storedFiles(lacking.filter(({ within }) => within !== undefined))
    const bytes = [...lacking, ...shared].reduce((sum, file) => sum + file.bytes, 0)
    await this.#makeRoom(bytes, new Set([...wanted.keys(), ...shared.map(({ path }) => path)]))
    this.#awaited += bytes
    try {
      const work = async (): Promise<void> => {
        for (let next = lacking.pop(); next !== undefined; next = lacking.pop()) await this.#bring(next, fetch, faults)
      }
      await Promise.all(Array.from({ length: Math.min(FETCHES_AT_ONCE, lacking.length) }, work))
    } finally {
      this.#awaited -= bytes
    }
  }

  /** A file from an earlier process is compared once; one that has been changed here is fetched again. */
  async #isHere(file: LakeFile): Promise<boolean> {
    const place = this.pathOf(file.path)
    const found = await stat(place).catch((error: unknown) => {
      if (isMissing(error)) return null
      throw error
    })
    if (found === null) return false
    const known = this.#known.get(file.path)
    if (known?.ino === found.ino && found.size === file.bytes) return known.sha256 === file.sha256
    if (found.size === file.bytes && (await fingerprint(place)).sha256 === file.sha256) {
      await this.#remember(file.path, file.sha256)
      return true
    }
    return false
  }

  #bring(file: LakeFile, fetch: Fetch, faults: FillFaults): Promise<void> {
    return this.#once(file.path, () => this.#fetch(file, fetch, faults))
  }

  /** Who asks for a path while it is fetched waits for that. */
  #once(path: string, bring: () => Promise<void>): Promise<void> {
    const running = this.#fetching.get(path)
    if (running !== undefined) return running
    const bringing = bring().finally(() => this.#fetching.delete(path))
    this.#fetching.set(path, bringing)
    return bringing
  }

  async #fetch(file: LakeFile, fetch: Fetch, faults: FillFaults): Promise<void> {
    const draft = this.draftOf(file.path)
    try {
      const { within } = file
      const print =
        within === undefined
          ? await fetch(file.path, draft)
          : await this.#part(file, within, (whole) => this.#whole(whole, fetch, faults), draft)
      if (print === null) throw faults.missing(file.path)
      if (print.bytes !== file.bytes || print.sha256 !== file.sha256)
        throw faults.damaged(within?.path ?? file.path, print.bytes, file.bytes)
      await mkdir(dirname(this.pathOf(file.path)), { recursive: true })
      await rename(draft, this.pathOf(file.path))
      await this.#remember(file.path, file.sha256)
    } finally {
      await rm(draft, { force: true })
    }
  }

  /** A part of a shared file, which is fetched as a whole, and stays: others of its parts are likely to be asked for, too. */
  async #part(
    file: LakeFile,
    whole: PlaceWithin,
    bring: (whole: PlaceWithin) => Promise<void>,
    draft: string,
  ): Promise<Fingerprint> {
    const wasHere = this.bytesOf(whole.path) === whole.bytes
    if (wasHere) await this.use(whole.path)
    else await this.#once(whole.path, () => bring(whole))
    const range = { start: whole.offset, end: whole.offset + file.bytes - 1 }
    await pipeline(createReadStream(this.pathOf(whole.path), range), createWriteStream(draft))
    const print = await fingerprint(draft)
    if (print.sha256 === file.sha256 || !wasHere) return print
    // It was changed here.
    await this.drop(whole.path)
    return this.#part(file, whole, bring, draft)
  }

  /** Its parts have checksums, it has none. */
  async #whole({ path, bytes }: StoredFile, fetch: Fetch, faults: FillFaults): Promise<void> {
    const draft = this.draftOf(path)
    try {
      const print = await fetch(path, draft)
      if (print === null) throw faults.missing(path)
      if (print.bytes !== bytes) throw faults.damaged(path, print.bytes, bytes)
      await mkdir(dirname(this.pathOf(path)), { recursive: true })
      await rename(draft, this.pathOf(path))
    } finally {
      await rm(draft, { force: true })
    }
  }

  async #remember(path: string, sha256: string): Promise<void> {
    const { ino } = await stat(this.pathOf(path))
    this.#known.delete(path)
    this.#known.set(path, { sha256, ino })
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!)
    this.#note(path, performance.now())
  }

  #note(path: string, nowMs: number): void {
    this.#notedMs.delete(path)
    this.#notedMs.set(path, nowMs)
    if (this.#notedMs.size > KNOWN_MAX) this.#notedMs.delete(this.#notedMs.keys().next().value!)
  }

  /** One caller at a time. @param kept paths that must stay */
  #makeRoom(bytes: number, kept: ReadonlySet<string>): Promise<void> {
    const made = this.#room.then(() => this.#evict(bytes, kept))
    this.#room = made.catch(() => {})
    return made
  }

  async #evict(bytes: number, kept: ReadonlySet<string>): Promise<void> {
    const files = await this.#files()
    const total = files.reduce((sum, file) => sum + file.bytes, 0)
    let over = total + this.#awaited + bytes - this.#bytesMax
    if (over <= 0) return
    const beforeMs = Date.now() - IN_USE_MS
    const unused = files.filter(({ path, usedMs }) => usedMs < beforeMs && !kept.has(path))
    for (const { path, bytes: freed } of unused.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (over <= 0) return
      await this.drop(path)
      over -= freed
    }
    if (over <= 0) return
    throw new LakeError(
      'cache-full',
      `lake: the cache of objects in '${this.#folder}' lacks ${over} bytes for what is read now: ${total} bytes were used within the last ${IN_USE_MS / 60_000} minutes, ${bytes} more are needed, and lakeCacheBytesMax is ${this.#bytesMax}; raise it, or read less at once. A full batch run and verify need room for all that they read`,
    )
  }

  async #files(): Promise<readonly { readonly path: string; readonly bytes: number; readonly usedMs: number }[]> {
    const root = join(this.#folder, FILES)
    const names = await readdir(root, { recursive: true }).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw error
    })
    const found = await Promise.all(
      names.map(async (path) => {
        const place = await stat(join(root, path)).catch(() => null)
        return place?.isFile() ? [{ path, bytes: place.size, usedMs: place.mtimeMs }] : []
      }),
    )
    return found.flat()
  }

  /** Removes drafts that nobody wrote to for a time: of processes that died. @returns bytes freed */
  async sweepDrafts(untouchedMs: number): Promise<number> {
    const folder = join(this.#folder, DRAFTS)
    const names = await readdir(folder).catch(() => [])
    let freed = 0
    for (const name of names) {
      const place = await stat(join(folder, name)).catch(() => null)
      if (place === null || place.mtimeMs >= Date.now() - untouchedMs) continue
      await rm(join(folder, name), { force: true })
      freed += place.size
    }
    return freed
  }
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}
