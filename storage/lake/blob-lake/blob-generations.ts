/** Generations: `generations/g000001/`, and the file CURRENT that names the one that is served. */
import type { StepHook } from '#core/steps.ts'
import { isContentPath } from '../content-names.ts'
import { type GenerationManifest, generationFiles } from '../generation-manifest.ts'
import type { StagedGeneration, UnreadableGeneration } from '../lake.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { generationId, generationNumber, isGenerationId } from '../manifest-names.ts'
import { damaged, HEAL_GENERATION, manifestText, readGenerationManifest } from '../manifest-text.ts'
import type { LakeFile } from '../segment-manifest.ts'
import { BlobContents } from './blob-contents.ts'
import type { Blobs } from './blobs.ts'
import type { LakeLocks } from './lake-locks.ts'

const GENERATIONS = 'generations'
const CURRENT = 'CURRENT'
const MANIFEST = 'manifest.json'
const FENCE_TRIES = 3

/** A generation that has a manifest. */
type Published =
  | { readonly id: string; readonly manifest: GenerationManifest; readonly error: null }
  | { readonly id: string; readonly manifest: null; readonly error: LakeError }

export interface BlobGenerationsOptions {
  readonly blobs: Blobs
  readonly dataset: string
  readonly locks: LakeLocks
  readonly step: StepHook
}

export class BlobGenerations {
  readonly #blobs: Blobs
  readonly #dataset: string
  readonly #locks: LakeLocks
  readonly #step: StepHook
  readonly #contents: BlobContents
  readonly #parsed = new Map<string, GenerationManifest>()
  #confirmedAt = { id: '', atMs: 0 }

  constructor(options: BlobGenerationsOptions) {
    this.#blobs = options.blobs
    this.#dataset = options.dataset
    this.#locks = options.locks
    this.#step = options.step
    this.#contents = new BlobContents(options.blobs, async () => this.#named())
  }

  async current(): Promise<GenerationManifest | null> {
    const id = await this.#currentId()
    if (id === null) return null
    const isNew = !this.#parsed.has(id)
    const manifest = (await this.#confirmed(id)) ?? (await this.load(id))
    if (manifest && isNew) await this.#forgetRemoved(id)
    if (manifest) return manifest
    throw new LakeError(
      'generation-lost',
      `lake, dataset '${this.#dataset}': CURRENT names generation ${id}, which does not exist. ${HEAL_GENERATION}`,
    )
  }

  /** Those whose manifest can be read. */
  async list(): Promise<readonly GenerationManifest[]> {
    return (await this.#published()).flatMap(({ manifest }) => manifest ?? [])
  }

  /** The others. */
  async unreadable(): Promise<readonly UnreadableGeneration[]> {
    return (await this.#published()).flatMap(({ id, error }) => (error === null ? [] : [{ id, error }]))
  }

  /** Ids of all that have a manifest, readable or not: their files belong to them. */
  async publishedIds(): Promise<string[]> {
    return (await this.#published()).map(({ id }) => id)
  }

  async #published(): Promise<readonly Published[]> {
    const loaded = await Promise.all((await this.ids()).map((id) => this.#tryLoad(id)))
    return loaded.filter((published) => published !== null)
  }

  async #tryLoad(id: string): Promise<Published | null> {
    try {
      const manifest = await this.load(id)
      return manifest && { id, manifest, error: null }
    } catch (error) {
      if (!(error instanceof LakeError)) throw error
      return { id, manifest: null, error }
    }
  }

  async #currentId(): Promise<string | null> {
    let text: string
    try {
      text = await this.#blobs.read(CURRENT)
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
    const id = idIn(text)
    if (isGenerationId(id)) return id
    throw damaged(
      this.#blobs.nameOf(CURRENT),
      `it must contain a generation id such as g000001, not '${id.slice(0, 40)}' (\`watershed generations rollback <id>\` rewrites it)`,
      { remedy: HEAL_GENERATION },
    )
  }

  /** The current generation cannot be removed: where each look is a request, its manifest is not looked for at every one. */
  async #confirmed(id: string): Promise<GenerationManifest | null> {
    if (!this.#blobs.listsLate) return null
    const nowMs = performance.now()
    if (this.#confirmedAt.id !== id || nowMs - this.#confirmedAt.atMs > this.#blobs.trustedMs) {
      this.#confirmedAt = { id, atMs: nowMs }
      return null
    }
    return this.#parsed.get(id) ?? null
  }

  /** A published generation, parsed once; null if it does not exist, also if another process has just removed it. */
  async load(id: string): Promise<GenerationManifest | null> {
    const place = manifestOf(id)
    const path = this.#blobs.nameOf(place)
    const known = this.#parsed.get(id)
    if (known && (await this.#blobs.stat(place)) !== null) return known
    this.#parsed.delete(id)
    if (known) return null
    let text: string
    try {
      text = await this.#blobs.read(place)
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
    const manifest = readGenerationManifest(text, path)
    if (manifest.id !== id || manifest.dataset !== this.#dataset) {
      throw damaged(path, `fields 'dataset' and 'id' are '${manifest.dataset}' and '${manifest.id}'`, {
        remedy: HEAL_GENERATION,
      })
    }
    this.#parsed.set(id, manifest)
    return manifest
  }

  /** A reader sees each new generation, and never asks for one that another process has removed. */
  async #forgetRemoved(current: string): Promise<void> {
    const others = [...this.#parsed.keys()].filter((id) => id !== current)
    await Promise.all(others.map((id) => this.load(id).catch(() => null)))
  }

  /** Ids of all folders, published or not, oldest first. */
  async ids(): Promise<string[]> {
    const names = await this.#blobs.names(GENERATIONS)
    return names.filter(isGenerationId).sort((a, b) => generationNumber(a) - generationNumber(b))
  }

  async begin(): Promise<StagedGeneration> {
    await this.#blobs.makeFolder(GENERATIONS)
    for (let number = generationNumber((await this.ids()).at(-1) ?? 'g0') + 1; ; number++)
      if (await this.#blobs.claimFolder(placeOf(generationId(number)))) return this.#staged(generationId(number))
  }

  async setCurrent(id: string): Promise<void> {
    if (!isGenerationId(id) || !(await this.load(id))) throw this.#unknown(id)
    // In this order: who takes over the lock after it was proved replaces what was read before.
    const seen = await this.#blobs.version(CURRENT)
    await this.#locks.prove('batch')
    await this.#blobs.replace(CURRENT, this.#currentText(id), {
      expected: seen?.version ?? null,
      before: () => this.#step('generation:before-current'),
      after: () => this.#step('generation:current-swapped'),
    })
  }

  /**
   * For who has just got the batch lock, where locks can be lost: what a former holder read of CURRENT does not stand any more, so that it
   * cannot replace it.
   */
  async fence(): Promise<void> {
    if (this.#locks.stamp('batch') === null) return
    for (let tries = 1; ; tries++) {
      const seen = await this.#blobs.version(CURRENT)
      if (seen === null || !isGenerationId(idIn(seen.text))) return
      // It may have been lost already, to a holder that has written CURRENT anew before this one.
      await this.#locks.prove('batch')
      try {
        return await this.#blobs.replace(CURRENT, this.#currentText(idIn(seen.text)), { expected: seen.version })
      } catch (error) {
        // A former holder was just in time: its generation counts.
        if (!(error instanceof LakeError) || error.code !== 'replaced-meanwhile' || tries === FENCE_TRIES) throw error
      }
    }
  }

  /** Its first line is the id; the second one, where locks can be lost, makes every text different. */
  #currentText(id: string): string {
    const stamp = this.#locks.stamp('batch')
    return stamp === null ? `${id}\n` : `${id}\n${stamp}\n`
  }

  async remove(id: string): Promise<void> {
    if (!isGenerationId(id) || (await this.#tryLoad(id)) === null) throw this.#unknown(id)
    if ((await this.#currentId()) === id) {
      throw new LakeError(
        'generation-current',
        `lake, dataset '${this.#dataset}': generation ${id} is the current one and cannot be removed; make another generation current first`,
      )
    }
    await this.#contents.touch(await this.#namedOnlyBy(id))
    await this.#blobs.remove(manifestOf(id))
    this.#parsed.delete(id)
    await this.clear(id)
  }

  /** Empties the folder of an unpublished generation. The newest folder itself is kept, so that its id is never reused. */
  async clear(id: string): Promise<void> {
    const place = placeOf(id)
    for (const name of await this.#blobs.names(place)) await this.#blobs.remove(`${place}/${name}`)
    if ((await this.ids()).at(-1) !== id) await this.#blobs.dropFolder(place)
  }

  /**
   * Files named by content that no generation names; none while a manifest cannot be read, as it may name them. They are listed before the
   * manifests are read, so that a file of a generation that is published in between counts as named.
   */
  async unnamedContents(): Promise<string[]> {
    const present = await this.#contents.present()
    const published = await this.#published()
    if (published.some(({ error }) => error !== null)) return []
    const named = namedBy(published.flatMap(({ manifest }) => manifest ?? []))
    return present.filter((path) => !named.has(path))
  }

  async #named(): Promise<ReadonlySet<string>> {
    return namedBy(await this.list())
  }

  async #namedOnlyBy(id: string): Promise<string[]> {
    const readable = await this.list()
    const others = namedBy(readable.filter((manifest) => manifest.id !== id))
    const own = namedBy(readable.filter((manifest) => manifest.id === id))
    return [...own].filter((path) => isContentPath(path) && !others.has(path))
  }

  #unknown(id: string): LakeError {
    return new LakeError(
      'generation-unknown',
      `lake, dataset '${this.#dataset}': there is no published generation '${id}'`,
    )
  }

  #staged(id: string): StagedGeneration {
    const created = new Set<string>()
    let drafts = 0
    // While its files are written.
    const settled = this.#blobs.settle([GENERATIONS])
    settled.catch(() => {})
    return {
      id,
      stageFile: async (kind, name) =>
        this.#contents.stage(`${placeOf(id)}/${name}.${drafts++}.parquet`, kind, name, created),
      refer: (kind, name, file) => this.#contents.refer(kind, name, file),
      commit: async (manifest) => {
        await settled
        await this.#commit(id, manifest)
      },
      discard: async () => {
        if (await this.load(id)) throw new RangeError(`lake: generation ${id} is published; remove it instead`)
        await this.#blobs.removeFolder(placeOf(id))
        await this.#contents.removeUnnamed(created)
      },
    }
  }

  async #commit(id: string, manifest: GenerationManifest): Promise<void> {
    if (manifest.id !== id || manifest.dataset !== this.#dataset) {
      throw new RangeError(
        `lake: the manifest of ${manifest.dataset} ${manifest.id} does not belong to ${this.#dataset} ${id}`,
      )
    }
    const text = manifestText(manifest, this.#blobs.nameOf(manifestOf(id)))
    await this.#blobs.assertThere(await this.#unprotected(manifest))
    await this.#locks.prove('batch')
    if (!(await this.#blobs.create(manifestOf(id), text))) {
      throw new LakeError(
        'already-committed',
        `lake, dataset '${this.#dataset}': generation ${id} is already published`,
      )
    }
    await this.#step('generation:published')
  }

  /**
   * The files that can have been swept since the run began: those that its base does not name. What a published generation names is not swept,
   * and only the holder of the batch lock removes one. So if the base is there now, and the lock is proved after that, no sweep has taken its
   * files in between: there is no need to ask for each, of which there may be thousands. Files that the base lacked already are reported when
   * they are read, as they are for the base.
   */
  async #unprotected(manifest: GenerationManifest): Promise<readonly LakeFile[]> {
    const files = generationFiles(manifest)
    const base = manifest.base === null ? null : await this.#tryLoad(manifest.base)
    const named = namedBy(base?.manifest ? [base.manifest] : [])
    return files.filter(({ path }) => !named.has(path))
  }
}

function idIn(current: string): string {
  return (current.split('\n', 1)[0] ?? '').trimEnd()
}

/** The folder of a generation. */
export function placeOf(id: string): string {
  return `${GENERATIONS}/${id}`
}

/** Path of a generation's manifest. */
export function manifestOf(id: string): string {
  return `${placeOf(id)}/${MANIFEST}`
}

function namedBy(manifests: readonly GenerationManifest[]): Set<string> {
  return new Set(manifests.flatMap(generationFiles).map(({ path }) => path))
}
