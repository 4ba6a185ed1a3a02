/** Which files of the lake were compared with their checksums, and have not been touched since: a comparison costs once, then a look. */
import { type BigIntStats, promises as fs } from 'node:fs'
import type { LakeFile } from '../segment-manifest.ts'
import { fingerprint } from './durable-files.ts'

/** files that are remembered; one that was forgotten is compared again */
const CHECKED_MAX = 50_000
const CHECKS_AT_ONCE = 8

export class CheckedFiles {
  /** path → what the file was like when it was compared; the oldest first */
  readonly #checked = new Map<string, string>()

  /** Compares those that are not known yet. @throws the system's error for one that can not be read; `differs` makes the one for others */
  async check(files: Iterable<[path: string, file: LakeFile]>, differs: (path: string) => Error): Promise<void> {
    const waiting = [...files]
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await this.#checkOne(...next, differs)
    }
    await Promise.all(Array.from({ length: Math.min(CHECKS_AT_ONCE, waiting.length) }, work))
  }

  async #checkOne(path: string, file: LakeFile, differs: (path: string) => Error): Promise<void> {
    const mark = `${file.sha256} ${markOf(await fs.stat(path, { bigint: true }))}`
    if (this.#checked.get(path) === mark) return
    const { sha256 } = await fingerprint(path)
    if (sha256 !== file.sha256) throw differs(path)
    this.#checked.delete(path)
    this.#checked.set(path, mark)
    if (this.#checked.size > CHECKED_MAX) this.#checked.delete(this.#checked.keys().next().value!)
  }
}

/** The change time can not be set back by whoever edits a file. */
function markOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join(':')
}
