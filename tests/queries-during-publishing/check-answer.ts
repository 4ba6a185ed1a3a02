/** Holds one answer, rows and provenance, against the recount of exactly the events before the positions that it reports. */
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { type AskedQuery, urlOf } from './asked-query.ts'
import type { Ledger, Recorded } from './ledger.ts'
import { type Naive, type NaiveRow, recount, type Window, windowAt } from './recount.ts'

export interface Answer {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly meta: AnswerMeta
}

/** Whole numbers as bigint, with all of their digits; fractions as number. */
export function parseAnswer(text: string): Answer {
  const { data } = JSON.parse(text, withDigits) as Pick<Answer, 'data'>
  return { data, meta: (JSON.parse(text) as Answer).meta }
}

export function withDigits(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  return typeof value === 'number' && /^-?\d+$/.test(context?.source ?? '') ? BigInt(context!.source!) : value
}

export interface Asked {
  readonly query: AskedQuery
  /** the clock before the question and after the answer */
  readonly beganMs: number
  readonly endedMs: number
}

/** @throws Error that says what is wrong with the answer */
export async function checkAnswer(asked: Asked, answer: Answer, ledger: Ledger): Promise<void> {
  const { query } = asked
  const { meta } = answer
  const recorded = await ledger.upTo(meta.position)
  const wrong = [...metaFaults(meta, recorded)]
  const window = windowOf(asked, meta, recorded, wrong)
  const expected = recount(query, recorded, window)
  wrong.push(...rowFaults(answer.data, expected.rows))
  if (meta.truncated !== expected.truncated) wrong.push(`truncated is ${meta.truncated}, wanted ${expected.truncated}`)
  if (wrong.length === 0) return
  throw new Error(`${urlOf(query)}\n  ${wrong.slice(0, 6).join('\n  ')}\n  meta ${JSON.stringify(meta)}`)
}

function metaFaults(meta: AnswerMeta, recorded: readonly Recorded[]): string[] {
  const usable = recorded.filter(({ order }) => order !== null)
  const counted = usable.filter(({ partition, offset }) => offset < meta.boundary[partition]!)
  const wanted = {
    usable: usable.length,
    batch: counted.length,
    dead: recorded.length - usable.length,
    late: usable.filter(({ order }) => order!.late).length,
    gapFree: true,
  }
  const { batch, closed, open } = meta.rows
  const told: Record<keyof typeof wanted, number | boolean> = {
    usable: batch + closed + open,
    batch,
    dead: meta.deadLetters,
    late: meta.lateRows,
    gapFree: meta.gapFree,
  }
  const names = Object.keys(wanted) as (keyof typeof wanted)[]
  return names
    .filter((name) => told[name] !== wanted[name])
    .map((name) => `meta: ${name} is ${told[name]}, wanted ${wanted[name]}`)
}

/** for so long a kept answer is given on: twice `reuseMsMax` of the platform of these tests */
const KEPT_MS = 40

/** The window that the answer reports; it must be one that the question stood for at some moment while it was answered, or kept. */
function windowOf(asked: Asked, meta: AnswerMeta, recorded: readonly Recorded[], wrong: string[]): Window | null {
  if (meta.window === null) {
    if (asked.query.at !== undefined) wrong.push('meta: no window')
    return null
  }
  const window = { fromMs: Date.parse(meta.window.from), toMs: Date.parse(meta.window.to) }
  const [first, last] = [asked.beganMs - KEPT_MS, asked.endedMs].map((ms) => windowAt(asked.query, recorded, ms)!)
  if (window.toMs < first!.toMs || window.toMs > last!.toMs || window.toMs - window.fromMs !== 60_000)
    wrong.push(
      `meta: window ${meta.window.from} to ${meta.window.to}, wanted an end from ${first!.toMs} to ${last!.toMs}`,
    )
  return window
}

function rowFaults(rows: Answer['data'], wanted: readonly NaiveRow[]): string[] {
  const wrong = rows.length === wanted.length ? [] : [`${rows.length} rows, wanted ${wanted.length}`]
  for (const [index, naive] of wanted.entries()) {
    const row = rows[index]
    const names = row === undefined ? [] : Object.keys(row)
    if (row !== undefined && names.join() !== [...naive.keys()].join())
      wrong.push(`row ${index} has ${names}, wanted ${[...naive.keys()]}`)
    for (const [name, value] of naive) {
      if (!isThat(row?.[name], value)) wrong.push(`row ${index}, ${name}: ${row?.[name]}, wanted ${textOf(value)}`)
    }
  }
  return wrong
}

function isThat(got: unknown, wanted: Naive): boolean {
  if (wanted === null || typeof wanted !== 'object') return got === wanted
  if (typeof got !== 'number' && typeof got !== 'bigint') return false
  return Math.abs(Number(got) - wanted.near) <= wanted.within * Math.abs(wanted.near) + 1e-12
}

function textOf(value: Naive): string {
  return value !== null && typeof value === 'object' ? `${value.near} ± ${value.within}` : String(value)
}
