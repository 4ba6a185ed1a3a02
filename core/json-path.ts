/** JSON paths of columns: $.a.b, $."odd name", $.a[*], $.a[*].b (at most one [*]). */

import { DEFINITION_LIMITS } from './definition-limits.ts'

export interface JsonPath {
  /** member names before the [*], or all of them */
  readonly members: readonly string[]
  /** member names after the [*]; null if the path has no [*] */
  readonly element: readonly string[] | null
}

const STEP = /^(?:\.([A-Za-z_][A-Za-z0-9_]*)|\."([^"\\]+)"|(\[\*\]))/

/** Returns the path; null if the text is not one. */
export function parseJsonPath(text: string): JsonPath | null {
  if (!text.startsWith('$') || text.length > DEFINITION_LIMITS.pathCharsMax) return null
  const members: string[] = []
  let element: string[] | null = null
  for (let rest = text.slice(1); rest !== ''; ) {
    const match = STEP.exec(rest)
    if (!match) return null
    if (match[3] !== undefined) {
      if (element !== null) return null
      element = []
    } else (element ?? members).push((match[1] ?? match[2])!)
    rest = rest.slice(match[0].length)
  }
  return members.length === 0 ? null : { members, element }
}

/** The part of a parsed JSON value at the path; undefined if there is none. A path with [*] gives the list of the elements' members. */
export function valueAt(value: unknown, path: JsonPath): unknown {
  const at = follow(value, path.members)
  if (path.element === null) return at
  if (!Array.isArray(at)) return undefined
  return at.map((item) => follow(item, path.element!))
}

function follow(value: unknown, names: readonly string[]): unknown {
  let current = value
  for (const name of names) {
    if (current === null || typeof current !== 'object' || Array.isArray(current)) return undefined
    current = Object.hasOwn(current, name) ? (current as Record<string, unknown>)[name] : undefined
  }
  return current
}
