/** Checks one view of a definition and compiles its SQL. */
import type { CompiledView, SqlColumn, ViewTime } from './compiled.ts'
import type { DatasetDefinition, MeasureDefinition, ViewDefinition } from './definition.ts'
import { nearest } from './definition-error.ts'
import { DEFINITION_LIMITS, hashOf, NAME, storedAccept } from './definition-limits.ts'
import type { SqlDialect } from './dialect.ts'
import { checkExpression, expressionSql } from './expression.ts'
import { sayUnlessBoolean, typesOf } from './expression-types.ts'
import { type Placed, rowOfNulls, sayFailing } from './failing-constants.ts'
import { compiledMeasure, measureSql, wantsCondition, wantsNumber, wantsNumbers, wantsSum } from './measures/by-kind.ts'
import { whyBoundsUnusable } from './measures/histogram.ts'
import { isNumeric } from './measures/number-types.ts'
import { unitProblems } from './names-for-people.ts'
import { quoteName } from './sql-names.ts'
import { decimalOf, storedValue } from './stored-value.ts'
import { KEEPS_VALUE, type SizedInput, type SizedValue, sizedValue, type Unnested } from './value-sizes.ts'
import { RESERVED_NAMES } from './view-names.ts'
import { type Say, timeOf } from './view-panes.ts'
import { lookupsOf, rankOf } from './view-rank.ts'
import { emptyRelation, type ViewParts, viewSql } from './view-sql.ts'

export interface ViewInput {
  readonly definition: DatasetDefinition
  readonly name: string
  /** what problems call it; default: view */
  readonly what?: 'grouping'
  readonly view: ViewDefinition
  readonly rowColumns: readonly SqlColumn[]
  readonly dialect: SqlDialect
  /** problems found are added here */
  readonly problems: string[]
  /** values with a size limit that the view keeps are added here */
  readonly sized: SizedValue[]
  /** by column: what determines its values */
  readonly stored: ReadonlyMap<string, unknown>
  /** columns and all that they are derived from */
  inputsOf(names: readonly string[]): ReadonlySet<string>
}

/** A row for which an expression fails (a cast, an overflow) gives NULL instead of stopping every later event. */
function tried(expression: string, known: ReadonlySet<string>): string {
  const sql = expressionSql(expression, known)
  return known.has(expression.trim()) ? sql : `TRY((${sql}))`
}

/** @returns null when a problem was found */
export async function compileView(input: ViewInput): Promise<CompiledView | null> {
  const before = input.problems.length
  const say = (where: string, problem: string): number =>
    input.problems.push(`${input.what ?? 'view'} '${input.name}'${where === '' ? '' : `, ${where}`}: ${problem}`)
  const { definition, name, view, dialect } = input
  checkNames(name, view, say)
  const columns = new Set(Object.keys(definition.columns))
  const used = new Set<string>()
  const unnest: Unnested[] = []
  for (const [as, list] of Object.entries(view.unnest ?? {})) {
    for (const problem of await listProblems(input, list, columns, used)) say(`unnest '${as}'`, problem)
    unnest.push({ name: as, list: tried(list, columns) })
    if (!NAME.test(as) || as in definition.columns)
      say(`unnest '${as}'`, `a name must match ${NAME.source} and differ from all column names`)
  }
  const known = new Set([...Object.keys(definition.columns), ...unnest.map((entry) => entry.name)])
  const expressions = expressionsOf(view)
  for (const { place, expression } of expressions.slice(unnest.length))
    for (const problem of await checkExpression(dialect, expression, known, used)) say(place, problem)
  const time = timeOf(view, say)
  if (input.problems.length > before || time === null) return null
  const compiled = await assemble(input, unnest, time, { known, used }, say)
  if (input.problems.length > before) return null
  const row = `(SELECT *${unnest.map(({ name: as, list }) => `, (${list})[1] AS ${quoteName(as)}`).join('')} FROM ${rowOfNulls(input.rowColumns)})`
  await sayFailing(dialect, expressions, known, row, say)
  return input.problems.length > before ? null : compiled
}

/** What a view computes per row, with its place; first what it unnests. */
function expressionsOf({ unnest = {}, where, dimensions, measures }: ViewDefinition): Placed[] {
  const all: [string, string | undefined][] = [
    ...Object.entries(unnest).map(([as, list]): [string, string] => [`unnest '${as}'`, list]),
    ['where', where],
    ...Object.entries(dimensions).map(([dimension, sql]): [string, string] => [`dimension '${dimension}'`, sql]),
    ...Object.entries(measures).flatMap(
      ([measure, { expression, denominator, second, where }]): [string, string | undefined][] => [
        [`measure '${measure}'`, expression],
        [`measure '${measure}', denominator`, denominator],
        [`measure '${measure}', second value`, second],
        [`measure '${measure}', where`, where],
      ],
    ),
  ]
  return all.flatMap(([place, expression]) => (expression === undefined ? [] : [{ place, expression }]))
}

/** Why an unnest expression is not a list, as sentences. */
async function listProblems(
  { definition, rowColumns, dialect }: ViewInput,
  text: string,
  columns: ReadonlySet<string>,
  used: Set<string>,
): Promise<readonly string[]> {
  const name = text.trim()
  const type = definition.columns[name]?.type
  if (type !== undefined) {
    used.add(name)
    return type.endsWith('[]') ? [] : [`column '${name}' is not a list`]
  }
  if (NAME.test(name)) return [`unknown column '${name}'${nearest(name, [...columns])}`]
  const problems = [...(await checkExpression(dialect, text, columns, used))]
  if (problems.length > 0) return problems
  const list = { place: '', sql: tried(text, columns) }
  const [given] = await typesOf(dialect, [list], emptyRelation(rowColumns), (_, why) => problems.push(why))
  if (given !== undefined && !given.endsWith('[]')) return [`'${text}' must be a list, but has type ${given}`]
  return problems
}

function checkNames(name: string, view: ViewDefinition, say: Say): void {
  if (!NAME.test(name)) say('', `a name must match ${NAME.source}`)
  const seen = new Map<string, string>()
  const groups: [string, Readonly<Record<string, unknown>>, number][] = [
    ['dimension', view.dimensions, DEFINITION_LIMITS.dimensionsMax],
    ['measure', view.measures, DEFINITION_LIMITS.measuresMax],
    ['enrich', view.enrich ?? {}, DEFINITION_LIMITS.measuresMax],
  ]
  for (const [kind, names, most] of groups) {
    if (Object.keys(names).length > most) say('', `more than ${most} entries under ${kind}`)
    for (const entry of Object.keys(names)) {
      if (!NAME.test(entry) || entry.includes('__'))
        say(`${kind} '${entry}'`, `a name must match ${NAME.source}, without '__'`)
      if (RESERVED_NAMES.has(entry)) say(`${kind} '${entry}'`, 'this name is reserved')
      if (seen.has(entry)) say(`${kind} '${entry}'`, `the name is already used by a ${seen.get(entry)}`)
      seen.set(entry, kind)
    }
  }
  if (Object.keys(view.measures).length === 0) say('', 'at least one measure is needed')
}

async function assemble(
  input: ViewInput,
  unnest: ViewParts['unnest'],
  time: ViewTime,
  { known, used }: { readonly known: ReadonlySet<string>; readonly used: ReadonlySet<string> },
  say: Say,
): Promise<CompiledView | null> {
  const { definition, name, view, rowColumns, dialect } = input
  const dimensions = Object.entries(view.dimensions).map(([dimension, sql]) => ({
    name: dimension,
    sql: tried(sql, known),
  }))
  const inputs = Object.entries<MeasureDefinition>(view.measures).map(([measure, entry]) => ({
    measure,
    entry,
    x: valueSql(entry.kind === 'count' && entry.where !== undefined ? '1' : entry.expression, entry.where, known),
    y: valueSql(entry.denominator ?? entry.second, entry.where, known),
  }))
  let source = emptyRelation(rowColumns)
  for (const { name: as, list } of unnest) source = `(SELECT *, unnest(${list}) AS ${quoteName(as)} FROM ${source})`
  const conditions: readonly (readonly [string, string | undefined])[] = [
    ['where', view.where],
    ...inputs.map(({ measure, entry }) => [`measure '${measure}', where`, entry.where] as const),
  ]
  const probe = [
    ...dimensions.map(({ name: dimension, sql }) => ({ place: `dimension '${dimension}'`, sql })),
    ...inputs.flatMap(({ measure, entry, x, y }) => [
      { place: `measure '${measure}'`, sql: x || '1' },
      { place: `measure '${measure}', ${secondName(entry.kind)}`, sql: y || '1' },
    ]),
    ...conditions.map(([place, condition]) => ({
      place,
      sql: condition === undefined ? 'true' : tried(condition, known),
    })),
  ]
  const types = await typesOf(dialect, probe, source, say)
  if (types.length === 0) return null
  for (const [index, [place, condition]] of conditions.entries())
    sayUnlessBoolean(say, place, condition, types.at(index - conditions.length)!)
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
    const { sql: y, type: yType } = stored(`measure '${measure}', ${secondName(entry.kind)}`, valueY, types[at + 1]!)
    for (const problem of unitProblems(entry.unit)) say(`measure '${measure}'`, problem)
    if (wantsNumber(entry.kind) && !isNumeric(types[at]!))
      say(
        `measure '${measure}'`,
        `${entry.kind} requires a numeric expression, but '${entry.expression}' has type ${types[at]}`,
      )
    if (wantsNumbers(entry.kind) && !isNumeric(types[at + 1]!))
      say(
        `measure '${measure}'`,
        `${entry.kind} requires a numeric expression, but '${entry.denominator ?? entry.second}' has type ${types[at + 1]}`,
      )
    if (wantsCondition(entry.kind)) sayUnlessBoolean(say, `measure '${measure}'`, entry.expression, types[at]!)
    const bounds = entry.bounds === undefined ? null : whyBoundsUnusable(entry.bounds)
    if (bounds !== null) say(`measure '${measure}'`, bounds)
    for (const [at, type] of [xType, yType].entries())
      if (wantsSum(entry.kind) && (decimalOf(type)?.digits ?? 0) > DEFINITION_LIMITS.sumDigitsMax)
        say(
          `measure '${measure}'${at === 0 ? '' : ', denominator'}`,
          `${entry.kind} of ${type} may need more than 38 digits; cast to at most ${DEFINITION_LIMITS.sumDigitsMax} digits, for example ::DECIMAL(28,2)`,
        )
    if (entry.kind === 'quantile' && !(entry.q! >= 0 && entry.q! <= 1))
      say(`measure '${measure}'`, `the quantile ${entry.q} is not between 0 and 1`)
    const sql = measureSql({
      definition: entry,
      type: xType,
      second: yType,
      x: quoteName(`${measure}#x`),
      y: quoteName(`${measure}#y`),
      s: (part) => `${measure}__${part}`,
      unnested: unnest.length > 0,
    })
    return { name: measure, entry, x, type: xType, y, second: yType, sql }
  })
  const limited = (what: string, limit: SizedInput['limit'], { sql, type }: { sql: string; type: string }): void => {
    const value = sizedValue({
      what: `${what} of view '${name}'`,
      limit,
      sql,
      type,
      unnest,
      columns: definition.columns,
    })
    if (value !== null) input.sized.push(value)
  }
  for (const group of groups) limited(`dimension '${group.name}'`, 'dimensionBytesMax', group)
  for (const { name: measure, entry, x, type, y, second } of measures)
    if (KEEPS_VALUE.has(entry.kind)) {
      limited(`measure '${measure}'`, 'measureBytesMax', { sql: x, type })
      if (y !== '') limited(`measure '${measure}', second value`, 'measureBytesMax', { sql: y, type: second })
    }
  const dimensionColumns = groups.map((group) => ({ name: group.name, type: group.type }))
  const presented = measures.map((entry) => ({ name: entry.name, type: entry.sql.type }))
  const lookups = lookupsOf(view, [...dimensionColumns, ...presented], say)
  const rank = await rankOf(view, presented, dialect, say)
  if (input.problems.length > 0) return null
  const texts = viewSql({
    time,
    timeColumn: definition.time,
    dimensions: groups,
    unnest,
    where: view.where && tried(view.where, known),
    measures,
  })
  const named = [...used, definition.time].filter((column) => column in definition.columns)
  const reads = [...input.inputsOf(named)].sort()
  return {
    dataset: definition.name,
    name,
    label: view.label,
    description: view.description,
    hash: hashOf([
      texts.meaning,
      definition.time,
      [...new Set(named)].sort().map((column) => [column, input.stored.get(column)]),
      ...storedAccept(definition),
    ]),
    time,
    isUnnested: unnest.length > 0,
    reads,
    rank,
    dimensions: dimensionColumns,
    measures: measures.map((entry) => compiledMeasure(entry.name, entry.entry, entry.sql)),
    lookups,
    stateColumns: [
      ...(time.kind === 'panes' ? [{ name: 'pane', type: 'BIGINT' }] : []),
      ...dimensionColumns,
      ...measures.flatMap((entry) => entry.sql.state),
    ],
    ...texts,
  }
}

function secondName(kind: MeasureDefinition['kind']): string {
  return kind === 'ratio' ? 'denominator' : 'second value'
}

function valueSql(expression: string | undefined, where: string | undefined, known: ReadonlySet<string>): string {
  if (expression === undefined) return ''
  const value = expression === '1' ? '1' : tried(expression, known)
  return where === undefined ? value : `(CASE WHEN ${tried(where, known)} THEN ${value} END)`
}
