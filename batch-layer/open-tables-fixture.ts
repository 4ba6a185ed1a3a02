/** For tests: the Delta tables of a batch fixture's lake, read from their logs on disk. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { quoteText } from '#core/sql-names.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { TablePlace } from '#storage/lake/table-place.ts'
import type { BatchFixture } from './batch-fixture.ts'

export const GRACE = 60_000

interface Version {
  readonly version: number
  readonly commitInfo: Readonly<Record<string, string>>
  readonly added: readonly { readonly path: string; readonly dataChange: boolean; readonly stats: string }[]
  readonly removed: readonly { readonly path: string; readonly dataChange: boolean }[]
  readonly others: readonly string[]
}

/** Every version of a table, as a reader finds it. */
function versionsOf(batch: BatchFixture, table: string): Version[] {
  const folder = join(batch.lake.folder, table, '_delta_log')
  return readdirSync(folder)
    .filter((name) => /^\d{20}\.json$/.test(name))
    .sort()
    .map((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').trim().split('\n')
      const actions = lines.map((line) => JSON.parse(line) as Record<string, never>)
      const of = (kind: string): never[] => actions.flatMap((action) => action[kind] ?? [])
      const others = actions
        .flatMap((action) => Object.keys(action))
        .filter((kind) => kind !== 'add' && kind !== 'remove')
      return {
        version: Number(name.slice(0, 20)),
        commitInfo: of('commitInfo')[0]!,
        added: of('add'),
        removed: of('remove'),
        others,
      }
    })
}

/** The files of the newest version, by its versions alone. */
function filesOf(batch: BatchFixture, table: string): string[] {
  const held = new Set<string>()
  for (const { added, removed } of versionsOf(batch, table)) {
    for (const { path } of removed) held.delete(path)
    for (const { path } of added) held.add(path)
  }
  return [...held].map((path) => join(batch.lake.folder, table, path))
}

async function rowsOf(batch: BatchFixture, paths: readonly string[]): Promise<number> {
  const [[n]] = (await batch.connection.columns(
    `SELECT count(*)::INTEGER FROM read_parquet([${paths.map(quoteText).join(', ')}])`,
  )) as [[number]]
  return n
}

function runTables(batch: BatchFixture, mode: 'full' | 'incremental', more: object) {
  return batch.run({ mode, readersGraceMs: GRACE, keepGenerations: 1, ...more })
}

/** What a test asks of the fixture that it has at the time; the table of events has no name. */
export const tablesOf = (batch: () => BatchFixture) => ({
  versions: (table = '') => versionsOf(batch(), table),
  files: (table = '') => filesOf(batch(), table),
  rowsIn: (paths: readonly string[]) => rowsOf(batch(), paths),
  run: (mode: 'full' | 'incremental' = 'incremental', more = {}) => runTables(batch(), mode, more),
})

/** A lake whose process dies around the nth effect on its tables; null: it has not died yet. */
export function dyingLake(
  batch: BatchFixture,
  nth: number,
  when: 'before' | 'after',
): { readonly lake: Lake; readonly effects: () => number } {
  let effects = 0
  const around = async <T>(effect: () => Promise<T>): Promise<T> => {
    const isLast = ++effects === nth
    if (effects > nth || (isLast && when === 'before')) throw new Error('it died')
    const done = await effect()
    if (isLast) throw new Error('it died')
    return done
  }
  const whole = batch.lake.tables()
  const place: TablePlace = {
    nameOf: (path) => whole.nameOf(path),
    read: (path) => whole.read(path),
    names: (folder) => whole.names(folder),
    removeFolder: (folder) => around(() => whole.removeFolder(folder)),
    ageMs: (path) => whole.ageMs(path),
    bring: (path) => whole.bring(path),
    create: (path, text) => around(() => whole.create(path, text)),
    replace: (path, text) => around(() => whole.replace(path, text)),
    remove: (path) => around(() => whole.remove(path)),
    stage: async (path) => {
      const staged = await whole.stage(path)
      return { ...staged, finish: (rows) => around(() => staged.finish(rows)), discard: async () => {} }
    },
  }
  const lake = new Proxy(batch.lake as Lake, {
    get: (target, name: keyof Lake) => {
      if (name === 'tables') return () => place
      const member = target[name]
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  return { lake, effects: () => effects }
}
