/** A translated value, and what is known of it. */
import { Refused } from './refused.ts'
import { trinoType } from './trino-types.ts'
import type { Literal } from './typed-tree.ts'

export interface TrinoValue {
  readonly sql: string
  /** DuckDB's type of the equal value */
  readonly type: string
  /** it may raise an error, exactly where DuckDB raises one */
  readonly raises: boolean
  /** where DuckDB can lose its error: if it is compared with a constant, or if CASE chooses by it */
  readonly losesError: 'compared' | 'chosen' | null
  /** a DOUBLE that may be infinite or NaN; a DATE or TIMESTAMP that may be of a year before 1 or after 9999 */
  readonly notFinite: boolean
  /** a DOUBLE that may be NaN */
  readonly notNumber: boolean
  /** a list whose order DuckDB does not define */
  readonly anyOrder: boolean
  readonly literal: Literal | null
}

/** A function or operator with translated arguments. */
export interface Call {
  readonly op: string
  readonly args: readonly TrinoValue[]
  /** DuckDB's type of the result */
  readonly type: string
}

/** @throws Refused where Trino cannot compute the same value */
export type Rule = (call: Call) => TrinoValue

const CERTAIN = {
  raises: false,
  losesError: null,
  notFinite: false,
  notNumber: false,
  anyOrder: false,
  literal: null,
} as const

/** A value of which more is said where it is not a finite number of a certain order that always exists. */
export function trinoValue(sql: string, type: string, more: Partial<TrinoValue> = {}): TrinoValue {
  return { sql, type, ...CERTAIN, ...more }
}

export function typeText(type: string): string {
  const text = trinoType(type)
  if (text === null) throw new Refused(`Trino has no type like ${type}`)
  return text
}

export function castText(sql: string, type: string): string {
  return `CAST(${sql} AS ${typeText(type)})`
}

/** What arguments hand on to a result. */
export function inherited(args: readonly TrinoValue[]): Partial<TrinoValue> {
  return {
    raises: args.some(({ raises }) => raises),
    notFinite: args.some(({ notFinite }) => notFinite),
    notNumber: args.some(({ notNumber }) => notNumber),
    anyOrder: args.some(({ anyOrder }) => anyOrder),
  }
}

/** SQL that raises an error which TRY catches; it depends on a value, so that nothing evaluates it beforehand. */
export function raising(sql: string, type: string): string {
  return castText(`CAST(CAST(${sql} AS varchar) || 'x' AS bigint)`, type)
}

export function trinoText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A whole number that is written in the definition; null for another argument. */
export function wholeLiteral(value: TrinoValue | undefined): number | null {
  const literal = value?.literal
  return literal?.kind === 'number' && literal.scale === 0 ? Number(literal.digits) : null
}

/** A text that is written in the definition; null for another argument. */
export function textLiteral(value: TrinoValue | undefined): string | null {
  const literal = value?.literal
  return literal?.kind === 'text' ? literal.value : null
}
