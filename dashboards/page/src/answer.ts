/** Answers of the API with their provenance. */

/** Integers beyond 2^53 keep their digits as bigint. */
export type Value = string | number | bigint | boolean | null | readonly Value[]
export type Row = Readonly<Record<string, Value>>

export interface AnswerMeta {
  readonly dataset: string
  readonly view: string
  readonly outdated: { readonly changes: readonly string[] } | null
  readonly generation: { readonly id: string; readonly mode: string; readonly finishedAt: string } | null
  readonly boundary: readonly number[]
  readonly position: readonly number[]
  readonly asOf: string | null
  readonly freshnessMs: number | null
  readonly behind: number | null
  readonly liveMissing: string | null
  readonly rows: { readonly batch: number; readonly closed: number; readonly open: number }
  readonly lateRows: number
  readonly deadLetters: number
  readonly gapFree: boolean
  /** older detail that the question needs and that is not kept any more */
  readonly removed: { readonly before: string; readonly why: string } | null
  readonly exact: boolean
  readonly estimates: Readonly<Record<string, { readonly bound: string; readonly rows?: number }>>
  readonly from: string | null
  readonly to: string | null
  readonly window: { readonly from: string; readonly to: string; readonly ended: boolean } | null
  readonly truncated: boolean
  /** the cursor of the next page; null: this is the last one, or pages were not asked for */
  readonly next: string | null
}

export interface Answer {
  readonly data: readonly Row[]
  readonly meta: AnswerMeta
}

/** Reads JSON; integers that a double cannot hold become bigint. */
export function parseJson(text: string): unknown {
  if (!/[:,[]-?\d{16,}/.test(text)) return JSON.parse(text)
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context!.source!)
      : value
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown)
}

/** For charts, which draw doubles. */
export function numberOf(value: Value | undefined): number | null {
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' ? value : null
}

/** A value as it is filtered and distinguished: its text; null: there is none. */
export type Key = string | null

export function keyOf(value: Value | undefined): Key {
  if (value === null || value === undefined) return null
  return Array.isArray(value) ? JSON.stringify(value) : String(value)
}
