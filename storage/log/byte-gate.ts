/** Limits the bytes in flight; callers beyond the limit wait, first come, first served. */
export class ByteGate {
  readonly #bytesMax: number
  #bytes = 0
  #queue: { readonly bytes: number; readonly enter: () => void }[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Resolves when there is room. A request above the whole limit is admitted alone. */
  async enter(bytes: number): Promise<void> {
    if (this.#queue.length === 0 && this.#fits(bytes)) {
      this.#bytes += bytes
      return
    }
    await new Promise<void>((enter) => this.#queue.push({ bytes, enter }))
  }

  leave(bytes: number): void {
    this.#bytes -= bytes
    while (this.#queue.length > 0 && this.#fits(this.#queue[0]!.bytes)) {
      const next = this.#queue.shift()!
      this.#bytes += next.bytes
      next.enter()
    }
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax
  }
}
