/** Compiles a definition into the form that every tier works with. Collects all problems, each with its place, before it fails. */

import { acceptedTimes, notAcceptedSql } from './accepted-times.ts'
import { eventCheck } from './check-event.ts'
import { columnProblems } from './column-problems.ts'
import { isColumnType, KEY_TYPES, RAW, TABLES } from './column-types.ts'
import { compileDecode } from './compile-decode.ts'
import { compileView } from './compile-view.ts'
import type { CompiledDataset, CompiledGrouping, CompiledSeries, CompiledView, SqlColumn } from './compiled.ts'
import type { ColumnDefinition, DatasetDefinition } from './definition.ts'
import { DefinitionError, nearest } from './definition-error.ts'
import { DEFINITION_LIMITS, hashOf, NAME, storedAccept, storedColumn } from './definition-limits.ts'
import { restOf } from './definition-rest.ts'
import { shapeProblems } from './definition-shape.ts'
import { type Derivation, derivationsOf, withInputs } from './derived-columns.ts'
import { derivedReasonSql } from './derived-reasons.ts'
import type { SqlDialect } from './dialect.ts'
import { durationMs } from './grains.ts'
import { compileGrouping } from './groupings/compile-grouping.ts'
import { keptPanesOf, panesKept, rawKeptMs, whyTooShort } from './kept-times.ts'
import { compileDashboard } from './panels/compile-dashboard.ts'
import { decides } from './read-columns.ts'
import { compileSeries } from './series/compile-series.ts'
import { sinkProblems } from './sink-shape.ts'
import { durationProblem, sourceProblems } from './source-shape.ts'
import { type SizedValue, tooLargeConditions, tooLargeReasonSql } from './value-sizes.ts'

/** more than the steps of checks that depend on one another: members, columns, expressions, types, series and groupings, panels */
const ROUNDS_MAX = 16

/** Problems of a compiled dataset that other parts of the program find, each beginning with its place. */
export type FurtherProblems = (dataset: CompiledDataset) => Promise<readonly string[]>

/**
 * Checks and compiles a definition. What has a problem is left out together with what refers to it, and the rest is checked again: so all
 * problems are found at once, but none that follows from another one.
 * @param further asked once everything else is right
 * @throws DefinitionError that lists every problem with its place
 */
export async function compileDataset(
  definition: DatasetDefinition,
  dialect: SqlDialect,
  further: FurtherProblems = async () => [],
): Promise<CompiledDataset> {
  const problems = new Set<string>()
  let rest = definition
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const { dataset, found } = await compileOrFind(rest, dialect, further)
    if (dataset !== null && found.length === 0 && problems.size === 0) return dataset
    for (const problem of found) problems.add(problem)
    const less = found.length === 0 ? null : restOf(rest, found)
    if (less === null) break
    rest = less
  }
  throw new DefinitionError(definition?.name, [...problems])
}

async function compileOrFind(
  definition: DatasetDefinition,
  dialect: SqlDialect,
  further: FurtherProblems,
): Promise<{ readonly dataset: CompiledDataset | null; readonly found: readonly string[] }> {
  try {
    const dataset = await compileChecked(definition, dialect)
    return { dataset, found: await further(dataset) }
  } catch (error) {
    if (error instanceof DefinitionError) return { dataset: null, found: error.problems }
    throw error
  }
}

/** Checks step by step. @throws DefinitionError with all problems of the first step that fails */
async function compileChecked(definition: DatasetDefinition, dialect: SqlDialect): Promise<CompiledDataset> {
  const problems = shapeProblems(definition)
  if (problems.length === 0) checkDataset(definition, problems)
  if (problems.length > 0) throw new DefinitionError(definition?.name, problems)
  const derivations = await derivationsOf(definition.columns, dialect, problems)
  if (problems.length > 0) throw new DefinitionError(definition.name, problems)
  const notAccepted = notAcceptedSql(acceptedTimes(definition))
  const decode = compileDecode(definition.columns, definition.time, notAccepted, derivations)
  if ('problems' in decode) throw new DefinitionError(definition.name, decode.problems)

  const columns = Object.entries<ColumnDefinition>(definition.columns)
  const stored = storedColumns(definition.columns, derivations)
  const rowColumns: SqlColumn[] = [...SYSTEM_TYPES, ...columns.map(([name, { type }]) => ({ name, type }))]
  const views = new Map<string, CompiledView>()
  const sized: SizedValue[] = []
  for (const [name, view] of Object.entries(definition.views)) {
    const compiled = await compileView({
      definition,
      name,
      view,
      rowColumns,
      dialect,
      problems,
      sized,
      stored,
      inputsOf: (names) => withInputs(names, derivations),
    })
    if (compiled) views.set(name, compiled)
  }
  const kept = panesKept(definition)
  for (const { name, time } of views.values()) {
    const problem = whyTooShort(time, kept)
    if (problem !== null) problems.push(`view '${name}': ${problem}`)
  }
  const series = await compileAllSeries(definition, views, dialect, problems)
  const groupings = await compileAllGroupings(definition, views, dialect, problems)
  // Problems of views and series are reported alone: what a panel names may be missing because of them.
  if (problems.length > 0) throw new DefinitionError(definition.name, problems)
  const named = { named: definition.dashboard, columns: Object.keys(definition.columns) }
  const dashboard = compileDashboard({ ...named, views, series, groupings, problems })
  if (problems.length > 0) throw new DefinitionError(definition.name, problems)
  const check = eventCheck(definition)
  const derivedReason = derivedReasonSql(derivations, definition.time, notAccepted)
  const compiledColumns = columns.map(([name, { type, path, as, required, onError, label, description }]) => ({
    name,
    type,
    path: path ?? null,
    as: as ?? null,
    required: required ?? false,
    onError: onError ?? 'null',
    source: hashOf(stored.get(name)),
    label,
    description,
  }))
  const decodeOf = (names: readonly string[]) => partialDecode(definition, names, derivations, notAccepted)
  const dataset: Omit<CompiledDataset, 'deciding'> = {
    name: definition.name,
    definition,
    label: definition.label,
    description: definition.description,
    schemaHash: hashOf([
      definition.time,
      columns.map(([name]) => [name, stored.get(name)]),
      ...storedAccept(definition),
    ]),
    timeColumn: definition.time,
    keyColumn: definition.key,
    lateAfterMs: durationMs(definition.lateAfter ?? '1m', `dataset '${definition.name}', lateAfter`),
    columns: compiledColumns,
    rowColumns,
    keepsRaw: (definition.raw ?? 'keep') === 'keep',
    rawKeptMs: rawKeptMs(definition),
    keptPanes: new Map([...views.values()].map(({ name, time }) => [name, keptPanesOf(time, kept)])),
    tables: definition.tables ?? 'none',
    views,
    sources: definition.sources ?? [],
    sinks: definition.sinks ?? [],
    series,
    groupings,
    dashboard,
    dictionaries: [...new Set([...views.values()].flatMap((view) => view.lookups.map(({ dictionary }) => dictionary)))],
    decode: {
      ...decode,
      rejectWhere: [decode.rejectWhere, ...tooLargeConditions(sized)].join(' OR '),
      reason:
        derivedReason === null ? tooLargeReasonSql(sized) : `coalesce(${derivedReason}, ${tooLargeReasonSql(sized)})`,
    },
    decodeOf,
    ...check,
  }
  return { ...dataset, deciding: decidingOf(dataset, derivations, derivedReason) }
}

const SYSTEM_TYPES: readonly SqlColumn[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: '_time', type: 'BIGINT' },
  { name: '_arrival', type: 'BIGINT' },
]

/** By column: what determines its values. Of a derived one also what determines its inputs. */
function storedColumns(
  columns: DatasetDefinition['columns'],
  derivations: readonly Derivation[],
): ReadonlyMap<string, unknown> {
  const stored = new Map<string, unknown>(Object.entries(columns).map(([name, column]) => [name, storedColumn(column)]))
  for (const { name, column, reads } of derivations)
    stored.set(name, { ...storedColumn(column), of: reads.toSorted().map((input) => [input, stored.get(input)]) })
  return stored
}

/** Only what is right about views is known to series: problems of a view are reported alone. */
async function compileAllSeries(
  { views: defined, series = {} }: DatasetDefinition,
  views: ReadonlyMap<string, CompiledView>,
  dialect: SqlDialect,
  problems: string[],
): Promise<Map<string, CompiledSeries>> {
  const compiled = new Map<string, CompiledSeries>()
  if (Object.keys(series).length > DEFINITION_LIMITS.seriesMax)
    problems.push(`a dataset can have at most ${DEFINITION_LIMITS.seriesMax} series`)
  for (const [name, one] of Object.entries(series)) {
    if (!NAME.test(name)) problems.push(`series '${name}': a name must match ${NAME.source}`)
    if (name in defined) problems.push(`series '${name}': the name is already used by a view`)
    if (one.over in defined && !views.has(one.over)) continue
    const result = await compileSeries({ name, series: one, views, dialect, problems })
    if (result) compiled.set(name, result)
  }
  return compiled
}

async function compileAllGroupings(
  definition: DatasetDefinition,
  views: ReadonlyMap<string, CompiledView>,
  dialect: SqlDialect,
  problems: string[],
): Promise<Map<string, CompiledGrouping>> {
  const { views: defined, series = {}, groupings = {} } = definition
  const compiled = new Map<string, CompiledGrouping>()
  if (Object.keys(groupings).length > DEFINITION_LIMITS.groupingsMax)
    problems.push(`a dataset can have at most ${DEFINITION_LIMITS.groupingsMax} groupings`)
  for (const [name, grouping] of Object.entries(groupings)) {
    if (name in defined || name in series)
      problems.push(`grouping '${name}': the name is already used by a ${name in defined ? 'view' : 'series'}`)
    // Problems of a view are reported alone.
    if (problems.length > 0 && grouping.over in defined && !views.has(grouping.over)) continue
    const result = await compileGrouping({ definition, name, grouping, views, dialect, problems })
    if (result) compiled.set(name, result)
  }
  return compiled
}

/** The texts that decode only some columns, and the event time. */
function partialDecode(
  definition: DatasetDefinition,
  names: readonly string[],
  derivations: readonly Derivation[],
  notAccepted: string,
): ReturnType<CompiledDataset['decodeOf']> {
  const { columns, time } = definition
  const needed = withInputs([time, ...names], derivations)
  const wanted = Object.entries<ColumnDefinition>(columns).filter(([name]) => needed.has(name))
  const own = derivations.filter(({ name }) => needed.has(name))
  const decode = compileDecode(Object.fromEntries(wanted), time, notAccepted, own)
  // A part of what was compiled before.
  if ('problems' in decode) throw new Error(decode.problems.join('; '))
  return decode
}

function decidingOf(
  dataset: Omit<CompiledDataset, 'deciding'>,
  derivations: readonly Derivation[],
  reason: string | null,
): CompiledDataset['deciding'] {
  const { name, keyColumn, timeColumn, explain, decodeOf } = dataset
  const roles = { key: keyColumn, time: timeColumn }
  const deciding = derivations.filter(({ name, column }) => decides(name, column, roles))
  if (deciding.length === 0) return null
  const names = withInputs([keyColumn, timeColumn, ...deciding.map(({ name }) => name)], derivations)
  const columns = dataset.columns.filter((column) => names.has(column.name))
  const rowColumns = [...SYSTEM_TYPES, ...columns.map(({ name, type }) => ({ name, type }))]
  return {
    name,
    keyColumn,
    columns,
    rowColumns,
    explain,
    decode: { ...decodeOf([...names]), reason: reason ?? 'NULL' },
  }
}

function checkDataset(definition: DatasetDefinition, problems: string[]): void {
  if (!NAME.test(definition.name)) problems.push(`name '${definition.name}' must match ${NAME.source}`)
  const columns = Object.entries<ColumnDefinition>(definition.columns)
  if (columns.length === 0 || columns.length > DEFINITION_LIMITS.columnsMax)
    problems.push(`a dataset must have 1 to ${DEFINITION_LIMITS.columnsMax} columns`)
  if (Object.keys(definition.views).length > DEFINITION_LIMITS.viewsMax)
    problems.push(`a dataset can have at most ${DEFINITION_LIMITS.viewsMax} views`)
  const ofColumns = new Map(columns.map(([name, column]) => [name, columnProblems(name, column)]))
  problems.push(...[...ofColumns.values()].flat())
  const names = columns.map(([name]) => name)
  for (const role of ['time', 'key'] as const) {
    if (!names.includes(definition[role]))
      problems.push(`${role}: unknown column '${definition[role]}'${nearest(definition[role], names)}`)
  }
  const { [definition.time]: time, [definition.key]: key } = definition.columns
  if (time && isColumnType(time.type) && time.type !== 'TIMESTAMP')
    problems.push(`time: column '${definition.time}' must be a TIMESTAMP`)
  if (key && isColumnType(key.type) && !KEY_TYPES.some((type) => type === key.type))
    problems.push(`key: column '${definition.key}' has type ${key.type}; a key must be one of ${KEY_TYPES.join(', ')}`)
  if (definition.raw !== undefined && !RAW.includes(definition.raw))
    problems.push(`raw: unknown value '${definition.raw}'; use one of ${RAW.join(', ')}`)
  if (definition.tables !== undefined && !TABLES.includes(definition.tables))
    problems.push(`tables: unknown value '${definition.tables}'; use one of ${TABLES.join(', ')}`)
  problems.push(...sourceProblems(definition.sources ?? []))
  const { views, series = {}, groupings = {} } = definition
  const answered = [views, series, groupings].flatMap((named) => Object.keys(named))
  problems.push(...sinkProblems(definition.sinks ?? [], answered))
  const { lateAfter } = definition
  if (lateAfter !== undefined) problems.push(...durationProblem('lateAfter', lateAfter))
  panesKept(definition, problems)
  const isTimeKnown = ofColumns.get(definition.time)?.length === 0
  for (const read of [rawKeptMs, ...(isTimeKnown ? [acceptedTimes] : [])])
    try {
      read(definition)
    } catch (error) {
      problems.push((error as Error).message)
    }
}
