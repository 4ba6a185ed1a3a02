/**
 * The JSON of an open segment's usable events, one line each, in the order of their rows. Compressed while the segment is open: frames of
 * zstd in a scratch file, which together are one zstd file. So neither memory nor closing the segment grows with what is open.
 */
import { copyFile, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { lineBytesMax } from '#storage/engine/batch-lines.ts'
import { appendScratch } from '#storage/engine/scratch-file.ts'

const compress = promisify(zstdCompress)

/** JSON bytes of one frame: more compress hardly better, and are held in memory */
const FRAME_BYTES = 1024 * 1024
/** the default level takes a third more CPU time, and an eighth fewer bytes */
const LEVEL = 1
const LINE_FEED = 10

export class RawLines {
  readonly #file: string
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #lines = 0
  /** the frame that is being written; what fails is thrown where it is waited for */
  #written: Promise<void> = Promise.resolve()
  #lineBytesMax = 0

  /** @param file in the scratch folder */
  constructor(file: string) {
    this.#file = file
  }

  get lines(): number {
    return this.#lines
  }

  /** no line is longer, its line feed included */
  get lineBytesMax(): number {
    return this.#lineBytesMax
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.#written.catch(() => {})
    this.#written = Promise.resolve()
    await rm(this.#file, { force: true })
    this.#waiting = []
    this.#waitingBytes = 0
    this.#lines = 0
    this.#lineBytesMax = 0
  }

  /** @param count of the lines; @param without indexes of lines to leave out */
  async add(lines: Buffer, count: number, without: readonly number[]): Promise<void> {
    this.#lines += count - without.length
    this.#lineBytesMax = Math.max(this.#lineBytesMax, lineBytesMax(lines))
    for (const kept of withoutLines(lines, new Set(without))) this.#keep(kept)
    if (this.#waitingBytes < FRAME_BYTES) return
    // One frame is compressed while the next records are read and decoded.
    await this.#written
    this.#written = this.#write()
    this.#written.catch(() => {})
  }

  /** Writes them to a file of their own; they are kept. */
  async copyTo(path: string): Promise<void> {
    await this.#written
    await this.#write()
    await copyFile(this.#file, path)
  }

  #keep(lines: Buffer): void {
    if (lines.length === 0) return
    this.#waiting.push(lines)
    this.#waitingBytes += lines.length
  }

  async #write(): Promise<void> {
    if (this.#waitingBytes === 0) return
    const lines = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    const params = { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 }
    await appendScratch(this.#file, await compress(lines, { params }))
  }
}

/** The runs of lines between those that are left out. */
function* withoutLines(lines: Buffer, left: ReadonlySet<number>): Generator<Buffer> {
  let kept = 0
  if (left.size > 0) {
    let index = 0
    for (
      let from = 0, end = lines.indexOf(LINE_FEED);
      end !== -1;
      from = end + 1, end = lines.indexOf(LINE_FEED, from)
    ) {
      if (!left.has(index++)) continue
      yield lines.subarray(kept, from)
      kept = end + 1
    }
  }
  yield lines.subarray(kept)
}
