/** Checks one series of a definition and compiles its calculations. */
import type { CompiledSeries, CompiledSeriesColumn, CompiledView, SeriesStep, SqlColumn } from '../compiled.ts'
import { nearest } from '../definition-error.ts'
import { DEFINITION_LIMITS, NAME } from '../definition-limits.ts'
import type { SeriesColumnDefinition, SeriesDefinition, SeriesFill } from '../definition-parts.ts'
import type { SqlDialect } from '../dialect.ts'
import { checkExpression, expressionSql } from '../expression.ts'
import { rowOfNulls, sayFailing } from '../failing-constants.ts'
import type { Grain } from '../grains.ts'
import { isNumeric } from '../measures/number-types.ts'
import { quoteName } from '../sql-names.ts'
import { storedValue } from '../stored-value.ts'
import { RESERVED_NAMES } from '../view-names.ts'
import type { Say } from '../view-panes.ts'
import { emptyRelation } from '../view-sql.ts'
import { hasPanes, type PanedView } from '../view-time.ts'
import { CALCULATIONS } from './calculations.ts'
import { reachMs, recurrenceOf, recurrenceProblems } from './recurrence.ts'
import { inOrder } from './series-order.ts'
import { calculatedSql } from './series-sql.ts'

export interface SeriesInput {
  readonly name: string
  readonly series: SeriesDefinition
  /** the dataset's */
  readonly views: ReadonlyMap<string, CompiledView>
  readonly dialect: SqlDialect
  /** problems found are added here */
  readonly problems: string[]
}

/** A column, with the names that its expression uses. */
interface Read {
  readonly name: string
  readonly definition: SeriesColumnDefinition
  readonly used: readonly string[]
}

/** @returns null when a problem was found */
export async function compileSeries(input: SeriesInput): Promise<CompiledSeries | null> {
  const { name, series, problems } = input
  const before = problems.length
  const say: Say = (where, problem) => problems.push(`series '${name}'${where === '' ? '' : `, ${where}`}: ${problem}`)
  const over = viewOf(input, say)
  if (over === null) return null
  checkParts(series, over, say)
  const columns = Object.entries(series.columns).map(([column, text]): [string, SeriesColumnDefinition] => [
    column,
    typeof text === 'string' ? { kind: 'expression', expression: text } : text,
  ])
  checkNames(columns, over, say)
  for (const [column, definition] of columns)
    checkRows(column, definition, over.time.grains.includes(series.grain) ? series.grain : null, say)
  const read = await readColumns(columns, over, input.dialect, say)
  if (problems.length > before) return null
  const ordered = inOrder(read)
  if ('circle' in ordered) {
    say(`column '${ordered.circle[0]}'`, `it is calculated from itself, by way of ${ordered.circle.join(' → ')}`)
    return null
  }
  const compiled = await compileColumns(ordered.order, over, input.dialect, say)
  if (problems.length > before) return null
  const values = [...over.measures, ...compiled.values()]
  const expressions = columns.map(([column, { expression }]) => ({ place: `column '${column}'`, expression }))
  await sayFailing(input.dialect, expressions, new Set(values.map((value) => value.name)), rowOfNulls(values), say)
  if (problems.length > before) return null
  return {
    dataset: over.dataset,
    name,
    label: series.label,
    over,
    by: series.by ?? over.dimensions.map((dimension) => dimension.name),
    grain: series.grain,
    fill: fillOf(series, over),
    columns: columns.map(([column]) => compiled.get(column)!),
  }
}

function viewOf({ series, views }: SeriesInput, say: Say): (CompiledView & PanedView) | null {
  const view = views.get(series.over)
  if (view === undefined) {
    say('over', `'${series.over}' is not a view${nearest(series.over, views.keys())}`)
    return null
  }
  if (hasPanes(view)) return view
  say('over', `view '${view.name}' has no event time; a series needs a view with time or a window`)
  return null
}

function checkParts(series: SeriesDefinition, over: PanedView, say: Say): void {
  const { grains } = over.time
  if (!grains.includes(series.grain))
    say('grain', `'${series.grain}' is not a grain of view '${over.name}'; use one of ${grains.join(', ')}`)
  const dimensions = over.dimensions.map(({ name }) => name)
  for (const name of series.by ?? [])
    if (!dimensions.includes(name))
      say('by', `'${name}' is not a dimension of view '${over.name}'${nearest(name, dimensions)}`)
  if (new Set(series.by).size !== (series.by ?? []).length) say('by', 'a dimension is given more than once')
  checkFill(series, over, say)
}

const FILLS: readonly SeriesFill[] = [null, 0, 'previous']

function checkFill({ fill }: SeriesDefinition, over: PanedView, say: Say): void {
  if (fill === undefined) return
  const isNone = (one: SeriesFill): boolean => !FILLS.includes(one)
  const noneText = (one: SeriesFill): string =>
    `'${one}' is not one of null, 0, 'previous'${nearest(String(one), ['previous'])}`
  const types = new Map(over.measures.map(({ name, type }) => [name, type]))
  if (fill === null || typeof fill !== 'object') {
    if (isNone(fill)) say('fill', noneText(fill))
    const others = fill === 0 ? over.measures.filter(({ type }) => !isNumeric(type)) : []
    for (const { name, type } of others) say('fill', noZeroText(name, type))
    return
  }
  for (const [name, one] of Object.entries(fill)) {
    const type = types.get(name)
    if (type === undefined)
      say('fill', `'${name}' is not a measure of view '${over.name}'${nearest(name, types.keys())}`)
    else if (one === 0 && !isNumeric(type)) say('fill', noZeroText(name, type))
    if (isNone(one)) say('fill', `measure '${name}': ${noneText(one)}`)
  }
}

function noZeroText(measure: string, type: string): string {
  return `0 is not a value of measure '${measure}', which has type ${type}; give each measure its own, or use null or 'previous'`
}

function fillOf({ fill }: SeriesDefinition, over: CompiledView): CompiledSeries['fill'] {
  if (fill === undefined) return null
  const of = (name: string): SeriesFill => (fill !== null && typeof fill === 'object' ? (fill[name] ?? null) : fill)
  return new Map(over.measures.map(({ name }) => [name, of(name)]))
}

function checkNames(columns: readonly [string, unknown][], over: CompiledView, say: Say): void {
  if (columns.length === 0 || columns.length > DEFINITION_LIMITS.measuresMax)
    say('', `a series must have 1 to ${DEFINITION_LIMITS.measuresMax} columns`)
  const taken = new Map<string, string>([
    ...over.dimensions.map(({ name }): [string, string] => [name, 'dimension']),
    ...over.measures.map(({ name }): [string, string] => [name, 'measure']),
    ...over.lookups.map(({ name }): [string, string] => [name, 'lookup']),
  ])
  for (const [name] of columns) {
    if (!NAME.test(name) || name.includes('__'))
      say(`column '${name}'`, `a name must match ${NAME.source}, without '__'`)
    if (RESERVED_NAMES.has(name)) say(`column '${name}'`, 'this name is reserved')
    if (taken.has(name))
      say(`column '${name}'`, `the name is already used by a ${taken.get(name)} of view '${over.name}'`)
  }
}

/** @param grain of the rows; null: it has a problem of its own */
function checkRows(column: string, definition: SeriesColumnDefinition, grain: Grain | null, say: Say): void {
  const { kind, rows } = definition
  if (kind === 'usual') for (const problem of recurrenceProblems(definition, grain)) say(`column '${column}'`, problem)
  const { rowsMin } = CALCULATIONS[kind]
  if (rowsMin === null) return
  const least = kind === 'movingStddev' ? 2 : rowsMin
  if (!Number.isInteger(rows) || rows! < least || rows! > DEFINITION_LIMITS.seriesRowsMax)
    say(
      `column '${column}'`,
      `${kind} over ${rows} rows; use an integer from ${least} to ${DEFINITION_LIMITS.seriesRowsMax}`,
    )
}

async function readColumns(
  columns: readonly [string, SeriesColumnDefinition][],
  over: CompiledView,
  dialect: SqlDialect,
  say: Say,
): Promise<Read[]> {
  const known = new Set([...over.measures.map(({ name }) => name), ...columns.map(([name]) => name)])
  const read: Read[] = []
  for (const [name, definition] of columns) {
    const used = new Set<string>()
    for (const problem of await checkExpression(dialect, definition.expression, known, used))
      say(`column '${name}'`, problem)
    read.push({ name, definition, used: [...used] })
  }
  return read
}

async function compileColumns(
  columns: readonly Read[],
  over: CompiledView,
  dialect: SqlDialect,
  say: Say,
): Promise<ReadonlyMap<string, CompiledSeriesColumn>> {
  const known: SqlColumn[] = over.measures.map(({ name, type }) => ({ name, type }))
  const done = new Map<string, CompiledSeriesColumn>()
  for (const column of columns) {
    const compiled = await compileColumn(column, { known, done, dialect })
    if (typeof compiled === 'string') {
      say(`column '${column.name}'`, compiled)
      return done
    }
    known.push({ name: compiled.name, type: compiled.type })
    done.set(compiled.name, compiled)
  }
  return done
}

/** what rows have beside keys and values while they are calculated */
const TIMES: readonly SqlColumn[] = ['time', '#wall', '#begin'].map((name) => ({ name, type: 'BIGINT' }))

interface Compiling {
  /** measures, and the columns that are done */
  readonly known: readonly SqlColumn[]
  readonly done: ReadonlyMap<string, CompiledSeriesColumn>
  readonly dialect: SqlDialect
}

/** @returns a sentence if there is a problem */
async function compileColumn(read: Read, compiling: Compiling): Promise<CompiledSeriesColumn | string> {
  const { name, definition, used } = read
  const { kind, expression, label } = definition
  const { known, done, dialect } = compiling
  const names = new Set(known.map((column) => column.name))
  const isBare = names.has(expression.trim())
  const value = await inputOf(isBare ? quoteName(expression.trim()) : `TRY((${expressionSql(expression, names)}))`)
  if (typeof value === 'string') return value
  if (CALCULATIONS[kind].numeric && !isNumeric(value.type))
    return `${kind} requires a numeric expression, but '${expression}' has type ${value.type}`
  const rows = definition.rows ?? 0
  const recurrence = kind === 'usual' ? recurrenceOf(definition) : null
  const inner = { text: isBare ? null : value.sql, used, type: value.type, rows, recurrence }
  const own: SeriesStep[] = []
  if (kind === 'rsi') {
    const change = `${name}#change`
    own.push({ ...inner, name: change, kind: 'difference', rows: 1, result: asIs })
    own.push({ name, kind, text: null, used: [change], type: 'DOUBLE', rows, recurrence, result: asIs })
  } else own.push({ ...inner, name, kind, result: asIs })
  const [described] = await dialect.describe(
    `SELECT ${quoteName(name)} FROM ${calculatedSql(emptyRelation([...TIMES, ...known]), own, [])}`,
  )
  const result = shownValue(described!.type)
  if (result === null)
    return `'${expression}' has type ${described!.type}, which cannot be shown; cast it, for example ::VARCHAR, ::BIGINT, ::DECIMAL(28,2) or ::DOUBLE`
  const steps = own.map((step) => (step.name === name ? { ...step, result: result.form } : step))
  const inputs = used.flatMap((one) => done.get(one) ?? [])
  const back = steps.map((step) => CALCULATIONS[step.kind].rowsBack(step.rows))
  return {
    name,
    type: result.type,
    kind,
    expression,
    rows: CALCULATIONS[kind].rowsMin === null ? null : rows,
    recurrence,
    label,
    measures: [...new Set(used.flatMap((one) => done.get(one)?.measures ?? [one]))],
    steps: [...new Set([...inputs.flatMap((one) => one.steps), ...steps])],
    rowsBack: added(inputs.length === 0 ? 0 : most(inputs.map(({ rowsBack }) => rowsBack)), back.reduce(added, 0)),
    reachMs: Math.max(0, ...inputs.map((one) => one.reachMs)) + (recurrence === null ? 0 : reachMs(recurrence)),
    across: inputs.some(({ across }) => across) || CALCULATIONS[kind].across,
  }

  async function inputOf(sql: string): Promise<{ sql: string; type: string } | string> {
    try {
      const [described] = await dialect.describe(`SELECT ${sql} AS x FROM ${emptyRelation(known)}`)
      const shown = shownValue(described!.type)
      return shown === null ? { sql, type: described!.type } : { sql: shown.form(sql), type: shown.type }
    } catch (error) {
      return `the engine cannot determine the type of '${expression}': ${(error as Error).message.split('\n')[0]}`
    }
  }
}

function asIs(sql: string): string {
  return sql
}

/** The form in which a value of the type is calculated with and shown; null: there is none. */
function shownValue(type: string): { readonly type: string; readonly form: (sql: string) => string } | null {
  if (/^U?HUGEINT$/.test(type)) return { type: 'DECIMAL(38,0)', form: (sql) => `TRY((${sql})::DECIMAL(38,0))` }
  const value = storedValue('_', type)
  if (typeof value === 'string') return null
  return { type: value.type, form: (sql) => (storedValue(sql, type) as { sql: string }).sql }
}

function added(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b
}

function most(counts: readonly (number | null)[]): number | null {
  return counts.includes(null) ? null : Math.max(...(counts as number[]))
}
