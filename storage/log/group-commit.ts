/** Appends that arrive while a commit runs go into the next one together, in the order of their calls. */
import { setImmediate as turn } from 'node:timers/promises'
import { ByteGate } from './byte-gate.ts'

export interface GroupCommitParts<Item, Result> {
  /** what waits for the next commit; beyond it add() waits */
  readonly waitingBytesMax: number
  /** in one commit; a larger item is committed alone */
  readonly commitBytesMax: number
  /** Commits all of them or none. @returns a result for each, or why it alone was refused */
  readonly commit: (group: readonly Item[]) => Promise<readonly (Result | Error)[]>
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

export class GroupCommit<Item extends { readonly bytes: number }, Result> {
  readonly #parts: GroupCommitParts<Item, Result>
  readonly #gate: ByteGate
  #waiting: Waiting<Item, Result>[] = []
  #committing: Promise<void> | null = null

  constructor(parts: GroupCommitParts<Item, Result>) {
    this.#parts = parts
    this.#gate = new ByteGate(parts.waitingBytesMax)
  }

  /** @throws what the commit threw, or why this item was refused */
  async add(item: Item): Promise<Result> {
    await this.#gate.enter(item.bytes)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#committing ??= this.#commitAll()
    })
  }

  async #commitAll(): Promise<void> {
    await turn()
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        const results = await this.#parts.commit(group.map(({ item }) => item))
        for (const [index, waiting] of group.entries()) settle(waiting, results[index]!)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      for (const { item } of group) this.#gate.leave(item.bytes)
      await turn()
    }
    this.#committing = null
  }

  #nextGroup(): readonly Waiting<Item, Result>[] {
    let bytes = 0
    const over = this.#waiting.findIndex(({ item }, index) => {
      bytes += item.bytes
      return index > 0 && bytes > this.#parts.commitBytesMax
    })
    return this.#waiting.splice(0, over < 0 ? this.#waiting.length : over)
  }
}

function settle<Item, Result>({ resolve, reject }: Waiting<Item, Result>, result: Result | Error): void {
  if (result instanceof Error) reject(result)
  else resolve(result)
}
