/**
 * Failed conversions: JSON values that are present and not null, but become NULL (or the default) in their column. Validation at ingest
 * reports them with the acknowledgement; conversion-failures-sql.ts counts the same ones where events are decoded. A list fails if it is
 * not a list, or if one of its elements fails; a path fails if it leads through something other than an object.
 */
import { converts } from './convertible.ts'
import type { ColumnDefinition, ColumnType } from './definition-parts.ts'
import { type JsonPath, parseJsonPath } from './json-path.ts'
import { readColumns } from './read-columns.ts'

export interface ConversionFailure {
  readonly column: string
  /** the value's JSON, cut to VALUE_CHARS_MAX characters */
  readonly value: string
}

const VALUE_CHARS_MAX = 80

interface PathColumn {
  readonly name: string
  readonly column: ColumnDefinition
  readonly path: JsonPath
  /** of a list: its elements as a column */
  readonly element: ColumnDefinition | null
}

const NOTHING = Symbol('no failure')

/** Finds the failed conversions of an event, by column. @param text the event's JSON */
export type FindFailures = (event: unknown, text: string) => readonly ConversionFailure[]

/** @param columns have valid paths */
export function failureFinder(columns: Readonly<Record<string, ColumnDefinition>>): FindFailures {
  const paths = Object.entries(readColumns(columns)).map(([name, column]): PathColumn => {
    const list = column.type.endsWith('[]')
    const element = list ? { ...column, type: column.type.slice(0, -2) as ColumnType } : null
    return { name, column, path: parseJsonPath(column.path)!, element }
  })
  return (event, text) => {
    // Numbers with their digits, parsed when one is in doubt.
    let literals: unknown
    return paths.flatMap((each) => {
      const failed = failedValue(event, each, () => (literals ??= withLiterals(text)))
      return failed === NOTHING ? [] : [{ column: each.name, value: shown(failed) }]
    })
  }
}

/** Adds up counts by column. */
export function sumByColumn(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const each of counts) for (const [name, count] of Object.entries(each)) sum[name] = (sum[name] ?? 0) + count
  return sum
}

/** How a value is shown to people. */
export function shown(value: unknown): string {
  return (typeof value === 'number' ? String(value) : JSON.stringify(value)).slice(0, VALUE_CHARS_MAX)
}

/** A number as it is written in the JSON. */
class Literal {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** Node passes the source of a primitive value to the reviver; TypeScript does not know it yet. */
type SourceReviver = (this: unknown, name: string, value: unknown, context: { readonly source?: string }) => unknown

function withLiterals(text: string): unknown {
  const revive: SourceReviver = (_, value, { source }) => (typeof value === 'number' ? new Literal(source!) : value)
  return JSON.parse(text, revive as Parameters<typeof JSON.parse>[1])
}

/** The part of the event that cannot be converted; NOTHING if there is none. */
function failedValue(event: unknown, { column, path, element }: PathColumn, literals: () => unknown): unknown {
  const isFailed = (value: unknown, of: ColumnDefinition, steps: readonly Step[]): boolean =>
    !converts(value, of, () => (at(literals(), steps) as Literal).source)
  return along(event, path.members, (value) => {
    if (element === null) return isFailed(value, column, path.members) ? value : NOTHING
    if (!Array.isArray(value)) return value
    const inner = path.element ?? []
    for (const [index, item] of value.entries()) {
      const steps = [...path.members, index, ...inner]
      const failed = along(item, inner, (leaf) => (isFailed(leaf, element, steps) ? leaf : NOTHING))
      if (failed !== NOTHING) return failed
    }
    return NOTHING
  })
}

/** name of a member or index of an element */
type Step = string | number

function at(value: unknown, steps: readonly Step[]): unknown {
  return steps.reduce((inner: unknown, step) => (inner as Record<Step, unknown>)[step], value)
}

/** Follows member names; what is absent or null does not fail, what is not an object does. */
function along(value: unknown, names: readonly string[], leaf: (value: unknown) => unknown): unknown {
  let current = value
  for (const name of names) {
    if (current === null || current === undefined) return NOTHING
    if (typeof current !== 'object' || Array.isArray(current)) return current
    current = Object.hasOwn(current, name) ? (current as Record<string, unknown>)[name] : undefined
  }
  return current === null || current === undefined ? NOTHING : leaf(current)
}
