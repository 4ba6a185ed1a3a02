/**
 * The JSON of an open segment's usable events, one line each, in the order of their rows. Compressed while the segment is open: frames of
 * zstd in a scratch file, which together are one zstd file. So neither memory nor closing the segment grows with what is open.
 */
import { copyFile, rm } from 'node:fs/promises'
import { releaseMemory } from '#core/release-memory.ts'
import { lineBytesMax } from '#storage/engine/batch-lines.ts'
import { appendScratch } from '#storage/engine/scratch-file.ts'
import { FrameCompressor } from './frame-compressor.ts'

/** JSON bytes that wait to be written */
const WAITING_BYTES_MAX = 1024 * 1024
/** JSON bytes of one frame */
const FRAME_BYTES_MAX = 4 * 1024 * 1024
const LINE_FEED = 10

/** of all open segments of the process */
const compressor = new FrameCompressor()

export class RawLines {
  readonly #file: string
  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** of what waits */
  #releases: (() => void)[] = []
  #lines = 0
  /** the frames that are being written; what fails is thrown where it is waited for */
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
    this.#releases = []
    this.#lines = 0
    this.#lineBytesMax = 0
  }

  /** @param count of the lines; @param without indexes of lines to leave out; @param release called when the lines are not used any more */
  async add(lines: Buffer, count: number, without: readonly number[], release?: () => void): Promise<void> {
    this.#lines += count - without.length
    this.#lineBytesMax = Math.max(this.#lineBytesMax, lineBytesMax(lines))
    for (const kept of withoutLines(lines, new Set(without))) this.#keep(kept)
    if (release !== undefined) this.#releases.push(release)
    if (this.#waitingBytes < WAITING_BYTES_MAX) return
    // They are compressed while the next records are read and decoded.
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
    const isOne = this.#waiting.length === 1
    const lines = isOne ? this.#waiting[0]! : Buffer.concat(this.#waiting)
    const releases = this.#releases
    this.#waiting = []
    this.#waitingBytes = 0
    this.#releases = []
    for (let at = 0; at < lines.length; at += FRAME_BYTES_MAX) {
      const frame = lines.subarray(at, at + FRAME_BYTES_MAX)
      await appendScratch(this.#file, await compressor.compress(frame))
    }
    if (!isOne) releaseMemory(lines)
    for (const release of releases) release()
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
