/**
 * Memory for large reads that follow one another, used again. Allocated and freed at the rate of a stream role that catches up, tens of
 * megabytes at a time, it makes V8 collect the whole heap several times a second, and the system clear new pages for every batch.
 * It is shared memory, which V8 does not count.
 */
import { releaseMemory } from '#core/release-memory.ts'
import type { RecordBatch } from '../event-log.ts'

/** smaller reads are left to the allocator */
const REUSED_BYTES_MIN = 1024 * 1024
/** kept for reads that follow so soon; then it is left to the garbage collector */
const KEPT_MS_MAX = 2_000

export class ReadMemory {
  #kept: Buffer[] = []
  #timer: NodeJS.Timeout | null = null

  /** Memory of at least `bytes` bytes, with any content. What is never given back is collected as garbage. */
  take(bytes: number): Buffer {
    const at = this.#kept.findIndex((memory) => memory.length >= bytes)
    return at === -1 ? Buffer.from(new SharedArrayBuffer(bytes)) : this.#kept.splice(at, 1)[0]!
  }

  /** What was taken is not used any more. */
  give(memory: Buffer): void {
    this.#kept.push(memory)
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#kept = []
    }, KEPT_MS_MAX).unref()
    this.#timer.refresh()
  }
}

/** The lines of blocks that follow one another, in one piece. Blocks are empty once their lines were copied. */
export class JoinedLines {
  readonly #memory: ReadMemory | null
  readonly #bytesMax: number
  /** not copied yet */
  #parts: { readonly lines: Buffer; readonly block: Uint8Array }[] = []
  #bytes = 0
  /** of `#memory`; its first bytes are those of the parts before */
  #copied: Buffer | null = null
  #copiedBytes = 0

  /** @param memory for large reads; null: each has memory of its own; @param bytesMax of all lines, unless one block alone has more */
  constructor(memory: ReadMemory | null, bytesMax: number) {
    this.#memory = memory
    this.#bytesMax = bytesMax
  }

  /** @param block whose lines they are; it and they are empty afterwards, or when the lines are whole */
  add(lines: Buffer, block: Uint8Array): void {
    this.#parts.push({ lines, block })
    this.#bytes += lines.length
    if (this.#memory === null || this.#bytes < REUSED_BYTES_MIN || this.#bytes > this.#bytesMax) return
    // Piece by piece: two copies of all blocks would be twice the memory.
    this.#copied ??= this.#memory.take(this.#bytesMax)
    this.#copiedBytes = this.#moveTo(this.#copied, this.#copiedBytes)
  }

  whole(): Required<Pick<RecordBatch, 'lines' | 'release'>> {
    const [memory, copied] = [this.#memory, this.#copied]
    if (memory !== null && copied !== null)
      return { lines: copied.subarray(0, this.#bytes), release: () => memory.give(copied) }
    const lines = this.#parts.length === 1 ? this.#parts[0]!.lines : Buffer.allocUnsafeSlow(this.#bytes)
    if (this.#parts.length > 1) this.#moveTo(lines, 0)
    return { lines, release: () => releaseMemory(lines) }
  }

  /** @returns where the next lines belong */
  #moveTo(target: Buffer, from: number): number {
    let at = from
    for (const { lines, block } of this.#parts) {
      at += lines.copy(target, at)
      releaseMemory(block)
    }
    this.#parts = []
    return at
  }
}
