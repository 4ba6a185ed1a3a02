/** Texts as files of a folder, local or shared. */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { isMissing } from '#storage/lake/lake-error.ts'
import { createExclusive, makeFolder, removeFile, replaceAtomically } from '#storage/lake/local/durable-files.ts'
import { checkedName, isName, type NamedTexts } from '../named-texts.ts'

const NOTHING = { before: () => {}, after: () => {} }

export class FolderTexts implements NamedTexts {
  readonly lookEveryMs = 1_000
  readonly #folder: string

  /** @param folder it is made with the first text */
  constructor(folder: string) {
    this.#folder = folder
  }

  async names(): Promise<readonly string[]> {
    const found = await readdir(this.#folder, { recursive: true }).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw error
    })
    return found.map((name) => name.split(sep).join('/')).filter(isName)
  }

  async read(name: string): Promise<string | null> {
    try {
      return await readFile(this.#path(name), 'utf8')
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  async create(name: string, text: string): Promise<boolean> {
    const path = this.#path(name)
    await makeFolder(dirname(path))
    return createExclusive(path, text)
  }

  async replace(name: string, text: string): Promise<void> {
    const path = this.#path(name)
    await makeFolder(dirname(path))
    await replaceAtomically(path, text, NOTHING)
  }

  remove(name: string): Promise<boolean> {
    return removeFile(this.#path(name))
  }

  nameOf(name: string): string {
    return this.#path(name)
  }

  #path(name: string): string {
    return join(this.#folder, checkedName(name))
  }
}
