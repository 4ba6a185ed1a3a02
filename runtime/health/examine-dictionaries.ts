/** Dictionaries: what was not found, and what is not published. */
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import type { Finding } from './finding.ts'

/** Keys that lookups did not find when the generation was built. */
export async function examineDictionaries({ lake }: OpenDataset): Promise<Finding[]> {
  const pins = Object.entries((await lake.current())?.dictionaries ?? {})
  return pins.map(([name, { unknownKeys, unknownByLookup = {} }]) => {
    const lacking = Object.entries(unknownByLookup).filter(([, unknown]) => unknown > 0)
    const where = lacking.map(([place, unknown]) => `${place} ${unknown}`).join(', ')
    const lacks = `${name} lacks ${unknownKeys} keys${where === '' ? '' : ` (${where})`}`
    const message = unknownKeys === 0 ? `${name} contains every key` : lacks
    const advice =
      unknownKeys === 0
        ? null
        : 'their rows are included, but not enriched; publish more entries with `watershed dictionaries publish`'
    const state = unknownKeys === 0 ? 'ok' : 'note'
    return { part: 'dictionaries', state, message, advice, numbers: { dictionary: name, unknownKeys } }
  })
}

export async function examineDictionaryStore({ dataset }: OpenDataset, store: DictionaryStore): Promise<Finding[]> {
  const names = new Set([...dataset.views.values()].flatMap(({ lookups }) => lookups.map((one) => one.dictionary)))
  if (names.size === 0) return []
  const versions = await Promise.all([...names].map((name) => store.version(name)))
  const absent = [...names].filter((_, index) => versions[index] === null)
  const message = `${names.size - absent.length} of ${names.size} dictionaries are published`
  const advice =
    absent.length === 0
      ? null
      : `rows are not enriched by ${absent.join(', ')}; publish with \`watershed dictionaries publish\``
  const numbers = { dictionaries: names.size, absent: absent.length }
  return [{ part: 'dictionary store', state: absent.length === 0 ? 'ok' : 'note', message, advice, numbers }]
}
