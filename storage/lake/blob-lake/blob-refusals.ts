/**
 * Refusals of partitions' logs: `refusals/p0000.json`; where listings are late, all of them in `REFUSALS`, so that one that was just recorded is
 * seen by the next look.
 */
import { z } from 'zod'
import { isMissing, LakeError } from '../lake-error.ts'
import { type LogRefusal, readRefusal, refusalText } from '../log-refusal.ts'
import { partitionName } from '../manifest-names.ts'
import { damaged } from '../manifest-text.ts'
import type { Blobs } from './blobs.ts'

const FOLDER = 'refusals'
const NAME = /^p(\d{4,})\.json$/
const TOGETHER = 'REFUSALS'
/** how often others can change them in between */
const REPLACED_TRIES = 20

/** `change` makes every text different, which versions depend on. */
const together = z.strictObject({ change: z.int().min(1), refusals: z.record(z.string().regex(/^\d+$/), z.string()) })

export class BlobRefusals {
  readonly #blobs: Blobs

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  async all(): Promise<ReadonlyMap<number, LogRefusal>> {
    if (this.#blobs.listsLate) return this.#readTogether()
    const found = new Map<number, LogRefusal>()
    for (const name of await this.#blobs.names(FOLDER)) {
      const [, digits] = NAME.exec(name) ?? []
      if (digits === undefined) continue
      try {
        found.set(Number(digits), readRefusal(await this.#blobs.read(`${FOLDER}/${name}`), Number(digits)))
      } catch (error) {
        // Lifted meanwhile.
        if (!isMissing(error)) throw error
      }
    }
    return found
  }

  async add(refusal: LogRefusal): Promise<void> {
    const { partition } = refusal
    if (this.#blobs.listsLate)
      return this.#change((texts) =>
        texts[partition] === undefined ? { ...texts, [partition]: refusalText(refusal) } : null,
      )
    await this.#blobs.makeFolder(FOLDER)
    await this.#blobs.create(pathOf(partition), refusalText(refusal))
  }

  async remove(partition: number): Promise<void> {
    if (this.#blobs.listsLate)
      return this.#change(({ [partition]: lifted, ...others }) => (lifted === undefined ? null : others))
    if (await this.#blobs.remove(pathOf(partition))) await this.#blobs.settle([FOLDER])
  }

  async #readTogether(): Promise<ReadonlyMap<number, LogRefusal>> {
    const found = await this.#blobs.version(TOGETHER)
    const { refusals } = this.#parsed(found?.text)
    return new Map(
      Object.entries(refusals).map(([digits, text]) => [Number(digits), readRefusal(text, Number(digits))] as const),
    )
  }

  /** @param next null: nothing is to be changed */
  async #change(next: (texts: Readonly<Record<string, string>>) => Record<string, string> | null): Promise<void> {
    for (let tries = 1; ; tries++) {
      const found = await this.#blobs.version(TOGETHER)
      const { change, refusals } = this.#parsed(found?.text)
      const changed = next(refusals)
      if (changed === null) return
      const text = `${JSON.stringify({ change: change + 1, refusals: changed })}\n`
      try {
        return await this.#blobs.replace(TOGETHER, text, { expected: found?.version ?? null })
      } catch (error) {
        const raced = error instanceof LakeError && error.code === 'replaced-meanwhile'
        if (!raced || tries === REPLACED_TRIES) throw error
      }
    }
  }

  #parsed(text: string | undefined): z.infer<typeof together> {
    if (text === undefined) return { change: 0, refusals: {} }
    try {
      return together.parse(JSON.parse(text))
    } catch (error) {
      throw damaged(this.#blobs.nameOf(TOGETHER), 'it must list refusals by partition', { cause: error })
    }
  }
}

function pathOf(partition: number): string {
  return `${FOLDER}/${partitionName(partition)}.json`
}
