/** Answers a query from one snapshot, as if batch and speed were one, and says where the boundary was. */
import type { SqlColumn } from '#core/compiled.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { PaneRange } from '#storage/speed-store/speed-store.ts'
import { answerColumns, memberSql } from './answer-columns.ts'
import { type AnswerMeta, type AnswerRange, metaOf, type Outdated, type Removed, type Totals } from './answer-meta.ts'
import { type AnswerStep, type AnswerWay, type Computed, StepClock } from './answer-steps.ts'
import { askedRange, windowUpTo } from './asked-range.ts'
import { BoundValues } from './bound-values.ts'
import { ANSWER_BYTES_MAX, boundedRows } from './bounded-rows.ts'
import { comparedRowsSql } from './compared-rows-sql.ts'
import { earlierPeriod } from './earlier-period.ts'
import { engineSteps } from './engine-profile.ts'
import { filledRowsOf } from './filled-rows-sql.ts'
import { rowsSource } from './grouped-states-sql.ts'
import { narrowed } from './kept-detail.ts'
import { keyAsked } from './key-asked.ts'
import { enrichedSql } from './lookup-sql.ts'
import {
  answerSql,
  assertBounded,
  filteredSql,
  rankedSql,
  rowsShownMax,
  type StatesSql,
  stateFiles,
  statesOfView,
  statesSql,
} from './merged-sql.ts'
import { NewestPane } from './newest-pane.ts'
import { openTable } from './open-table.ts'
import { pagedAnswersOf } from './paged-answers.ts'
import { QueryError } from './query-error.ts'
import { planFor, type QueryPlan, unknownTimezone, viewsOf } from './query-plan.ts'
import { seriesRowsSql, sketchesOf } from './series-rows-sql.ts'
import { sharedRowsSql } from './shares-sql.ts'
import { type ServedDataset, type Snapshot, takeSnapshot } from './snapshot.ts'
import { paneCutOf } from './time-bucket.ts'
import { limited, onConnection, QUERY_MS_MAX } from './time-limit.ts'
import { totalsOf } from './totals.ts'
import { WINDOW_CUT } from './window-series.ts'

export interface Answer {
  /** JSON array text of the rows; every integer with all of its digits */
  readonly rowsJson: string
  readonly rowCount: number
  /** of each row, in order, with the engine's types */
  readonly columns: readonly SqlColumn[]
  readonly meta: AnswerMeta
  /** what it was merged from */
  readonly snapshot?: Snapshot
  /** how, and how long that took */
  readonly computed?: Computed
}

export interface AnswerOptions {
  /** the clock that windows are asked by, epoch ms */
  readonly nowMs?: number
  /** the query is stopped after this long, snapshot and checksums included */
  readonly queryMsMax?: number
  /** of the rows together */
  readonly answerBytesMax?: number
  /** aborted when the client is gone */
  readonly signal?: AbortSignal
}

const TRIES_MAX = 3

/** One statement: what each part of it takes is asked of the engine (engine-profile.ts). */
const IN_ENGINE = 'merge, present, rank, enrich and encode, in the engine'

/** @throws QueryError, NeedsBackfillError, QueryTimeoutError, SnapshotError, LakeError */
export async function answerQuery(
  served: ServedDataset,
  query: ViewQuery,
  options: AnswerOptions = {},
): Promise<Answer> {
  const plan = planFor(served.dataset, query)
  const { queryMsMax = QUERY_MS_MAX, signal: gone, nowMs = Date.now() } = options
  const panes = panesAsked(plan, nowMs)
  return limited(queryMsMax, gone, async (signal) => {
    for (let attempt = 1; ; attempt++) {
      try {
        const clock = new StepClock()
        const snapshot = await takeSnapshot(served, { views: viewsOf(plan), live: 'optional', panes })
        clock.over('look at the stores')
        return await answerPlan(served, plan, snapshot, { ...options, nowMs, signal, clock })
      } catch (error) {
        if (!isVanishedFile(error) || attempt >= TRIES_MAX || signal.aborted) throw error
      }
    }
  })
}

/** Retention took a file while an older snapshot was being read: a new one does not name it. */
export function isVanishedFile(error: unknown): boolean {
  if (error instanceof LakeError) return error.code === 'file-missing'
  return error instanceof Error && /No files found|Cannot open file/i.test(error.message)
}

/** The answer to a plan at a given snapshot of the stores. */
async function answerPlan(
  served: ServedDataset,
  plan: QueryPlan,
  snapshot: Snapshot,
  options: AnswerOptions & { readonly signal: AbortSignal; readonly clock: StepClock; readonly nowMs: number },
): Promise<Answer> {
  return onConnection(served.engine, options.signal, async (connection) => {
    const states = await statesOf(served, plan, snapshot, connection, panesAsked(plan, options.nowMs))
    options.clock.over('states')
    return withSteps(await answerStates(served.engine, connection, plan, states, options), 'stores', options.clock)
  })
}

/** The answer, with the steps before it. */
export function withSteps(answer: Answer, way: AnswerWay, { steps }: Pick<StepClock, 'steps'>): Answer {
  return { ...answer, computed: { way, steps: [...steps, ...(answer.computed?.steps ?? [])] } }
}

/** What the parts of the query's merge cost in the engine, from a new look at the stores. @throws as `answerQuery` */
export async function profileQuery(
  served: ServedDataset,
  query: ViewQuery,
  { queryMsMax = QUERY_MS_MAX, signal: gone, nowMs = Date.now() }: AnswerOptions = {},
): Promise<AnswerStep[]> {
  const plan = planFor(served.dataset, query)
  return limited(queryMsMax, gone, async (signal) => {
    const panes = panesAsked(plan, nowMs)
    const snapshot = await takeSnapshot(served, { views: viewsOf(plan), live: 'optional', panes })
    return onConnection(served.engine, signal, async (connection) =>
      profileStates(connection, plan, await statesOf(served, plan, snapshot, connection, panes), nowMs),
    )
  })
}

/** What the parts of the plan's merge cost in the engine, which runs it. */
export async function profileStates(
  connection: EngineConnection,
  asked: QueryPlan,
  at: StatesAt,
  nowMs: number,
): Promise<AnswerStep[]> {
  const wanted = await rangeOf(asked, at, connection, nowMs)
  const { plan, range } = narrowed(asked, wanted, at.snapshot.generation)
  const from = rowsSource(plan, at.sql, range, at.dictionaries, at.bound)
  const enriched = enrichedSql(plan, rowsSql(plan, from.states, from.range, at.bound), at.dictionaries)
  const rows = { sql: enriched.sql, columns: answerColumns(plan, enriched.names) }
  return engineSteps(connection, `SELECT ${textSql(rows)} FROM (${rows.sql}) ORDER BY _n`, at.bound.parameters)
}

/** The view's states of the panes, and of the key where there is one, in the files and the speed store. @throws NeedsBackfillError, PartialsCompactedError, LakeError */
export async function statesOf(
  served: ServedDataset,
  plan: QueryPlan,
  snapshot: Snapshot,
  connection: EngineConnection,
  panes: PaneRange,
): Promise<StatesAt> {
  const asked: StateRange = { ...panes, ...(await keyAsked(plan, snapshot, connection)) }
  const pins = Object.entries(snapshot.generation?.dictionaries ?? {})
  const views = viewsOf(plan)
  const [view] = views
  await served.lake.check([
    ...views.flatMap((view) => stateFiles(view, snapshot, asked)),
    ...pins.map(([, pin]) => pin.file),
  ])
  const bound = new BoundValues()
  const sql =
    plan.sides === null
      ? statesSql(view!, snapshot, served.lake, bound, await openTable(connection, view!, snapshot), asked)
      : new Map(views.map((view) => [view.name, statesSql(view, snapshot, served.lake, bound, null, asked)]))
  const dictionaries = new Map(pins.map(([name, pin]) => [name, readParquetSql([served.lake.resolve(pin.file)])]))
  return { snapshot, sql, bound, dictionaries, newestPane: new NewestPane() }
}

/** A view's states at a moment, of all layers together. */
export interface StatesAt {
  readonly snapshot: Snapshot
  /** relation of state rows */
  readonly sql: StatesSql
  /** what is bound in it already */
  readonly bound: BoundValues
  /** dictionary → relation of its pinned version */
  readonly dictionaries: ReadonlyMap<string, string>
  /** of these states */
  readonly newestPane: NewestPane
  /** where they are of an earlier definition of the view */
  readonly outdated?: Outdated | null
}

/**
 * From states to rows: filtered, merged, presented, ranked, enriched.
 * @param connection of the engine
 */
export async function answerStates(
  engine: DuckDbEngine,
  connection: EngineConnection,
  plan: QueryPlan,
  at: StatesAt,
  { nowMs = Date.now(), answerBytesMax = ANSWER_BYTES_MAX }: Pick<AnswerOptions, 'nowMs' | 'answerBytesMax'>,
): Promise<Answer> {
  const { snapshot, sql, bound, dictionaries, outdated } = at
  try {
    assertBounded(plan)
    const clock = new StepClock()
    const range = await rangeOf(plan, at, connection, nowMs)
    clock.over('range')
    const kept = narrowed(plan, range, snapshot.generation)
    const from = rowsSource(kept.plan, sql, kept.range, dictionaries, bound)
    const totals = plan.totals ? await totalsOf(connection, kept.plan, { sql: from.states, bound }, from.range) : null
    if (plan.totals) clock.over('totals')
    const enriched = enrichedSql(plan, rowsSql(kept.plan, from.states, from.range, bound), dictionaries)
    const said = { outdated, totals, removed: kept.removed }
    const columns = answerColumns(plan, enriched.names)
    const rowsOf = { sql: enriched.sql, columns }
    if (plan.paged) {
      const page = await firstPage(connection, plan, rowsOf, { ...at, range, ...said, nowMs, engine, answerBytesMax })
      clock.over(`${IN_ENGINE}, of all pages`)
      return { ...page, computed: { way: 'stores', steps: clock.steps } }
    }
    const { texts, estimated, isCut } = await rowTexts(connection, plan, rowsOf, bound, answerBytesMax)
    clock.over(IN_ENGINE)
    const most = rowsShownMax(plan)
    const rows = texts.slice(0, most)
    const truncated = isCut || texts.length > most
    const meta = metaOf({ plan, snapshot, range, nowMs, givenAtMs: Date.now(), truncated, estimated, ...said })
    const rowsJson = `[${rows.join(',')}]`
    clock.over('write rows and provenance')
    const computed = { way: 'stores', steps: clock.steps } as const
    return { rowsJson, rowCount: rows.length, columns, meta, snapshot, computed }
  } catch (error) {
    throw explained(error, plan)
  }
}

export function rowsSql(plan: QueryPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  if (plan.series !== null)
    return seriesRowsSql({ ...plan, series: plan.series }, usableSql(plan, statesOfView(states, plan.view)), bound)
  if (plan.derived.some(({ kind }) => kind === 'share'))
    return rankedSql(plan, sharedRowsSql(plan, states, range, bound), bound, '')
  if (plan.fill !== null || range.earlier !== undefined || plan.sides !== null)
    return rankedSql(plan, comparedRowsSql(plan, states, range, bound), bound)
  return answerSql(
    plan,
    filteredSql(plan.view, statesOfView(states, plan.view), range, plan.query.filters ?? [], bound),
    bound,
  )
}

/** A series looks back beyond its first row: not at what is left of a bucket whose other panes were removed. */
function usableSql({ detail }: QueryPlan, states: string): string {
  const fromMs = detail?.fromMs ?? null
  return fromMs === null ? states : `(SELECT * FROM ${states} WHERE pane >= ${fromMs}::BIGINT)`
}

/** What only the engine could tell: a zone that it does not know, or one whose buckets cut a pane. */
export function explained(error: unknown, plan: QueryPlan): unknown {
  const message = error instanceof Error ? error.message : ''
  if (/Unknown TimeZone/i.test(message)) return unknownTimezone(plan.timezone)
  const filled = filledRowsOf(message)
  if (filled !== null)
    return new QueryError(
      plan.series === null ? 'fill' : 'from',
      `filling the gaps of ${plan.series === null ? 'view' : 'series'} '${plan.name}' needs ${filled} rows (keys × buckets), more than filledRowsMax = ${QUERY_LIMITS.filledRowsMax}; ask for a shorter time, a longer grain or fewer keys`,
    )
  const cut = paneCutOf(message)
  if (plan.buckets === null || cut === null) return error
  const { grain, paneMs } = plan.buckets
  const pane = new Date(cut.paneStartMs).toISOString()
  const why = {
    offset: `the offset of ${plan.timezone} at ${pane} is not a multiple of the view's pane of ${paneMs / 60_000} minutes`,
    change: `the clocks of ${plan.timezone} change inside the pane of ${paneMs / 60_000} minutes that begins at ${pane}`,
  }[cut.by]
  return new QueryError(
    'timezone',
    `${why}, so its events cannot be assigned to one ${grain}; leave this time out with 'from' and 'to', query in UTC, or give the view a finer grain in its 'time'`,
  )
}

/** Files and partials of other panes need not be read, unless a series looks back, or fills gaps up to the newest pane. */
export function panesAsked(plan: QueryPlan, nowMs: number): PaneRange {
  if (plan.series !== null) return {}
  const range = askedRange(plan, nowMs)
  const earlier = range === null ? undefined : withEarlier(plan, range).earlier
  return { fromMs: earlier?.fromMs ?? range?.fromMs, beforeMs: range?.toMs }
}

/** @throws QueryError */
function withEarlier(plan: QueryPlan, range: AnswerRange): AnswerRange {
  const { shift, timezone, buckets, view, window } = plan
  const { fromMs, toMs } = range
  if (shift === undefined || fromMs === undefined || toMs === undefined || view.time.kind !== 'panes') return range
  const zone = window === null ? timezone : 'UTC'
  const asked = { shift, period: { fromMs, toMs }, grain: buckets?.grain, timezone: zone, paneMs: view.time.paneMs }
  return { ...range, earlier: earlierPeriod(asked) }
}

export async function rangeOf(
  plan: QueryPlan,
  states: StatesAt,
  connection: EngineConnection,
  nowMs: number,
): Promise<AnswerRange> {
  const { window } = plan
  const asked = askedRange(plan, nowMs)
  if (asked !== null || window === null) return withEarlier(plan, asked ?? {})
  return withEarlier(plan, windowUpTo(window, await latestMs(window.everyMs, states, connection, nowMs)))
}

/** End of the newest pane that does not begin in the future; now when there is none. */
async function latestMs(
  paneMs: number,
  { sql, bound, newestPane }: StatesAt,
  connection: EngineConnection,
  nowMs: number,
): Promise<number> {
  const pane = await newestPane.at(nowMs, connection, sql as string, bound)
  return pane === null ? nowMs : pane + paneMs
}

interface RowTexts {
  readonly texts: readonly string[]
  /** measure → rows whose value is an estimate */
  readonly estimated: ReadonlyMap<string, number>
  /** one of several windows has more rows than the limit */
  readonly isCut: boolean
}

/** Shown measures and columns whose values can be estimates: the relation of rows has a flag for each, `<name>__estimated`. */
export function sketchedNames(plan: QueryPlan): string[] {
  return [
    ...plan.measures.filter(({ exactness }) => exactness.kind === 'sketch').map(({ name }) => name),
    ...plan.columns.filter((column) => sketchesOf(plan.view, column).length > 0).map(({ name }) => name),
    ...plan.derived.filter(({ of }) => of.exactness.kind === 'sketch').map(({ name }) => name),
  ]
}

interface RowsOf {
  readonly sql: string
  readonly columns: readonly SqlColumn[]
}

async function rowTexts(
  connection: EngineConnection,
  plan: QueryPlan,
  rows: RowsOf,
  bound: BoundValues,
  answerBytesMax: number,
): Promise<RowTexts> {
  const sketches = sketchedNames(plan)
  const flags = [...sketches.map(flagOf), ...(plan.windows === null ? [] : [WINDOW_CUT])]
  const select = `SELECT ${[textSql(rows), ...flags].join(', ')} FROM (${rows.sql}) ORDER BY _n`
  const [texts, ...marks] = await boundedRows(connection, select, bound.parameters, answerBytesMax)
  return {
    texts: texts as string[],
    estimated: new Map(sketches.map((name, index) => [name, marks[index]!.filter((mark) => mark === true).length])),
    isCut: plan.windows !== null && marks[sketches.length]!.includes(true),
  }
}

/** All rows are stored; the first page of them is the answer. */
async function firstPage(
  connection: EngineConnection,
  plan: QueryPlan,
  rows: RowsOf,
  at: StatesAt &
    Required<Pick<AnswerOptions, 'nowMs' | 'answerBytesMax'>> & {
      range: AnswerRange
      totals: Totals | null
      removed: Removed | null
      engine: DuckDbEngine
    },
): Promise<Answer> {
  const { bound, engine, snapshot, range, totals, removed, nowMs, outdated, answerBytesMax } = at
  const flags = sketchedNames(plan)
  const select = `SELECT ${['_n', textSql(rows), ...flags.map(flagOf)].join(', ')} FROM (${rows.sql}) ORDER BY _n`
  const pages = pagedAnswersOf(engine)
  const stored = await pages.store(connection, { select, parameters: bound.parameters, flags })
  const [givenAtMs, estimated, said] = [Date.now(), stored.flagged, { outdated, totals, removed }]
  const meta = metaOf({ plan, snapshot, range, nowMs, givenAtMs, truncated: false, estimated, ...said })
  const answer = { query: plan.query, pageRows: plan.limit, columns: rows.columns, meta, snapshot }
  return pages.begin(connection, stored, answer, answerBytesMax)
}

function textSql({ columns }: RowsOf): string {
  const members = columns.map((column) => `${quoteText(column.name)}, ${memberSql(column)}`)
  return `json_object(${members.join(', ')})::VARCHAR`
}

function flagOf(name: string): string {
  return quoteName(`${name}__estimated`)
}
