/**
 * Manages the content of dictionaries: shipped content, which every start updates, or content published from a file, which no
 * start overwrites. The store records which: next to each dictionary a small one holds its origin.
 */
import { basename } from 'node:path'
import { loadDictionaryFile } from '#datasets/dictionaries/dictionary-file.ts'
import { SHIPPED_DICTIONARIES } from '#datasets/dictionaries/shipped.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { Emit, PlatformEvent } from '#telemetry/emit.ts'

/** Where a dictionary's newest version came from. */
export interface DictionaryOrigin {
  readonly source: 'shipped' | 'file'
  /** name of the file; null for a shipped one */
  readonly file: string | null
  /** ISO 8601 */
  readonly publishedAt: string
}

export interface Published {
  readonly dictionary: string
  readonly version: string
  readonly entries: number
  /** false: the same content was already published */
  readonly changed: boolean
}

const KEEP_EVERY_MS = 60_000
const ORIGIN_KEY = 'origin'

export function isShipped(name: string): boolean {
  return Object.hasOwn(SHIPPED_DICTIONARIES, name)
}

/**
 * Publishes the shipped dictionaries, except those that were replaced. Unchanged ones keep their version.
 * @param which 'missing': only those that the store does not have at all
 */
export async function publishShipped(store: DictionaryStore, which: 'all' | 'missing' = 'all'): Promise<void> {
  for (const [name, entries] of Object.entries(SHIPPED_DICTIONARIES)) {
    if (which === 'missing' && (await store.version(name)) !== null) continue
    if ((await originOf(store, name))?.source !== 'file') await store.publish(name, entries())
  }
}

/** @param then how the platform continues */
export function unpublished(why: string, then: string): PlatformEvent {
  const message = `the shipped dictionaries could not be published: ${why}; ${then}`
  return { name: 'dictionaries-unpublished', level: 'warn', message }
}

/**
 * Publishes the shipped dictionaries now, and retries while the store is unavailable: as a service it may start later, or return empty.
 * Batch runs continue without them meanwhile.
 */
export function keepShipped(
  store: DictionaryStore,
  emit: Emit,
  everyMs = KEEP_EVERY_MS,
): { readonly first: Promise<void>; stop(): void } {
  let told = ''
  let published = false
  const publishNow = async (): Promise<void> => {
    try {
      await publishShipped(store, published ? 'missing' : 'all')
      published = true
      told = ''
    } catch (error) {
      const { message } = error as Error
      if (message !== told) {
        emit(unpublished(message, `retrying every ${everyMs} ms`))
      }
      told = message
    }
  }
  let publishing = publishNow()
  const timer = setInterval(() => {
    publishing = publishing.then(publishNow)
  }, everyMs)
  timer.unref()
  return { first: publishing, stop: () => clearInterval(timer) }
}

/** Makes a file's entries the dictionary's newest version. @throws DictionaryFileError with the file and the line; what the store throws */
export async function publishFile(store: DictionaryStore, name: string, file: string): Promise<Published> {
  const entries = await loadDictionaryFile(file)
  // The origin first: after a crash in between the old content remains, and no start overwrites the content published later.
  await noteOrigin(store, name, { source: 'file', file: basename(file) })
  return publish(store, name, entries)
}

/** Restores the shipped content. */
export async function restoreShipped(store: DictionaryStore, name: string): Promise<Published> {
  const published = await publish(store, name, [...SHIPPED_DICTIONARIES[name]!()])
  await noteOrigin(store, name, { source: 'shipped', file: '' })
  return published
}

/** null if not recorded: a shipped dictionary that was never replaced, or none at all */
export async function originOf(store: DictionaryStore, name: string): Promise<DictionaryOrigin | null> {
  const version = await store.version(originName(name))
  if (version === null) return null
  const [entry] = await store.entries(originName(name), version)
  const { source, file = '', publishedAt = '' } = entry?.attributes ?? {}
  return { source: source === 'file' ? 'file' : 'shipped', file: file === '' ? null : file, publishedAt }
}

async function publish(
  store: DictionaryStore,
  name: string,
  entries: Parameters<DictionaryStore['publish']>[1] & { readonly length: number },
): Promise<Published> {
  const before = await store.version(name)
  const version = await store.publish(name, entries)
  return { dictionary: name, version, entries: entries.length, changed: version !== before }
}

async function noteOrigin(
  store: DictionaryStore,
  name: string,
  origin: { readonly source: string; readonly file: string },
): Promise<void> {
  const attributes = { ...origin, publishedAt: new Date().toISOString() }
  await store.publish(originName(name), [{ key: ORIGIN_KEY, attributes }])
}

/** Beside the dictionary's own name, which has no colon. */
function originName(name: string): string {
  return `origin:${name}`
}
