/**
 * Reads what is new in files, round by round:
 *
 *  - a last line that has not ended is left until it ends, if more may be appended;
 *  - a file that was renamed (rotation) is read to its end, and the new one of its name from its beginning;
 *  - a file that became shorter, or begins differently, is read from its beginning.
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReadOptions, SourceBatch, SourceCursor, SourceLimits } from '../event-source.ts'
import { listFiles } from './file-list.ts'
import { type FileMark, FileMarks, idOf, markAfter, newMark } from './file-marks.ts'
import { type FileBatch, GrowingRecords, kindOf, type RecordsOptions, wholeRecords } from './file-records.ts'
import type { FilesProgress, FilesSourceOptions } from './files-options.ts'

/** A file that was renamed gets lines for a moment, until its writer has opened the new one. */
const ROTATED_MS = 2_000
/** A file that is not found where it was, nor beside it, is looked for this long: folders on a network show changes late. */
const GONE_MS = 60_000
/** Times of change are those of the system's clock, which moves on by steps of up to 16 ms: two changes within one look the same. */
const CLOCK_STEP_MS = 100
/** files that are kept open; the others are opened again when they change */
const TAILS_MAX = 200

export class FilesRun {
  readonly #options: FilesSourceOptions
  readonly #signal: AbortSignal
  readonly #limits: SourceLimits
  readonly #marks: FileMarks
  /** by inode: files to which more may be appended */
  readonly #tails = new Map<string, GrowingRecords>()
  /** by path: size and time of change of files that need no look until they change */
  readonly #settled = new Map<string, string>()
  /** by path: bytes as they are stored */
  readonly #bytesRead = new Map<string, number>()
  readonly #sizes = new Map<string, number>()
  /** by inode: when a renamed file was first seen to be so, by the monotonic clock */
  readonly #rotatedMs = new Map<string, number>()
  /** by inode: since when a file is not found, by the monotonic clock */
  readonly #goneMs = new Map<string, number>()

  constructor(options: FilesSourceOptions, from: SourceCursor | null, { signal, limits }: ReadOptions) {
    this.#options = options
    this.#signal = signal
    // One at a time: each has a time of its own.
    this.#limits = options.pace === undefined ? limits : { ...limits, batchRecordsMax: 1 }
    this.#marks = new FileMarks(from)
  }

  /** What is new in all files, one after the other. */
  async *round(): AsyncGenerator<SourceBatch> {
    const files = await this.#listed()
    for (const [id, path] of await this.#rotated(files)) yield* this.#guarded(path, this.#readRotated(id, path))
    for (const path of files) {
      if (this.#signal.aborted) return
      yield* this.#guarded(path, this.#readFile(path))
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#tails.values()].map((tail) => tail.close()))
    this.#tails.clear()
  }

  async #listed(): Promise<string[]> {
    const files = await listFiles(this.#options.paths)
    const listed = new Set<string>()
    for (const path of files) {
      const found = await stat(path).catch(() => null)
      this.#sizes.set(path, found?.size ?? 0)
      if (found !== null) listed.add(idOf(found))
    }
    this.#marks.listed = listed
    return files
  }

  /** Files that were being read, and now have another name that is not listed, or none: by their inode. */
  async #rotated(files: readonly string[]): Promise<[id: string, path: string][]> {
    const found: [string, string][] = []
    const folders = new Map<string, Promise<Map<string, string>>>()
    for (const mark of this.#marks.unfinished) {
      const { id, path } = mark
      const elsewhere = (await isAt(path, id)) ? path : await this.#beside(mark, folders)
      if (elsewhere !== null || this.#tails.has(id)) this.#goneMs.delete(id)
      else this.#missed(mark)
      if (elsewhere === path || (elsewhere !== null && files.includes(elsewhere))) continue
      if (this.#tails.has(id) || elsewhere !== null) found.push([id, elsewhere ?? path!])
    }
    return found
  }

  /** Where a file is in the folder in which it was; null: it is not there. @param folders that were listed in this round */
  async #beside({ id, path }: FileMark, folders: Map<string, Promise<Map<string, string>>>): Promise<string | null> {
    const folder = dirname(path!)
    if (!folders.has(folder)) folders.set(folder, pathsIn(folder))
    const found = (await folders.get(folder)!).get(id) ?? null
    return (await isAt(found, id)) ? found : null
  }

  /** It is not looked for any more after a while. Its mark stays: where it is listed again, it is read on. */
  #missed(mark: FileMark): void {
    const nowMs = performance.now()
    const sinceMs = this.#goneMs.get(mark.id) ?? nowMs
    this.#goneMs.set(mark.id, sinceMs)
    if (nowMs - sinceMs < GONE_MS) return
    this.#goneMs.delete(mark.id)
    this.#marks.set({ ...mark, path: null })
  }

  /** A fault of one file does not keep the others from being read. */
  async *#guarded(path: string, batches: AsyncIterable<SourceBatch>): AsyncGenerator<SourceBatch> {
    try {
      yield* batches
    } catch (error) {
      const state = await stateOf(path)
      if (this.#settled.get(path) !== state) this.#options.onFault?.(path, error as Error)
      this.#settled.set(path, state)
    }
  }

  async *#readFile(path: string): AsyncGenerator<SourceBatch> {
    const state = await stateOf(path)
    if (this.#settled.get(path) === state) return
    const file = await openListed(path)
    if (file === null) return
    let isOpen = false
    try {
      const { size, mtimeMs: changedMs, ...stats } = await file.stat()
      const id = idOf(stats)
      const tail = await this.#tailOf(id)
      const mark = { ...((await this.#marks.of(file, id)) ?? (await newMark(file, id))), path }
      const options = { path, format: this.#options.format ?? {}, limits: this.#limits }
      if (tail !== null) yield* this.#readTail(tail, mark)
      else if (size === 0 || size !== mark.endBytes) {
        const kind = size === 0 ? null : await kindOf(file, options, this.#options.follow)
        if (kind === null) {
          // Known from now on: what is written into it is read, also if it is renamed at once.
          this.#marks.set(mark)
          return
        }
        if (kind === 'whole') yield* this.#readWhole(mark, options, size)
        else {
          isOpen = true
          yield* this.#readGrowing(file, kind, mark, size, options)
        }
      }
      if (!this.#signal.aborted && isOld(changedMs)) this.#settled.set(path, state)
      this.#bytesRead.set(path, size)
    } finally {
      if (!isOpen) await file.close()
    }
  }

  /** The tail that is open already; null: none, or its file was truncated or written anew. */
  async #tailOf(id: string): Promise<GrowingRecords | null> {
    const tail = this.#tails.get(id)
    if (tail === undefined) return null
    if (await this.#goesOn(tail, id)) return tail
    this.#marks.forget(id)
    this.#tails.delete(id)
    await tail.close()
    return null
  }

  /** Whether its file is still as long as what was read of it, and begins as it did. */
  async #goesOn({ file, bytesRead }: GrowingRecords, id: string): Promise<boolean> {
    return (await file.stat()).size >= bytesRead && (await this.#marks.of(file, id)) !== null
  }

  /** Closes the file, unless it is kept as a tail. */
  async *#readGrowing(
    file: FileHandle,
    kind: 'lines' | 'text',
    mark: FileMark,
    size: number,
    options: RecordsOptions,
  ): AsyncGenerator<SourceBatch> {
    // A place in lines is one in bytes: behind the end, the file was truncated.
    const from = kind === 'lines' && mark.at > size ? 0 : mark.at
    const tail = new GrowingRecords(file, kind, from, options)
    // Known from now on, also if nothing of it was read yet.
    this.#marks.set({ ...mark, at: from })
    if (this.#options.follow) {
      await this.#keep(mark.id, tail)
      yield* this.#readTail(tail, mark)
      return
    }
    try {
      if (!(yield* this.#readTail(tail, mark))) throw new Error('it was written anew while it was read')
      yield* this.#finish(tail, mark)
    } finally {
      await tail.close()
    }
  }

  async #keep(id: string, tail: GrowingRecords): Promise<void> {
    const [oldest] = this.#tails
    this.#tails.set(id, tail)
    if (this.#tails.size <= TAILS_MAX || oldest === undefined) return
    this.#tails.delete(oldest[0])
    await oldest[1].close()
  }

  /** @returns whether the file is still the same; one that was written anew meanwhile is read from its beginning by the next round */
  async *#readTail(tail: GrowingRecords, mark: FileMark): AsyncGenerator<SourceBatch, boolean> {
    let known = mark
    const isSame = async (bytes: Buffer, at: number): Promise<boolean> => {
      const after = await markAfter(tail.file, known, bytes, at)
      known = after ?? known
      return after !== null
    }
    return yield* this.#giveAll(tail.available(this.#signal, isSame), () => known)
  }

  /** @param mark of the file, as it is known when a batch is given. @returns what the batches return */
  async *#giveAll(
    batches: AsyncGenerator<FileBatch, boolean>,
    mark: () => FileMark,
  ): AsyncGenerator<SourceBatch, boolean> {
    try {
      for (;;) {
        const { done, value } = await batches.next()
        if (done === true) return value
        yield* this.#given(value, { ...mark(), at: value.at })
      }
    } finally {
      await batches.return(false)
    }
  }

  /** A last line without an end. */
  async *#finish(tail: GrowingRecords, { id, path }: FileMark): AsyncGenerator<SourceBatch> {
    if (this.#signal.aborted) return
    for (const batch of tail.rest()) yield* this.#given(batch, { ...this.#marks.get(id)!, path, at: batch.at })
    yield this.#ended({ ...this.#marks.get(id)!, endBytes: tail.bytesRead })
  }

  async *#readWhole(mark: FileMark, options: RecordsOptions, size: number): AsyncGenerator<SourceBatch> {
    const isSame = (): Promise<boolean> => isAt(options.path, mark.id)
    const isRead = yield* this.#giveAll(wholeRecords(mark.at, options, this.#signal, isSame), () => mark)
    if (isRead && !this.#signal.aborted)
      yield this.#ended({ ...mark, at: this.#marks.get(mark.id)?.at ?? mark.at, endBytes: size })
  }

  /** To its end, and the last line too, when its writer has had time to change to another file. */
  async *#readRotated(id: string, path: string): AsyncGenerator<SourceBatch> {
    const nowMs = performance.now()
    const sinceMs = this.#rotatedMs.get(id) ?? nowMs
    this.#rotatedMs.set(id, sinceMs)
    const opened = this.#tails.get(id)
    if (opened !== undefined) {
      const { kept, mark } = await this.#asWritten(opened, this.#marks.get(id)!)
      const isSame = yield* this.#readTail(kept, mark)
      if (!isSame || nowMs - sinceMs < ROTATED_MS) return
      yield* this.#finish(kept, mark)
      this.#tails.delete(id)
      this.#rotatedMs.delete(id)
      return await kept.close()
    }
    const mark = this.#marks.get(id)!
    const file = await openListed(path)
    if (file === null) return
    const options = { path: mark.path!, format: this.#options.format ?? {}, limits: this.#limits }
    // It may have been renamed again since it was found.
    const isHere = idOf(await file.stat()) === id
    const isSame = isHere && (await this.#marks.of(file, id)) !== null
    if (isHere && !isSame) this.#marks.forget(id)
    const kind = isSame ? await kindOf(file, options, false) : null
    if (kind === 'lines' || kind === 'text') await this.#keep(id, new GrowingRecords(file, kind, mark.at, options))
    else await file.close()
  }

  /** What is open of a renamed file; from its beginning, if it was written anew before it was renamed. */
  async #asWritten(opened: GrowingRecords, mark: FileMark): Promise<{ kept: GrowingRecords; mark: FileMark }> {
    if (await this.#goesOn(opened, mark.id)) return { kept: opened, mark }
    const { file, kind } = opened
    const anew = { ...(await newMark(file, mark.id)), path: mark.path }
    const options = { path: mark.path!, format: this.#options.format ?? {}, limits: this.#limits }
    const kept = new GrowingRecords(file, kind, 0, options)
    this.#marks.set(anew)
    this.#tails.set(mark.id, kept)
    return { kept, mark: anew }
  }

  #ended(mark: FileMark): SourceBatch {
    this.#marks.set({ ...mark, path: null })
    return { records: [], cursor: this.#marks.cursor }
  }

  async *#given({ records, at, bytesRead }: FileBatch, mark: FileMark): AsyncGenerator<SourceBatch> {
    await this.#untilDue(records)
    if (this.#signal.aborted) return
    this.#marks.set({ ...mark, at })
    this.#bytesRead.set(mark.path!, bytesRead)
    yield { records, cursor: this.#marks.cursor }
    this.#options.onProgress?.(this.#progress())
  }

  async #untilDue(records: readonly Buffer[]): Promise<void> {
    const last = records.at(-1)
    const ms = last === undefined ? 0 : (this.#options.pace?.dueInMs(last) ?? 0)
    if (ms > 0) await sleep(ms, undefined, { signal: this.#signal }).catch(() => {})
  }

  #progress(): FilesProgress {
    const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)
    return {
      bytesRead: sum(this.#bytesRead.values()),
      bytesTotal: sum(this.#sizes.values()),
      files: this.#sizes.size,
    }
  }
}

const isOld = (changedMs: number): boolean => Math.abs(Date.now() - changedMs) > CLOCK_STEP_MS

/** null if it was renamed or removed since it was listed; the next round looks for it again. */
async function openListed(path: string): Promise<FileHandle | null> {
  try {
    return await open(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

async function isAt(path: string | null, id: string): Promise<boolean> {
  const found = path === null ? null : await stat(path).catch(() => null)
  return found !== null && idOf(found) === id
}

/** By inode, where the files in a folder are. */
async function pathsIn(folder: string): Promise<Map<string, string>> {
  const paths = new Map<string, string>()
  for (const name of await readdir(folder).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => null)
    if (found !== null && !paths.has(idOf(found))) paths.set(idOf(found), join(folder, name))
  }
  return paths
}

async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  return found === null ? 'missing' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`
}
