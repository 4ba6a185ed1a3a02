/** Texts as objects of a bucket, below a prefix. */
import type { S3Store } from '#storage/lake/s3/s3-store.ts'
import { checkedName, isName, type NamedTexts } from '../named-texts.ts'

export class S3Texts implements NamedTexts {
  readonly lookEveryMs = 5_000
  readonly #store: S3Store
  readonly #folder: string

  /** @param folder of their keys, without a slash at its end */
  constructor(store: S3Store, folder: string) {
    this.#store = store
    this.#folder = folder
  }

  async names(): Promise<readonly string[]> {
    return (await this.#store.list(this.#folder, true)).files.filter(isName)
  }

  async read(name: string): Promise<string | null> {
    const found = await this.#store.get(this.#key(name))
    return found === null || found === 'same' ? null : found.text
  }

  create(name: string, text: string): Promise<boolean> {
    return this.#store.putNew(this.#key(name), { text })
  }

  async replace(name: string, text: string): Promise<void> {
    await this.#store.put(this.#key(name), { text })
  }

  async remove(name: string): Promise<boolean> {
    const isThere = (await this.#store.head(this.#key(name))) !== null
    if (isThere) await this.#store.remove(this.#key(name))
    return isThere
  }

  nameOf(name: string): string {
    return this.#store.nameOf(this.#key(name))
  }

  #key(name: string): string {
    return `${this.#folder}/${checkedName(name)}`
  }
}
