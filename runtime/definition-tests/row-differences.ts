/** Compares the rows of an answer with those that a test expects, and says where they differ. */
import type { ExpectedRow } from '#core/definition-cases.ts'
import type { CaseRow } from './case-dataset.ts'

/** Doubles: their sums and quotients are rounded, see docs/reference/definitions.md. */
const RELATIVE_ERROR_MAX = 1e-12

/** One line for each difference: a value, a row that is missing, a row too many; empty when there is none. */
export function rowDifferences(expected: readonly ExpectedRow[], rows: readonly CaseRow[]): string[] {
  const differences = expected.flatMap((wanted, at) => {
    const row = rows[at]
    if (row === undefined) return [`row ${at + 1} is missing: ${JSON.stringify(wanted)}`]
    return Object.entries(wanted).flatMap(([name, value]) => {
      if (value === undefined) return []
      if (!Object.hasOwn(row, name))
        return [`row ${at + 1} has no column '${name}'; it has ${Object.keys(row).join(', ')}`]
      if (isSame(value, row[name])) return []
      return [`row ${at + 1}, ${name}: expected ${JSON.stringify(value)}, but it is ${JSON.stringify(row[name])}`]
    })
  })
  const surplus = rows.slice(expected.length)
  return [
    ...differences,
    ...surplus.map((row, at) => `row ${expected.length + at + 1} is not expected: ${JSON.stringify(row)}`),
  ]
}

function isSame(wanted: unknown, value: unknown): boolean {
  if (typeof wanted === 'number' && typeof value === 'number')
    return Math.abs(wanted - value) <= Math.abs(wanted) * RELATIVE_ERROR_MAX
  if (Array.isArray(wanted) && Array.isArray(value))
    return wanted.length === value.length && wanted.every((element, at) => isSame(element, value[at]))
  return wanted === value
}
