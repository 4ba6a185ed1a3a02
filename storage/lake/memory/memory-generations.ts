/** Generations of a lake in memory: the same order of effects as in a local or shared folder. */
import type { StepHook } from '#core/steps.ts'
import { type ContentKind, contentPath, isNamedByContent } from '../content-names.ts'
import { type GenerationManifest, generationFiles } from '../generation-manifest.ts'
import type { StagedFile, StagedGeneration, UnreadableGeneration } from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import { generationId } from '../manifest-names.ts'
import type { LakeFile } from '../segment-manifest.ts'
import { copyOf, type MemoryLakeFolder, sha256, UNFINISHED } from './memory-folder.ts'

/** Files that manifests name. */
interface NamedFiles {
  /** @throws LakeError if it does not exist or has another size */
  resolve(file: LakeFile): string
  get(file: LakeFile): string
}

export class MemoryGenerations {
  readonly #folder: MemoryLakeFolder
  readonly #files: NamedFiles
  readonly #step: StepHook
  readonly #pause: () => Promise<void>

  constructor(folder: MemoryLakeFolder, files: NamedFiles, step: StepHook, pause: () => Promise<void>) {
    this.#folder = folder
    this.#files = files
    this.#step = step
    this.#pause = pause
  }

  async current(): Promise<GenerationManifest | null> {
    await this.#pause()
    if (this.#folder.current === null) return null
    const manifest = this.#folder.generations.get(this.#folder.current)
    if (!manifest)
      throw new LakeError('generation-lost', `lake: CURRENT names ${this.#folder.current}, which does not exist`)
    return manifest
  }

  async list(): Promise<readonly GenerationManifest[]> {
    await this.#pause()
    return [...this.#folder.generations.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Nothing can be damaged here. */
  async unreadable(): Promise<readonly UnreadableGeneration[]> {
    await this.#pause()
    return []
  }

  async ids(): Promise<readonly string[]> {
    return (await this.list()).map(({ id }) => id)
  }

  async load(id: string): Promise<GenerationManifest | null> {
    await this.#pause()
    return this.#folder.generations.get(id) ?? null
  }

  async begin(): Promise<StagedGeneration> {
    await this.#pause()
    const id = generationId(++this.#folder.begun)
    const created = new Set<string>()
    let drafts = 0
    return {
      id,
      stageFile: async (kind, name) => {
        await this.#pause()
        return this.#stageContent(`generations/${id}/${name}.${drafts++}`, kind, name, created)
      },
      refer: async (kind, name, file) => {
        await this.#pause()
        if (isNamedByContent(file)) return file
        const path = contentPath(kind, name, file.sha256)
        this.#folder.files.set(path, this.#files.get(file))
        return { ...file, path }
      },
      commit: async (manifest) => {
        await this.#pause()
        if (this.#folder.generations.has(id))
          throw new LakeError('already-committed', `lake: ${id} is already published`)
        if (manifest.id !== id) throw new RangeError(`lake: the manifest of ${manifest.id} does not belong to ${id}`)
        for (const file of generationFiles(manifest)) this.#files.resolve(file)
        this.#folder.generations.set(id, copyOf(manifest))
        await this.#step('generation:published')
      },
      discard: async () => {
        await this.#pause()
        if (this.#folder.generations.has(id))
          throw new RangeError(`lake: generation ${id} is published; remove it instead`)
        this.#removeBelow(`generations/${id}/`)
        const named = this.namedContents()
        for (const path of created) if (!named.has(path)) this.#folder.files.delete(path)
      },
    }
  }

  async setCurrent(id: string): Promise<void> {
    await this.#pause()
    if (!this.#folder.generations.has(id))
      throw new LakeError('generation-unknown', `lake: there is no generation '${id}'`)
    await this.#step('generation:before-current')
    this.#folder.current = id
    await this.#step('generation:current-swapped')
  }

  async remove(id: string): Promise<void> {
    await this.#pause()
    if (!this.#folder.generations.has(id))
      throw new LakeError('generation-unknown', `lake: there is no generation '${id}'`)
    if (this.#folder.current === id)
      throw new LakeError('generation-current', `lake: generation ${id} is the current one`)
    this.#folder.generations.delete(id)
    await this.#pause()
    this.#removeBelow(`generations/${id}/`)
  }

  #stageContent(draft: string, kind: ContentKind, name: string, created: Set<string>): StagedFile {
    const writePath = `${draft}${UNFINISHED}`
    const { files } = this.#folder
    return {
      writePath,
      finish: async (rows) => {
        await this.#pause()
        const contents = files.get(writePath)
        if (contents === undefined)
          throw new LakeError('file-missing', `lake: the staged file '${writePath}' was not written`)
        const path = contentPath(kind, name, sha256(contents))
        if (!files.has(path)) created.add(path)
        files.delete(writePath)
        files.set(path, contents)
        await this.#pause()
        return { path, bytes: Buffer.byteLength(contents), rows, sha256: sha256(contents) }
      },
      discard: async () => {
        await this.#pause()
        files.delete(writePath)
      },
    }
  }

  namedContents(): Set<string> {
    return new Set([...this.#folder.generations.values()].flatMap(generationFiles).map(({ path }) => path))
  }

  #removeBelow(prefix: string): void {
    for (const path of this.#folder.files.keys()) if (path.startsWith(prefix)) this.#folder.files.delete(path)
  }
}
