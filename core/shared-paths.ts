/**
 * Values that several columns read in different ways: a path that is part of another column's path (`$.payload` and `$.payload.action`),
 * equal paths, or a list that is also read as a whole. Such a value is read once, as JSON, and each column is taken out of it.
 */
import type { JsonPath } from './json-path.ts'
import { quoteName, quoteText } from './sql-names.ts'

/**
 * By path: number of its members down to the value that is read as JSON; absent where the path is read by itself. Paths are compared with
 * letter case.
 */
export function sharedValues(paths: readonly JsonPath[]): ReadonlyMap<JsonPath, number> {
  const shared = new Set(
    paths.flatMap((a) => paths.flatMap((b) => (a !== b && sharesValue(a, b) ? [keyOf(a.members)] : []))),
  )
  const found = new Map<JsonPath, number>()
  for (const path of paths) {
    const depth = path.members.findIndex((_, index) => shared.has(keyOf(path.members.slice(0, index + 1))))
    if (depth !== -1) found.set(path, depth + 1)
  }
  return found
}

/** Whether b leads to or through the value that a reads, and is not just another member of the same list's elements. */
function sharesValue(a: JsonPath, b: JsonPath): boolean {
  if (a.members.length > b.members.length || a.members.some((name, index) => b.members[index] !== name)) return false
  if (a.members.length < b.members.length || a.element === null || b.element === null) return true
  return startsWith(a.element, b.element) || startsWith(b.element, a.element)
}

function startsWith(names: readonly string[], start: readonly string[]): boolean {
  return start.every((name, index) => names[index] === name)
}

function keyOf(members: readonly string[]): string {
  return JSON.stringify(members)
}

/**
 * SQL: the value at the rest of a path in a JSON value; for a path with [*], the list of its elements.
 * @param type of the value; for a path with [*], of one element
 */
export function takenOutSql(json: string, { members, element }: JsonPath, type: string): string {
  const nested = (names: readonly string[], leaf: unknown): unknown =>
    names.reduceRight((inner: unknown, name) => ({ [name]: inner }), leaf)
  const structure = nested(members, element === null ? type : [nested(element, type)])
  const value = `json_transform(${json}, ${quoteText(JSON.stringify(structure))})`
  return [value, ...members.map(quoteName)].join('.')
}
