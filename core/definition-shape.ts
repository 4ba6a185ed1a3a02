/** What of a definition does not match the schema, as sentences for people. */
import type { z } from 'zod'
import type { DatasetDefinition, SeriesColumnDefinition } from './definition.ts'
import { nearest } from './definition-error.ts'
import { DEFINITION_MEMBERS, datasetSchema, seriesColumnSchema } from './definition-schema.ts'
import { PANEL_MEMBERS } from './panels/panel-shape.ts'
import { SINK_MEMBERS } from './sink-shape.ts'
import { SOURCE_MEMBERS } from './source-shape.ts'

/** Every misspelt, missing or mistyped member, with its place; empty if the value matches the schema. */
export function shapeProblems(definition: unknown): string[] {
  if (definition === null || typeof definition !== 'object')
    return ['the file must export default defineDataset({ name, time, key, columns, views })']
  const result = datasetSchema.safeParse(definition)
  if (result.success) return []
  const issues = result.error.issues.flatMap((issue) => issuesOfKind(issue, definition))
  return issues
    .filter((issue) => !isMisspelt(issue, issues, definition))
    .map((issue) => {
      const place = placeOf(issue.path.map(String))
      return `${place === '' ? '' : `${place}: `}${sentence(issue, definition)}`
    })
}

/** Of a calculation of a known kind: what is wrong with its options, not that it is neither an expression nor any calculation. */
function issuesOfKind(issue: z.core.$ZodIssue, definition: unknown): readonly z.core.$ZodIssue[] {
  const { path } = issue
  if (issue.code !== 'invalid_union' || path[0] !== 'series' || path[2] !== 'columns' || path.length !== 4)
    return [issue]
  const value = valueAt(path, definition) as { readonly kind?: unknown } | null
  const option = seriesColumnSchema.options.find(({ shape }) => shape.kind.value === value?.kind)
  const { error } = option?.safeParse(value) ?? {}
  return error === undefined ? [issue] : error.issues.map((inner) => ({ ...inner, path: [...path, ...inner.path] }))
}

/** Whether a member is missing because it is written in another way, which is a problem of its own. */
function isMisspelt({ path }: z.core.$ZodIssue, issues: readonly z.core.$ZodIssue[], definition: unknown): boolean {
  const [place, member] = [path.slice(0, -1).join(), String(path.at(-1))]
  return (
    isMissing(path, definition) &&
    issues.some(
      (other) =>
        other.code === 'unrecognized_keys' &&
        other.path.join() === place &&
        other.keys.some((key) => nearest(key, [member]) !== ''),
    )
  )
}

const ENTRIES: Readonly<Record<string, string>> = {
  columns: 'column',
  views: 'view',
  dimensions: 'dimension',
  measures: 'measure',
  unnest: 'unnest',
  enrich: 'enrich',
  series: 'series',
  groupings: 'grouping',
}

/** ['views', 'all', 'measures', 'n', 'where'] → view 'all', measure 'n', where */
function placeOf(path: readonly string[]): string {
  const parts: string[] = []
  for (let at = 0; at < path.length; at++) {
    const entry = ENTRIES[path[at]!]
    if (entry !== undefined && at + 1 < path.length && path[at - 1] !== 'rank') parts.push(`${entry} '${path[++at]}'`)
    else parts.push(path[at]!)
  }
  return parts.join(', ')
}

function sentence(issue: z.core.$ZodIssue, definition: unknown): string {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    const known = membersAt(path, definition)
    return issue.keys
      .map((key) => `unknown member '${key}'${nearest(key, known)}; known members: ${known.join(', ')}`)
      .join('; ')
  }
  const isMeasure = path[2] === 'measures' && (path.length === 4 || path[4] === 'kind')
  const isCalculation = path[0] === 'series' && path[2] === 'columns'
  if (isCalculation && path.at(-1) === 'absent') return 'must be 0 or null'
  if (isCalculation && path.length === 4)
    return `is not a calculation; use an expression, or one of ${Object.keys(DEFINITION_MEMBERS.calculations).join(', ')}, for example movingAverage('close', 20)`
  if (isMeasure)
    return `is not a measure; use one of ${Object.keys(DEFINITION_MEMBERS.measures).join(', ')}, for example count()`
  if (issue.code === 'invalid_union' && path[0] === 'sources')
    return `unknown kind; use one of ${Object.keys(SOURCE_MEMBERS).join(', ')}`
  if (issue.code === 'invalid_union' && path[0] === 'sinks' && path.length < 4)
    return `unknown kind; use one of ${Object.keys(SINK_MEMBERS).join(', ')}`
  if (issue.code === 'invalid_union' && path[0] === 'series')
    return "must be null, 0 or 'previous', or an object with one of these for each measure"
  if (issue.code === 'invalid_union')
    return path.at(-1) === 'format'
      ? 'must be a string or a list of strings'
      : 'must be a string, a number, a boolean, or a list of these'
  if (issue.code !== 'invalid_type') return issue.message
  const wanted = TYPES[issue.expected] ?? issue.expected
  return isMissing(path, definition) ? `is missing; it must be ${wanted}` : `must be ${wanted}`
}

function isMissing(path: readonly PropertyKey[], definition: unknown): boolean {
  return valueAt(path, definition) === undefined
}

function valueAt(path: readonly PropertyKey[], definition: unknown): unknown {
  return path.reduce((value, name) => (value as Record<PropertyKey, unknown>)[name], definition)
}

/** The known members of the part at a path. */
function membersAt(path: readonly PropertyKey[], definition: unknown): readonly string[] {
  const [, name, part, entry] = path.map(String)
  if (path[0] === 'sources') return sourceMembersAt(path, definition)
  if (path[0] === 'sinks') return SINK_MEMBERS[(definition as DatasetDefinition).sinks![Number(path[1])]!.kind] ?? []
  if (path[0] === 'dashboard') return PANEL_MEMBERS
  if (path[0] === 'series') return membersOfSeries(path.slice(1), definition)
  if (path[0] === 'accept' || path[0] === 'keep') return DEFINITION_MEMBERS[path[0]]
  if (name === undefined) return DEFINITION_MEMBERS.dataset
  if (part === undefined)
    return path[0] === 'columns'
      ? DEFINITION_MEMBERS.column
      : DEFINITION_MEMBERS[path[0] === 'groupings' ? 'grouping' : 'view']
  if (part === 'window' || part === 'rank') return DEFINITION_MEMBERS[part]
  if (part === 'enrich') return DEFINITION_MEMBERS.lookup
  // The measure has a known kind: otherwise the schema would have reported its kind, not its members.
  const { views, groupings = {} } = definition as DatasetDefinition
  const { kind } = (path[0] === 'groupings' ? groupings : views)[name]!.measures[entry!]!
  return DEFINITION_MEMBERS.measures[kind]!
}

/** ['sources', 0] or a part of it, which is named by the problem itself */
function sourceMembersAt([, index, part]: readonly PropertyKey[], definition: unknown): readonly string[] {
  const { kind } = (definition as { readonly sources: readonly { readonly kind: string }[] }).sources[Number(index)]!
  if (part === undefined) return SOURCE_MEMBERS[kind] ?? []
  return part === 'page' || kind === 'polling' ? ['parameter', 'from'] : ['parameter', 'from', 'overlap', 'unit']
}

function membersOfSeries([name, part, column]: readonly PropertyKey[], definition: unknown): readonly string[] {
  if (part === undefined) return DEFINITION_MEMBERS.series
  const defined = (definition as DatasetDefinition).series![String(name)]!.columns[String(column)]!
  return DEFINITION_MEMBERS.calculations[(defined as SeriesColumnDefinition).kind]!
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'a boolean',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
