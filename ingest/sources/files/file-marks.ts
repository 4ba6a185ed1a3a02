/** How far each file was read. A file is known by its inode and its first bytes, so that it may be renamed while it is read (rotation). */
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { type SourceCursor, SourceFault } from '../event-source.ts'
import { FILES_MAX } from './file-list.ts'

const HEAD_BYTES = 256

export interface FileMark {
  /** `device:inode` */
  readonly id: string
  /** of its first bytes, as many as there were */
  readonly head: string
  readonly headBytes: number
  /** where it was when it was read; null: it may be anywhere, because it was read to its end, or was not found for long */
  readonly path: string | null
  /** bytes, or lines, elements or rows, before this one are in the log */
  readonly at: number
  /** of the file when it was read to its end; 0 before */
  readonly endBytes: number
}

export const idOf = ({ dev, ino }: Pick<Stats, 'dev' | 'ino'>): string => `${dev}:${ino}`

/** The mark of a file that was not read yet. */
export async function newMark(file: FileHandle, id: string): Promise<FileMark> {
  const begins = await beginning(file, HEAD_BYTES)
  return { head: hashOf(begins), headBytes: begins.length, id, path: null, at: 0, endBytes: 0 }
}

/**
 * The mark after a piece of the file was read, by as much of its beginning as is known by now. Null: the file begins differently by now, so the
 * piece may be of what it was before, or of what came after that.
 * @param at place of the piece, in bytes
 */
export async function markAfter(file: FileHandle, mark: FileMark, piece: Buffer, at: number): Promise<FileMark | null> {
  const begins = await beginning(file, HEAD_BYTES)
  const inHead = piece.subarray(0, Math.max(0, HEAD_BYTES - at))
  const isSame = beginsAs(begins, mark) && begins.subarray(at, at + inHead.length).equals(inHead)
  if (!isSame) return null
  const known = begins.subarray(0, Math.max(mark.headBytes, Math.min(HEAD_BYTES, at + inHead.length)))
  return { ...mark, head: hashOf(known), headBytes: known.length }
}

async function beginning(file: FileHandle, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
  return buffer.subarray(0, bytesRead)
}

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

const beginsAs = (begins: Buffer, { head, headBytes }: FileMark): boolean =>
  begins.length >= headBytes && hashOf(begins.subarray(0, headBytes)) === head

export class FileMarks {
  /** inodes of files that are there to be read: their marks stay */
  listed: ReadonlySet<string> = new Set()
  readonly #marks = new Map<string, FileMark>()

  /** @throws SourceFault for a cursor of another kind */
  constructor(cursor: SourceCursor | null) {
    if (cursor === null) return
    const { files } = cursor as {
      files?: readonly (readonly [string, string, number, number, string | null, number])[]
    }
    if (!Array.isArray(files))
      throw new SourceFault('the stored cursor is not one of files; reset the source', { isRefusal: true })
    for (const [id, head, headBytes, at, path, endBytes] of files)
      this.#marks.set(id, { id, head, headBytes, at, path, endBytes })
  }

  get cursor(): SourceCursor {
    return {
      files: [...this.#marks.values()].map(({ id, head, headBytes, at, path, endBytes }) => [
        id,
        head,
        headBytes,
        at,
        path,
        endBytes,
      ]),
    }
  }

  /** Of the file with this inode, if it still begins as it did; otherwise it is another file. */
  async of(file: FileHandle, id: string): Promise<FileMark | null> {
    const mark = this.#marks.get(id)
    if (mark === undefined) return null
    return beginsAs(await beginning(file, HEAD_BYTES), mark) ? mark : null
  }

  set(mark: FileMark): void {
    // Behind all others: the oldest come first.
    this.#marks.delete(mark.id)
    this.#marks.set(mark.id, mark)
    for (const { id, path } of this.#marks.values()) {
      if (this.#marks.size <= 2 * FILES_MAX) return
      if (path === null && !this.listed.has(id)) this.#marks.delete(id)
    }
  }

  get(id: string): FileMark | undefined {
    return this.#marks.get(id)
  }

  /** What has its inode now is another file. */
  forget(id: string): void {
    this.#marks.delete(id)
  }

  /** Those of files that are read, or looked for. */
  get unfinished(): FileMark[] {
    return [...this.#marks.values()].filter(({ path }) => path !== null)
  }
}
