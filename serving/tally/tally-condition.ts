/** Conditions of a query over values in this process, with the results of filter-sql.ts; null where only the engine can tell. */
import type { SqlColumn } from '#core/compiled.ts'
import type { Condition } from '#core/condition.ts'
import type { Comparison } from '#core/query.ts'
import { isWholeType, NUMBER_MAX } from './held-measures.ts'
import type { TallyValue } from './tally-keys.ts'

type Holds<T> = (of: T) => boolean

/** A test of a column's values; null: the engine has to make it. */
export function comparisonTest(
  { type }: SqlColumn,
  { operator, values, orNull = false }: Comparison,
): Holds<TallyValue> | null {
  if (operator === 'null') return (value) => value === null
  if (operator === 'notnull') return (value) => value !== null
  const wanted = values.map((text) => comparedValue(type, text))
  // Case and Unicode normal forms are the engine's.
  if (operator === 'contains' || wanted.includes(null)) return null
  const [first] = wanted as [TallyValue]
  const ordered = (holds: (order: number) => boolean): Holds<TallyValue> => {
    return (value) => value !== null && holds(compared(value, first))
  }
  switch (operator) {
    case 'ne':
      return (value) => value !== first
    case 'in':
      return (value) => (value === null ? orNull : wanted.includes(value))
    case 'eq':
      return (value) => value === first
    case 'gt':
      return ordered((order) => order > 0)
    case 'gte':
      return ordered((order) => order >= 0)
    case 'lt':
      return ordered((order) => order < 0)
    case 'lte':
      return ordered((order) => order <= 0)
  }
}

/** The value of a checked filter's text; null where it is not held alike. */
function comparedValue(type: string, text: string): TallyValue {
  if (type === 'VARCHAR') return text.includes('\0') ? null : text
  if (type === 'BOOLEAN') return text === 'true'
  const value = Number(text)
  if (isWholeType(type) || type === 'DECIMAL(38,0)')
    return Math.abs(value) <= NUMBER_MAX && /^-?\d+$/.test(text) ? value : null
  return type === 'DOUBLE' && Number.isFinite(value) ? value : null
}

/** Whether all conditions hold. @param testOf null: the engine has to decide */
export function allOf<Leaf extends object, T>(
  conditions: readonly Condition<Leaf>[],
  testOf: (leaf: Leaf) => Holds<T> | null,
): Holds<T> | null {
  const tests = conditions.map((condition) => testOfCondition(condition, testOf))
  return tests.includes(null) ? null : (of) => tests.every((test) => test!(of))
}

function testOfCondition<Leaf extends object, T>(
  condition: Condition<Leaf>,
  testOf: (leaf: Leaf) => Holds<T> | null,
): Holds<T> | null {
  if ('and' in condition) return allOf(condition.and, testOf)
  if ('not' in condition) {
    const test = testOfCondition(condition.not, testOf)
    return test && ((of) => !test(of))
  }
  if (!('or' in condition)) return testOf(condition)
  const tests = condition.or.map((part) => testOfCondition(part, testOf))
  return tests.includes(null) ? null : (of) => tests.some((test) => test!(of))
}

/** The order of two values of one type: texts by their bytes, as the engine has it. */
export function compared(a: TallyValue, b: TallyValue): number {
  if (typeof a === 'string' && typeof b === 'string') return comparedTexts(a, b)
  return a === b ? 0 : a! < b! ? -1 : 1
}

const SURROGATES_FROM = 0xd800
const SURROGATES_BEFORE = 0xe000

/** UTF-16 has what lies beyond U+FFFF before U+E000; UTF-8, as code points, behind it. */
function comparedTexts(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (x === y) continue
    if (x >= SURROGATES_FROM && y >= SURROGATES_FROM)
      return x >= SURROGATES_BEFORE === y >= SURROGATES_BEFORE ? x - y : y - x
    return x - y
  }
  return a.length - b.length
}
