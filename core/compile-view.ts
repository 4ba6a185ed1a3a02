/** Checks one view of a definition and compiles its SQL. */
import type { CompiledLookup, CompiledRank, CompiledView, SqlColumn } from './compiled.ts'
import type { DatasetDefinition, MeasureDefinition, ViewDefinition } from './definition.ts'
import { nearest } from './definition-error.ts'
import { DEFINITION_LIMITS, hashOf, NAME, storedColumn } from './definition-limits.ts'
import type { SqlDialect } from './dialect.ts'
import { checkExpression } from './expression.ts'
import { durationMs, type FixedGrain, GRAIN_MS, type Grain } from './grains.ts'
import { compiledMeasure, isNumeric, measureSql, wantsNumber, wantsSum } from './measures.ts'
import { quoteName } from './sql-names.ts'
import { decimalOf, storedValue } from './stored-value.ts'
import { emptyRelation, type ViewParts, viewSql } from './view-sql.ts'

export interface ViewInput {
  readonly definition: DatasetDefinition
  readonly name: string
  readonly view: ViewDefinition
  readonly rowColumns: readonly SqlColumn[]
  readonly dialect: SqlDialect
  /** problems found are added here */
  readonly problems: string[]
}

/** A row for which an expression fails (a cast, an overflow) gives NULL instead of stopping every later event. */
const tried = (expression: string): string =>
  NAME.test(expression.trim()) ? `(${expression}\n)` : `TRY((${expression}\n))`

const RESERVED = new Set(['pane', 'time', 'row'])
const CALENDAR = new Set<string>(['week', 'month', 'quarter', 'year'])

/** @returns null when a problem was found */
export async function compileView(input: ViewInput): Promise<CompiledView | null> {
  const before = input.problems.length
  const say = (where: string, problem: string): number =>
    input.problems.push(`view '${input.name}'${where === '' ? '' : `, ${where}`}: ${problem}`)
  const { definition, name, view, dialect } = input
  checkNames(name, view, say)
  const unnest = Object.entries(view.unnest ?? {}).map(([as, column]) => ({ name: as, column }))
  for (const { name: as, column } of unnest) {
    const type = definition.columns[column]?.type
    if (type === undefined)
      say(`unnest '${as}'`, `the column '${column}' is unknown${nearest(column, Object.keys(definition.columns))}`)
    else if (!type.endsWith('[]')) say(`unnest '${as}'`, `the column '${column}' is no list`)
    if (!NAME.test(as) || as in definition.columns)
      say(`unnest '${as}'`, `a name must match ${NAME.source} and not be a column's; choose another`)
  }
  const known = new Set([...Object.keys(definition.columns), ...unnest.map((entry) => entry.name)])
  const used = new Set<string>(unnest.map(({ column }) => column))
  const expressions: [string, string | undefined][] = [
    ['where', view.where],
    ...Object.entries(view.dimensions).map(([dimension, sql]): [string, string] => [`dimension '${dimension}'`, sql]),
    ...Object.entries(view.measures).flatMap(
      ([measure, { expression, denominator, where }]): [string, string | undefined][] => [
        [`measure '${measure}'`, expression],
        [`measure '${measure}', denominator`, denominator],
        [`measure '${measure}', where`, where],
      ],
    ),
  ]
  for (const [where, expression] of expressions) {
    const problem = expression === undefined ? null : await checkExpression(dialect, expression, known, used)
    if (problem) say(where, problem)
  }
  const panes = paneOf(view, say)
  if (input.problems.length > before || panes === null) return null
  return assemble(input, unnest, panes, used, say)
}

type Say = (where: string, problem: string) => void

function checkNames(name: string, view: ViewDefinition, say: Say): void {
  if (!NAME.test(name)) say('', `a name must match ${NAME.source}`)
  const seen = new Map<string, string>()
  const groups: [string, Readonly<Record<string, unknown>>, number][] = [
    ['dimension', view.dimensions, DEFINITION_LIMITS.dimensionsMax],
    ['measure', view.measures, DEFINITION_LIMITS.measuresMax],
    ['enrich', view.enrich ?? {}, DEFINITION_LIMITS.measuresMax],
  ]
  for (const [kind, names, most] of groups) {
    if (Object.keys(names).length > most) say('', `at most ${most} entries under ${kind}`)
    for (const entry of Object.keys(names)) {
      if (!NAME.test(entry) || entry.includes('__'))
        say(`${kind} '${entry}'`, `a name must match ${NAME.source}, without '__'`)
      if (RESERVED.has(entry)) say(`${kind} '${entry}'`, 'this name is reserved')
      if (seen.has(entry)) say(`${kind} '${entry}'`, `the name is already taken by a ${seen.get(entry)}`)
      seen.set(entry, kind)
    }
  }
  if (Object.keys(view.measures).length === 0) say('', 'a view has at least one measure')
}

interface Panes {
  readonly paneMs?: number
  readonly paneGrain?: FixedGrain
  readonly grains: readonly Grain[]
  readonly window?: { readonly sizeMs: number; readonly everyMs: number }
}

function paneOf(view: ViewDefinition, say: Say): Panes | null {
  if (view.window !== undefined && view.time !== undefined) {
    say('', 'has both time and window; a view has one of them')
    return null
  }
  try {
    if (view.window !== undefined) {
      const sizeMs = durationMs(view.window.size, 'window.size')
      const everyMs = durationMs(view.window.every, 'window.every')
      if (sizeMs % everyMs !== 0) {
        say('window', `its pane of ${view.window.every} does not divide its size of ${view.window.size}`)
        return null
      }
      const grains = [
        ...(Object.keys(GRAIN_MS) as FixedGrain[]).filter((grain) => GRAIN_MS[grain] % everyMs === 0),
        'week',
        'month',
        'quarter',
        'year',
      ] as Grain[]
      return {
        paneMs: everyMs,
        paneGrain: grainOf(everyMs),
        grains: 86_400_000 % everyMs === 0 ? grains : grains.filter((grain) => !CALENDAR.has(grain)),
        window: { sizeMs, everyMs },
      }
    }
  } catch (error) {
    say('window', (error as Error).message)
    return null
  }
  if (view.time === undefined || view.time.length === 0) return { grains: [] }
  const unknown = view.time.filter((grain) => !(grain in GRAIN_MS) && !CALENDAR.has(grain))
  if (unknown.length > 0) {
    say('time', `the grain '${unknown[0]}' is unknown; use ${[...Object.keys(GRAIN_MS), ...CALENDAR].join(', ')}`)
    return null
  }
  const fixed = view.time
    .filter((grain): grain is FixedGrain => grain in GRAIN_MS)
    .sort((a, b) => GRAIN_MS[a] - GRAIN_MS[b])
  const pane = fixed[0] ?? 'day'
  const odd = fixed.find((grain) => GRAIN_MS[grain] % GRAIN_MS[pane] !== 0)
  if (odd) {
    say('time', `the grain '${odd}' is no multiple of the finest one, '${pane}'`)
    return null
  }
  return { paneMs: GRAIN_MS[pane], paneGrain: pane, grains: view.time }
}

function grainOf(ms: number): FixedGrain | undefined {
  return (Object.keys(GRAIN_MS) as FixedGrain[]).find((grain) => GRAIN_MS[grain] === ms)
}

async function assemble(
  input: ViewInput,
  unnest: ViewParts['unnest'],
  panes: Panes,
  used: Set<string>,
  say: Say,
): Promise<CompiledView | null> {
  const { definition, name, view, rowColumns, dialect } = input
  const dimensions = Object.entries(view.dimensions).map(([dimension, sql]) => ({ name: dimension, sql: tried(sql) }))
  const inputs = Object.entries<MeasureDefinition>(view.measures).map(([measure, entry]) => ({
    measure,
    entry,
    x: valueSql(entry.kind === 'count' && entry.where !== undefined ? '1' : entry.expression, entry.where),
    y: valueSql(entry.denominator, entry.where),
  }))
  let source = emptyRelation(rowColumns)
  for (const { name: as, column } of unnest)
    source = `(SELECT *, unnest(${quoteName(column)}) AS ${quoteName(as)} FROM ${source})`
  const probe = [...dimensions.map(({ sql }) => sql), ...inputs.flatMap(({ x, y }) => [x || '1', y || '1'])]
  const types = (await describe(dialect, probe, source, say))?.map(({ type }) => type)
  if (types === undefined) return null
  const stored = (place: string, sql: string, type: string): { sql: string; type: string } => {
    const value = sql === '' ? { sql, type } : storedValue(sql, type)
    if (typeof value !== 'string') return value
    say(place, value)
    return { sql, type }
  }
  const groups = dimensions.map(({ name: dimension, sql }, index) => ({
    name: dimension,
    ...stored(`dimension '${dimension}'`, sql, types[index]!),
  }))
  const measures = inputs.map(({ measure, entry, x: valueX, y: valueY }, index) => {
    const at = dimensions.length + index * 2
    const { sql: x, type: xType } = stored(`measure '${measure}'`, valueX, types[at]!)
    const { sql: y, type: yType } = stored(`measure '${measure}', denominator`, valueY, types[at + 1]!)
    if (wantsNumber(entry.kind) && !isNumeric(types[at]!))
      say(`measure '${measure}'`, `${entry.kind} needs a number, but '${entry.expression}' is ${types[at]}`)
    if (entry.kind === 'ratio' && !isNumeric(types[at + 1]!))
      say(`measure '${measure}'`, `ratio needs a number, but '${entry.denominator}' is ${types[at + 1]}`)
    for (const [at, type] of [xType, yType].entries())
      if (wantsSum(entry.kind) && (decimalOf(type)?.digits ?? 0) > DEFINITION_LIMITS.sumDigitsMax)
        say(
          `measure '${measure}'${at === 0 ? '' : ', denominator'}`,
          `${entry.kind} of ${type} could need more than 38 digits; cast to at most ${DEFINITION_LIMITS.sumDigitsMax}, for example ::DECIMAL(28,2)`,
        )
    if (entry.kind === 'quantile' && !(entry.q! >= 0 && entry.q! <= 1))
      say(`measure '${measure}'`, `the quantile ${entry.q} is not between 0 and 1`)
    const names = {
      x: quoteName(`${measure}#x`),
      y: quoteName(`${measure}#y`),
      s: (part: string) => `${measure}__${part}`,
      unnested: unnest.length > 0,
    }
    return { name: measure, entry, x, y, sql: measureSql(entry, xType, yType, names) }
  })
  const dimensionColumns = groups.map((group) => ({ name: group.name, type: group.type }))
  const lookups = lookupsOf(
    view,
    [...dimensionColumns, ...measures.map((entry) => ({ name: entry.name, type: entry.sql.type }))],
    say,
  )
  const rank = await rankOf(view, dialect, say)
  if (input.problems.length > 0) return null
  const texts = viewSql({
    paneMs: panes.paneMs,
    dimensions: groups,
    unnest,
    where: view.where && tried(view.where),
    measures,
  })
  const columns = [...new Set([...used, definition.time])]
    .filter((column) => column in definition.columns)
    .sort()
    .map((column) => [column, storedColumn(definition.columns[column]!)])
  return {
    dataset: definition.name,
    name,
    label: view.label,
    hash: hashOf([texts.partialSql('rows'), definition.time, columns]),
    ...panes,
    rank,
    dimensions: dimensionColumns,
    measures: measures.map((entry) => compiledMeasure(entry.name, entry.entry, entry.sql)),
    lookups,
    stateColumns: [
      ...(panes.paneMs === undefined ? [] : [{ name: 'pane', type: 'BIGINT' }]),
      ...dimensionColumns,
      ...measures.flatMap((entry) => entry.sql.state),
    ],
    ...texts,
  }
}

function valueSql(expression: string | undefined, where: string | undefined): string {
  if (expression === undefined) return ''
  return where === undefined ? tried(expression) : `(CASE WHEN ${tried(where)} THEN ${tried(expression)} END)`
}

async function describe(
  dialect: SqlDialect,
  expressions: readonly string[],
  source: string,
  say: Say,
): Promise<readonly SqlColumn[] | undefined> {
  try {
    return await dialect.describe(
      `SELECT ${expressions.map((sql, index) => `(${sql}\n) AS c${index}`).join(', ')} FROM ${source}`,
    )
  } catch (error) {
    say('', `the engine can not type its expressions: ${(error as Error).message.split('\n')[0]}`)
    return undefined
  }
}

function lookupsOf(view: ViewDefinition, columns: readonly SqlColumn[], say: Say): CompiledLookup[] {
  return Object.entries(view.enrich ?? {}).map(([name, { dictionary, key, attribute }]) => {
    const column = columns.find((entry) => entry.name === key)
    if (column === undefined)
      say(
        `enrich '${name}'`,
        `the key '${key}' is no dimension or measure${nearest(
          key,
          columns.map((entry) => entry.name),
        )}`,
      )
    return { name, dictionary, key, attribute, list: column?.type.endsWith('[]') ?? false }
  })
}

async function rankOf(view: ViewDefinition, dialect: SqlDialect, say: Say): Promise<CompiledRank | undefined> {
  const { rank } = view
  if (rank === undefined) return undefined
  const measures = Object.keys(view.measures)
  if (!measures.includes(rank.by)) say('rank', `'${rank.by}' is no measure${nearest(rank.by, measures)}`)
  if (!Number.isInteger(rank.limit) || rank.limit < 1 || rank.limit > 10_000)
    say('rank', `limit ${rank.limit} is not between 1 and 10,000`)
  for (const dimension of rank.dimensions ?? []) {
    if (!(dimension in view.dimensions))
      say('rank', `'${dimension}' is no dimension${nearest(dimension, Object.keys(view.dimensions))}`)
  }
  if (rank.having !== undefined) {
    const problem = await checkExpression(dialect, rank.having, new Set(measures), new Set())
    if (problem) say('rank, having', problem)
  }
  return {
    by: rank.by,
    limit: rank.limit,
    dimensions: rank.dimensions ?? Object.keys(view.dimensions),
    having: rank.having,
  }
}
