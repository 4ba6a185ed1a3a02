/** A file that is written while the next bytes of it are made. */
import { type FileHandle, open } from 'node:fs/promises'

export class FileOutput {
  readonly #handle: FileHandle
  #writing: Promise<void> = Promise.resolve()

  static async open(file: string): Promise<FileOutput> {
    return new FileOutput(await open(file, 'w'))
  }

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /**
   * Begins to write, as soon as everything before is written, and resolves then: what was passed before may be changed, these pieces not yet.
   * @throws what failed before
   */
  async write(pieces: readonly Uint8Array[]): Promise<void> {
    await this.#writing
    this.#writing = this.#write(pieces)
    // Reported by the next call.
    this.#writing.catch(() => {})
  }

  /** @throws what failed before */
  async finish(): Promise<void> {
    await this.#writing
  }

  /** Waits for what is being written. Never fails because of it. */
  async close(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#handle.close()
  }

  /** A call may write less than everything, and say why only when it is called again. */
  async #write(pieces: readonly Uint8Array[]): Promise<void> {
    for (let left = pieces; left.length > 0; ) {
      const { bytesWritten } = await this.#handle.writev(left)
      left = behind(left, bytesWritten)
    }
  }
}

/** What is left of the pieces without their first bytes. */
function behind(pieces: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes
  return pieces.flatMap((piece) => {
    const own = Math.min(skip, piece.length)
    skip -= own
    return own === piece.length ? [] : [piece.subarray(own)]
  })
}
