/** Puts the shipped dictionaries into the dictionary store; unchanged ones keep their version. */
import { SHIPPED_DICTIONARIES } from '#datasets/dictionaries/shipped.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'

export async function publishDictionaries(store: DictionaryStore): Promise<void> {
  for (const [name, entries] of Object.entries(SHIPPED_DICTIONARIES)) await store.publish(name, entries())
}
