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

/** The mark of a file that was not read yet; or, of a known one, what it begins with by now, since it was short. */
export async function newMark(file: FileHandle, id: string, known?: FileMark): Promise<FileMark> {
  if (known !== undefined && known.headBytes === HEAD_BYTES) return known
  return { ...(await headOf(file, HEAD_BYTES)), id, path: known?.path ?? null, at: 0, endBytes: 0 }
}

async function headOf(file: FileHandle, bytes: number): Promise<Pick<FileMark, 'head' | 'headBytes'>> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
  const head = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex').slice(0, 16)
  return { head, headBytes: bytesRead }
}

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
    const { head, headBytes } = await headOf(file, Math.max(1, mark.headBytes))
    return mark.headBytes === 0 || (head === mark.head && headBytes === mark.headBytes) ? mark : null
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
