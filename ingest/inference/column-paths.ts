/** Which places of an event a column can read, and how their paths are written. */
import { parseJsonPath } from '#core/json-path.ts'
import { EVERY_ELEMENT, type FieldSurvey } from './survey.ts'

/** places that a sentence names */
const NAMED_MAX = 10

/** @example pathText(['a', 'odd name', EVERY_ELEMENT]) // $.a."odd name"[*] */
export function pathText(path: readonly string[]): string {
  const steps = path.map((name) => {
    if (name === EVERY_ELEMENT) return '[*]'
    return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `.${JSON.stringify(name)}`
  })
  return `$${steps.join('')}`
}

/** @param doubts gets what is left out, and why */
export function readableFields(fields: readonly FieldSurvey[], doubts: string[]): FieldSurvey[] {
  const unnamed = fields.filter(({ path }) => !isJsonPath(path))
  leaveOut(
    unnamed,
    'a JSON path cannot have a name that is empty or contains a quote, a backslash, a control character or [*]',
    doubts,
  )
  const named = fields.filter((field) => !unnamed.includes(field))
  const twins = caseTwins(named)
  leaveOut(twins, 'another path differs only in letter case, which the engine cannot distinguish', doubts)
  return named.filter((field) => !twins.includes(field))
}

function leaveOut(fields: readonly FieldSurvey[], why: string, doubts: string[]): void {
  if (fields.length === 0) return
  const paths = fields.slice(0, NAMED_MAX).map(({ path }) => pathText(path))
  const more = fields.length > NAMED_MAX ? ` and ${fields.length - NAMED_MAX} more` : ''
  doubts.push(`left out: ${paths.join(', ')}${more}; ${why}`)
}

/** Whether the text of the path is read as this path. */
function isJsonPath(path: readonly string[]): boolean {
  if (path.some((name) => name !== EVERY_ELEMENT && name.includes('[*]'))) return false
  return parseJsonPath(pathText(path)) !== null
}

/** All but the most frequent of paths that are equal in lower case, from the beginning or as a whole. */
function caseTwins(fields: readonly FieldSurvey[]): FieldSurvey[] {
  const kept = new Map<string, string>()
  return fields
    .toSorted((a, b) => b.present - a.present)
    .filter(({ path }) => {
      const starts = path.map((_, at) => JSON.stringify(path.slice(0, at + 1)))
      if (starts.some((start) => (kept.get(start.toLowerCase()) ?? start) !== start)) return true
      for (const start of starts) kept.set(start.toLowerCase(), start)
      return false
    })
}
