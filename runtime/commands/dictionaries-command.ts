/** watershed dictionaries list | publish <name> <file> | restore <name>: the lookup data that enriches answers. */
import { Command } from 'commander'
import { nearest } from '#core/definition-error.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { isShipped, originOf, type Published, publishFile, restoreShipped } from '../drivers/dictionary-shelf.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, printTable, say } from './output.ts'
import type { Workspace } from './workspace.ts'

interface Listed {
  readonly dictionary: string
  /** 'fetched': key by key, from a source in the configuration. null: not published yet */
  readonly source: 'shipped' | 'file' | 'fetched' | null
  readonly file: string | null
  readonly version: string | null
  readonly entries: number
  readonly publishedAt: string | null
  /** dataset.view */
  readonly usedBy: readonly string[]
}

const VERSION_CHARS_SHOWN = 12

export function dictionariesCommand(): Command {
  const list = commandWith('list', 'List the dictionaries that loaded datasets use').action(listAll)
  const publish = commandWith('publish', 'Replace a dictionary with the entries of a file; it persists across restarts')
    .argument('<name>', 'name of a dictionary that a loaded dataset uses')
    .argument('<file>', '.json, .csv, .ndjson or .jsonl')
    .action((name: string, file: string, options: SharedOptions) =>
      change(name, options, (store) => publishFile(store, name, file)),
    )
  const restore = commandWith('restore', 'Restore the shipped entries of a dictionary')
    .argument('<name>', 'name of a shipped dictionary')
    .action((name: string, options: SharedOptions) => change(name, options, (store) => restoreKnown(store, name)))
  return new Command('dictionaries')
    .description('Lookup data that enriches answers')
    .addCommand(list)
    .addCommand(publish)
    .addCommand(restore)
}

async function listAll(options: SharedOptions): Promise<void> {
  const listed = await withDictionary(options, async (store, workspace) => {
    const all: Listed[] = []
    for (const [name, usedBy] of lookupsOf(workspace)) all.push(await describe(store, name, usedBy))
    return all
  })
  if (options.json) {
    printJson(listed)
    return
  }
  const heads = ['dictionary', 'source', 'entries', 'version', 'published', 'used by']
  printTable(
    heads,
    listed.map(({ dictionary, source, file, version, entries, publishedAt, usedBy }) => [
      dictionary,
      source === null ? 'not published yet' : (file ?? source),
      entries,
      version?.slice(0, VERSION_CHARS_SHOWN),
      publishedAt,
      usedBy,
    ]),
  )
}

async function describe(store: DictionaryStore, name: string, usedBy: readonly string[]): Promise<Listed> {
  const version = await store.version(name)
  const origin = await originOf(store, name)
  const entries = version === null ? 0 : (await store.entries(name, version)).length
  const source = version === null ? null : (origin?.source ?? (isShipped(name) ? 'shipped' : 'fetched'))
  const { file = null, publishedAt = null } = origin ?? {}
  return { dictionary: name, source, file, version, entries, publishedAt, usedBy }
}

async function change(
  name: string,
  options: SharedOptions,
  work: (store: DictionaryStore) => Promise<Published>,
): Promise<void> {
  const published = await withDictionary(options, (store, workspace) => {
    assertLookedUp(name, workspace)
    return work(store)
  })
  if (options.json) {
    printJson(published)
    return
  }
  const { entries, version, changed } = published
  const what = changed ? 'were published' : 'were already published'
  say(`${name}: ${entries} entries ${what} as version ${version.slice(0, VERSION_CHARS_SHOWN)}`)
  if (changed) say('answers use them from the next generation on; `watershed batch run` builds one now')
}

function restoreKnown(store: DictionaryStore, name: string): Promise<Published> {
  if (isShipped(name)) return restoreShipped(store, name)
  throw new CommandError('usage', `'${name}' is not a shipped dictionary; publish a file instead`)
}

/** A dictionary that no dataset uses is treated as misspelt. */
function assertLookedUp(name: string, workspace: Workspace): void {
  const names = [...lookupsOf(workspace).keys()]
  if (names.includes(name)) return
  throw new CommandError(
    'usage',
    `no loaded dataset uses a dictionary '${name}'${nearest(name, names)}; used dictionaries: ${names.join(', ') || 'none'}. Load the definition that uses it with --dataset`,
  )
}

/** dictionary → the views that use it; sorted */
function lookupsOf({ datasets }: Workspace): ReadonlyMap<string, readonly string[]> {
  const lookups = new Map<string, Set<string>>()
  for (const dataset of datasets.values()) {
    for (const view of dataset.views.values()) {
      for (const { dictionary } of view.lookups) {
        lookups.set(dictionary, (lookups.get(dictionary) ?? new Set()).add(`${dataset.name}.${view.name}`))
      }
    }
  }
  const sorted = [...lookups].sort(([a], [b]) => (a < b ? -1 : 1))
  return new Map(sorted.map(([name, views]) => [name, [...views]]))
}

function withDictionary<T>(
  options: SharedOptions,
  work: (store: DictionaryStore, workspace: Workspace) => Promise<T>,
): Promise<T> {
  const withStore = async (workspace: Workspace): Promise<T> => {
    const store = await workspace.openDictionary()
    try {
      return await work(store, workspace)
    } finally {
      await store.close()
    }
  }
  return withWorkspace(options, 'serve', withStore, { make: true })
}
