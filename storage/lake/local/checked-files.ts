/** Remembers which files were compared with their checksums and not touched since: a file is hashed once, and then only its metadata is checked. */
import { type BigIntStats, promises as fs } from 'node:fs'
import type { LakeFile } from '../segment-manifest.ts'
import { fingerprint } from './durable-files.ts'

/** maximum number of remembered files; an evicted one is compared again */
const CHECKED_MAX = 50_000
const CHECKS_AT_ONCE = 8

export class CheckedFiles {
  /** path → the file's metadata when it was compared; oldest first */
  readonly #checked = new Map<string, string>()

  /** Compares files that are not known yet. @throws the system's error for an unreadable file; `differs` creates the error for a mismatch */
  async check(files: Iterable<[path: string, file: LakeFile]>, differs: (path: string) => Error): Promise<void> {
    const waiting = [...files]
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await this.#checkOne(...next, differs)
    }
    await Promise.all(Array.from({ length: Math.min(CHECKS_AT_ONCE, waiting.length) }, work))
  }

  /** A file whose checksum was just computed from what is stored: it need not be read again. */
  async remember(path: string, sha256: string): Promise<void> {
    this.#remember(path, `${sha256} ${markOf(await fs.stat(path, { bigint: true }))}`)
  }

  async #checkOne(path: string, file: LakeFile, differs: (path: string) => Error): Promise<void> {
    const mark = `${file.sha256} ${markOf(await fs.stat(path, { bigint: true }))}`
    if (this.#checked.get(path) === mark) return
    const { sha256 } = await fingerprint(path, false, file.bytes)
    if (sha256 !== file.sha256) throw differs(path)
    this.#remember(path, mark)
  }

  #remember(path: string, mark: string): void {
    this.#checked.delete(path)
    this.#checked.set(path, mark)
    if (this.#checked.size > CHECKED_MAX) this.#checked.delete(this.#checked.keys().next().value!)
  }
}

/** An editor of the file cannot set back its change time. */
function markOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join(':')
}
