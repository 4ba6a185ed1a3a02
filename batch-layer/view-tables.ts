/**
 * The table of one view: a file for each range of its states, written again when a state in it, or how it is presented, differs. Where states are cut
 * by keys, what runs added since is gathered in files of all keys: of these a range has what the runs say that they added to it.
 */
import { createHash } from 'node:crypto'
import type { CompiledView, SqlColumn } from '#core/compiled.ts'
import { keySlotSql } from '#core/key-slots.ts'
import { horizonWithin, NO_HORIZON, type PaneHorizon, type PaneLevel, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteName } from '#core/sql-names.ts'
import { keyNames } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { StateFile, ViewStates } from '#storage/lake/generation-manifest.ts'
import { randomName } from '#storage/lake/local/durable-files.ts'
import { EVENTS_CODEC } from '#storage/lake/segment-manifest.ts'
import { filesWithin, isOfSlots, rangeKey, rangesOf, type StateRange } from '#storage/lake/state-ranges.ts'
import type { TableDraft, TablePlace } from '#storage/lake/table-place.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { DeltaLog } from '#storage/tables/delta-log.ts'
import { deltaSchema, storableType } from '#storage/tables/delta-schema.ts'
import type { TableFile, TableState } from '#storage/tables/table-state.ts'
import { DuckDbCompute } from './batch-compute.ts'
import { joinedRanges } from './pane-ranges.ts'
import { ORPHAN_GRACE_MS } from './retention.ts'
import { mergeTouchedSql, rowsInSql, spreadWithinSql, statesWithin } from './states-sql.ts'
import { graceBegan, graceOf, propertiesOf, type TablesOptions } from './tables-options.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from './write-parquet.ts'

/** Property of a table of states that are cut by keys: a digest of the files that its version presents. */
const STATES = 'watershed.states'

/** Writes the version that the view's table lacks; none if nothing differs. */
export async function followView(options: TablesOptions, view: CompiledView): Promise<void> {
  const { lake, connection, generation, clock, signal } = options
  const states = generation.views[view.name]
  // A view that was changed since is written once it has been computed.
  if (states === undefined || states.hash !== view.hash || states.files.length === 0) return
  const folder = `tables/${view.name}`
  const log = new DeltaLog(lake.tables(), folder, connection)
  const before = await log.read()
  const parts = partsOf(view, states)
  const kept = await keptOf(options, view, before, parts)
  const lacking = parts.find((part) => !kept.has(part))
  const spread = lacking === undefined ? null : await spreadGathered(options, view, states, folder)
  const atMs = clock()
  const files: TableFile[] = []
  let after: TableState
  try {
    const presented = { options, view, spread }
    const schema =
      lacking === undefined ? before.schema! : deltaSchema((await presentedPart(presented, lacking)).columns)
    for (const part of parts) {
      signal?.throwIfAborted()
      // All files of a table have the same columns.
      const there = schema === before.schema ? kept.get(part) : undefined
      files.push(there ?? (await writePart(presented, { part, folder, atMs })))
    }
    after = await log.write(before, {
      schema,
      files,
      isRearranged: () => false,
      properties: { ...propertiesOf(generation), ...(isCut(states) && { [STATES]: digestOf(states.files) }) },
      atMs,
      graceMs: graceOf(options),
    })
  } finally {
    await spread?.discard()
  }
  await removeEarlier(lake.tables(), folder, after, graceBegan(options))
}

/** What one file of a view's table is made from. */
interface TablePart {
  /** of the range alone */
  readonly files: readonly StateFile[]
  readonly range: StateRange
  /** what it leaves is presented */
  readonly horizon: PaneHorizon
  /** the same for the same states, but for those in files of all keys */
  readonly made: string
  /** and with these */
  readonly source: string
}

/** One for each range. Panes that were merged are in one part. */
function partsOf(view: CompiledView, states: ViewStates): TablePart[] {
  const { files, horizon: whole = NO_HORIZON } = states
  const gathered = gatheredIn(states)
  const own = files.filter((file) => !gathered.includes(file))
  return joinedRanges(rangesOf(own), whole).map(({ range }) => {
    const within = filesWithin(own, range)
    const horizon = horizonWithin(whole, range)
    const of = [
      within.map(({ sha256 }) => sha256),
      isCut(states) ? range : null,
      view.hash,
      presentedSql(view, 'states'),
      EVENTS_CODEC,
    ]
    const left = horizon.length === 0 ? [] : [range, horizon.map((level) => whereItEnds(level, range))]
    const made = createHash('sha256')
      .update(JSON.stringify([...of, ...left]))
      .digest('hex')
    return {
      files: within,
      range,
      horizon,
      made,
      source: gathered.length === 0 ? made : `${made}+${digestOf(gathered)}`,
    }
  })
}

function isCut({ files }: ViewStates): boolean {
  return files.some(isOfSlots)
}

/** Where states are cut by keys, the files of all keys, in which what runs added is gathered. */
function gatheredIn(states: ViewStates): readonly StateFile[] {
  return isCut(states) ? states.files.filter((file) => !isOfSlots(file)) : []
}

function digestOf(files: readonly StateFile[]): string {
  const hash = createHash('sha256')
  for (const { sha256 } of files) hash.update(sha256)
  return hash.digest('hex')
}

/** The files of the table that parts still have. */
async function keptOf(
  options: TablesOptions,
  view: CompiledView,
  before: TableState,
  parts: readonly TablePart[],
): Promise<ReadonlyMap<TablePart, TableFile>> {
  const there = new Map([...before.files.values()].map((file) => [file.source?.split('+', 1)[0], file]))
  const touched = await touchedSince(options, view, before)
  return new Map(
    parts.flatMap((part) => {
      const file = there.get(part.made)
      const isSame = touched === null ? file?.source === part.source : !touched.has(rangeKey(part.range))
      return file !== undefined && isSame ? [[part, file] as const] : []
    }),
  )
}

/**
 * The ranges of keys to which files of all keys add something else than in the table's version; null: not known. It is known of the version that
 * presents what the run began with, by what the run added.
 */
async function touchedSince(
  { lake, connection, generation, plan }: TablesOptions,
  view: CompiledView,
  { properties }: TableState,
): Promise<ReadonlySet<string> | null> {
  const states = generation.views[view.name]!
  if (!isCut(states)) return null
  if (properties[STATES] === digestOf(states.files)) return new Set()
  const [run, base] = [plan?.views.get(view.name), plan?.base?.views[view.name]]
  if (run?.kind !== 'extend' || base === undefined || properties[STATES] !== digestOf(base.files)) return null
  if (run.added.length === 0) return new Set()
  const ranges = rangesOf(states.files.filter(isOfSlots))
  const added = readParquetSql(run.added.map((file) => lake.resolve(file)))
  const slots = `(SELECT ${keySlotSql(view.dimensions)} AS _slot FROM ${added})`
  const counts = await connection.rows<{ place: number }>(rowsInSql(slots, '_slot', ranges))
  return new Set(counts.map(({ place }) => rangeKey(ranges[place]!)))
}

/** The rows of the files of all keys in the order of ranges, so that each part reads its own; null: there are none. */
async function spreadGathered(
  { dataset, lake, connection }: TablesOptions,
  view: CompiledView,
  states: ViewStates,
  folder: string,
): Promise<TableDraft | null> {
  const gathered = gatheredIn(states)
  if (gathered.length === 0) return null
  await lake.check(gathered)
  const draft = await lake.tables().stage(`${folder}/${randomName()}.parquet`)
  try {
    const compute = new DuckDbCompute(connection, dataset, (file) => lake.resolve(file))
    await compute.spread(view, gathered, rangesOf(states.files.filter(isOfSlots)), draft.writePath)
    return draft
  } catch (error) {
    await draft.discard()
    throw error
  }
}

/** A level that ends behind the range leaves the same of it, however far it has come. */
function whereItEnds({ grain, beforeMs }: PaneLevel, range: StateRange): readonly unknown[] {
  return beforeMs >= (range.beforeMs ?? Infinity) ? [grain] : [grain, beforeMs]
}

function presentedSql(view: CompiledView, states: string): string {
  return view.presentSql(`(${view.mergeSql(states)})`, keyNames(view))
}

interface Presenting {
  readonly options: TablesOptions
  readonly view: CompiledView
  /** from files of all keys */
  readonly spread: TableDraft | null
}

async function presentedPart(
  { options: { lake, connection }, view, spread }: Presenting,
  { files, range, horizon }: TablePart,
): Promise<Storable> {
  await lake.check(files)
  const resolve = (file: StateFile): string => lake.resolve(file)
  if (files.length === 1 && spread !== null) {
    // A file has one state per key: of these only the ones are merged that runs have added to.
    const states = mergeTouchedSql(
      view,
      statesWithin(view, files, range, resolve),
      spreadWithinSql(spread.writePath, range),
      horizon,
    )
    return storable(connection, view.presentSql(`(${states})`, keyNames(view)))
  }
  const gathered = spread === null ? undefined : { path: spread.writePath }
  const states = throughHorizonSql(horizon, statesWithin(view, files, range, resolve, gathered))
  return storable(connection, presentedSql(view, states))
}

async function writePart(
  presenting: Presenting,
  { part, folder, atMs }: { readonly part: TablePart; readonly folder: string; readonly atMs: number },
): Promise<TableFile> {
  const { lake, connection, generation } = presenting.options
  const path = `${generation.id}-${randomName()}.parquet`
  const staged = await lake.tables().stage(`${folder}/${path}`)
  try {
    const { select } = await presentedPart(presenting, part)
    const { bytes, rows } = await staged.finish(
      await writeParquet(connection, select, staged.writePath, VIEW_ROW_GROUP_ROWS, EVENTS_CODEC),
    )
    return { path, bytes, rows, createdAtMs: atMs, source: part.source }
  } catch (error) {
    await staged.discard()
    throw error
  }
}

interface Storable {
  readonly columns: readonly SqlColumn[]
  readonly select: string
}

/** Types that a table has not are cast; a pane is the moment when it begins. */
async function storable(connection: EngineConnection, presented: string): Promise<Storable> {
  const described = await connection.describe(presented)
  const columns = described.map(({ name, type }) => ({
    name,
    type: name === 'pane' ? 'TIMESTAMP' : storableType(type),
  }))
  const items = columns.map(({ name, type }) => {
    const value = name === 'pane' ? 'make_timestamp(pane * 1000)' : `CAST(${quoteName(name)} AS ${type})`
    return `${value} AS ${quoteName(name)}`
  })
  return { columns, select: `SELECT ${items.join(', ')} FROM (${presented})` }
}

/** Files of earlier versions, once no reader uses them; and what a crash left. */
async function removeEarlier(
  place: TablePlace,
  folder: string,
  { files, removed }: TableState,
  graceBeganMs: number,
): Promise<void> {
  for (const name of await place.names(folder)) {
    if (files.has(name) || !/\.parquet(\.inprogress)?$/.test(name)) continue
    const path = `${folder}/${name}`
    const leftMs = removed.get(name)
    const isNeedless = leftMs === undefined ? ((await place.ageMs(path)) ?? 0) > ORPHAN_GRACE_MS : leftMs < graceBeganMs
    if (isNeedless) await place.remove(path)
  }
}
