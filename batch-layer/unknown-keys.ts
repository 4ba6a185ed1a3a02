/**
 * Finds the keys that rows look up but a dictionary does not contain. A full run checks all states. An incremental run checks only the states that
 * it adds, and copies the rest from its base. The result can therefore differ until the next full run: it still counts keys that no row presents any
 * more (such as the former city of a group), and misses the few keys that a new version of the dictionary removed until a run adds them again.
 */
import { isDeepStrictEqual } from 'node:util'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { DictionaryPin, MissingKeys } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedGeneration } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { ViewPlan } from './plan-run.ts'
import { writeParquet } from './write-parquet.ts'

/** maximum number of keys of one column of a view that are kept and counted: every run writes them */
export const UNKNOWN_KEYS_MAX = 100_000
/** maximum number of missing keys per dictionary that a run reports */
const UNKNOWN_KEYS_TOLD_MAX = 10_000
/** Share of a dictionary's keys. If a new version removes more, all states are checked. Dictionaries that are fetched key by key lose a few with nearly every version. */
const REMOVED_SHARE_MAX = 0.01
const TABLE = 'unknown_keys'

export type CountedUnknown = Required<Pick<DictionaryPin, 'unknownKeys' | 'unknownByLookup' | 'unknown'>>

export interface UnknownKeysInput {
  readonly dictionary: string
  /** as this run pins it */
  readonly pinned: LakeFile
  /** as its base pinned it; absent: not at all */
  readonly before: DictionaryPin | undefined
  /** how the run computes each view, and the files that it wrote */
  readonly plans: ReadonlyMap<string, ViewPlan>
  readonly views: Readonly<Record<string, { readonly files: readonly LakeFile[] }>>
  readonly generation: Pick<StagedGeneration, 'stageFile' | 'refer'>
}

/** A column of a view, and the lookups that use it as their key. */
interface AskedKey {
  /** `view.column` */
  readonly name: string
  readonly view: CompiledView
  readonly column: string
  readonly list: boolean
  readonly lookups: readonly string[]
}

/** A column, and the files whose keys are checked. */
interface Looked extends AskedKey {
  readonly files: readonly LakeFile[]
  /** the missing keys of the base are copied */
  readonly carried: boolean
}

export class UnknownKeys {
  readonly #connection: EngineConnection
  readonly #dataset: CompiledDataset
  readonly #lake: Pick<Lake, 'check' | 'resolve'>

  constructor(connection: EngineConnection, dataset: CompiledDataset, lake: Pick<Lake, 'check' | 'resolve'>) {
    this.#connection = connection
    this.#dataset = dataset
    this.#lake = lake
  }

  /** @param tell called with at most UNKNOWN_KEYS_TOLD_MAX of the keys, in their order, if there are any */
  async count(input: UnknownKeysInput, tell?: (keys: readonly string[]) => void): Promise<CountedUnknown> {
    const asked = [...this.#dataset.views.values()].flatMap((view) => askedOf(view, input.dictionary))
    if (asked.length === 0) return { unknownKeys: 0, unknownByLookup: {}, unknown: { columns: [], file: null } }
    const kept = await this.#kept(input)
    const looked = asked.map((each) => lookedAt(each, input, kept))
    if (isUnchanged(input, looked)) return this.#unchanged(input.before!, input)
    await this.#lake.check([input.pinned, ...looked.flatMap(({ files }) => files)])
    const columns = looked.map((each) => this.#missing(each, input.pinned, kept?.file ?? null))
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE ${TABLE} AS ${columns.map((sql) => `(${sql})`).join(' UNION ALL ')}`,
    )
    try {
      return await this.#counted(input, looked, tell)
    } finally {
      await this.#connection.run(`DROP TABLE ${TABLE}`)
    }
  }

  async #counted(
    { generation, dictionary, pinned, before }: UnknownKeysInput,
    asked: readonly Looked[],
    tell: ((keys: readonly string[]) => void) | undefined,
  ): Promise<CountedUnknown> {
    const counts = await this.#connection.rows<{ asked: string | null; unknown: number }>(
      `SELECT asked, count(DISTINCT key) AS unknown FROM ${TABLE} GROUP BY GROUPING SETS ((asked), ())`,
    )
    const countOf = (name: string | null): number => counts.find((row) => row.asked === name)?.unknown ?? 0
    const unknownByLookup = Object.fromEntries(
      asked.flatMap(({ name, view, lookups }) => lookups.map((lookup) => [`${view.name}.${lookup}`, countOf(name)])),
    )
    const columns = asked.map(({ name }) => name)
    const unknownKeys = countOf(null)
    if (unknownKeys === 0) return { unknownKeys, unknownByLookup, unknown: { columns, file: null } }
    if (tell !== undefined) {
      const told = await this.#connection.rows<{ key: string }>(
        `SELECT DISTINCT key FROM ${TABLE} ORDER BY key LIMIT ${UNKNOWN_KEYS_TOLD_MAX}`,
      )
      tell(told.map(({ key }) => key))
    }
    const onlyAdded = before !== undefined && isSame(before.file, pinned) && asked.every(({ carried }) => carried)
    if (onlyAdded && isDeepStrictEqual(unknownByLookup, before.unknownByLookup))
      return this.#unchanged(before, { generation, dictionary })
    const staged = await generation.stageFile('dictionaries', dictionary)
    const rows = await writeParquet(this.#connection, `SELECT * FROM ${TABLE} ORDER BY asked, key`, staged.writePath)
    return { unknownKeys, unknownByLookup, unknown: { columns, file: await staged.finish(rows) } }
  }

  async #unchanged(
    { unknownKeys, unknownByLookup = {}, unknown }: DictionaryPin,
    { generation, dictionary }: Pick<UnknownKeysInput, 'generation' | 'dictionary'>,
  ): Promise<CountedUnknown> {
    const { columns, file } = unknown!
    const named = file && (await generation.refer('dictionaries', dictionary, file))
    return { unknownKeys, unknownByLookup, unknown: { columns, file: named } }
  }

  /** The missing keys of the base, if only added states can contain others; otherwise null. */
  async #kept({ before, pinned }: UnknownKeysInput): Promise<MissingKeys | null> {
    if (before?.unknown === undefined) return null
    if (isSame(before.file, pinned)) return before.unknown
    await this.#lake.check([before.file])
    const [old, now] = [before.file, pinned].map((file) => readParquetSql([this.#lake.resolve(file)]))
    const [removed] = await this.#connection.rows<{ n: number }>(
      `SELECT count(*)::DOUBLE AS n FROM ${old} AS old ANTI JOIN ${now} AS now USING (key)`,
    )
    return removed!.n <= REMOVED_SHARE_MAX * before.file.rows ? before.unknown : null
  }

  #missing({ name, view, column, list, files, carried }: Looked, pinned: LakeFile, before: LakeFile | null): string {
    const resolve = (file: LakeFile): string => this.#lake.resolve(file)
    const sources: string[] = []
    if (files.length > 0)
      sources.push(keysSql(view, `(SELECT * FROM ${readParquetSql(files.map(resolve))})`, column, list))
    if (carried && before !== null)
      sources.push(`SELECT key FROM ${readParquetSql([resolve(before)])} WHERE asked = ${quoteText(name)}`)
    if (sources.length === 0) sources.push('SELECT NULL::VARCHAR AS key')
    return `SELECT ${quoteText(name)} AS asked, key FROM (${sources.join(' UNION ')}) AS wanted
      ANTI JOIN ${readParquetSql([resolve(pinned)])} AS pinned USING (key)
      WHERE key IS NOT NULL ORDER BY key LIMIT ${UNKNOWN_KEYS_MAX}`
  }
}

/** Whether the run adds no states, and the dictionary has the same version. */
function isUnchanged({ before, pinned }: UnknownKeysInput, looked: readonly Looked[]): boolean {
  if (before?.unknownByLookup === undefined || !isSame(before.file, pinned)) return false
  const lookups = looked.flatMap(({ view, lookups }) => lookups.map((lookup) => `${view.name}.${lookup}`))
  const isKnown = isDeepStrictEqual(lookups.toSorted(), Object.keys(before.unknownByLookup).toSorted())
  return isKnown && looked.every(({ carried, files }) => carried && files.length === 0)
}

function isSame(one: LakeFile, other: LakeFile): boolean {
  return one.sha256 === other.sha256
}

function askedOf(view: CompiledView, dictionary: string): AskedKey[] {
  const own = view.lookups.filter((lookup) => lookup.dictionary === dictionary)
  return [...Map.groupBy(own, ({ key }) => key)].map(([column, lookups]) => ({
    name: `${view.name}.${column}`,
    view,
    column,
    list: lookups[0]!.list,
    lookups: lookups.map(({ name }) => name),
  }))
}

function lookedAt(asked: AskedKey, { plans, views }: UnknownKeysInput, kept: MissingKeys | null): Looked {
  const plan = plans.get(asked.view.name)
  return plan?.kind === 'extend' && kept?.columns.includes(asked.name)
    ? { ...asked, files: plan.added, carried: true }
    : { ...asked, files: views[asked.view.name]!.files, carried: false }
}

/** SELECT of the distinct keys that the presented rows look up, including NULL. */
function keysSql(view: CompiledView, states: string, key: string, list: boolean): string {
  const column = quoteName(key)
  const isDimension = view.dimensions.some((dimension) => dimension.name === key)
  const merged = `(${view.mergeSql(states, undefined, [key])})`
  const presented = isDimension ? states : `(${view.presentSql(merged, [], [key])})`
  return list
    ? `SELECT DISTINCT unnest(${column})::VARCHAR AS key FROM ${presented}`
    : `SELECT DISTINCT ${column}::VARCHAR AS key FROM ${presented}`
}
