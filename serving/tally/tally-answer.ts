/** Answers a query from a tally: merged, ranked, enriched and written as the engine does it from the same states. */

import { answerColumns } from '../answers/answer-columns.ts'
import { type AnswerRange, metaOf } from '../answers/answer-meta.ts'
import { StepClock } from '../answers/answer-steps.ts'
import { askedRange, windowUpTo } from '../answers/asked-range.ts'
import { ANSWER_BYTES_MAX } from '../answers/bounded-rows.ts'
import { narrowed } from '../answers/kept-detail.ts'
import { rowsShownMax } from '../answers/merged-sql.ts'
import type { Answer, AnswerOptions } from '../answers/merged-view.ts'
import { AnswerTooLargeError } from '../answers/query-error.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import { bestOf } from './best-rows.ts'
import { countSets } from './counted-sets.ts'
import { isWholeType } from './held-measures.ts'
import { jsonText } from './json-text.ts'
import { compared } from './tally-condition.ts'
import { talliedRows } from './tally-groups.ts'
import { type RowPart, type TallyPlan, type TallyRow, tallyLookups } from './tally-plan.ts'
import type { ViewTally } from './view-tally.ts'

/** dictionary → key → attributes; null: it is not at hand here */
export type DictionaryTexts = ReadonlyMap<string, ReadonlyMap<string, Readonly<Record<string, string>>> | null>

/** times that are surely written as the engine writes them, with four digits of the year */
const TIMES = { fromMs: Date.UTC(1_000, 0, 1), toMs: Date.UTC(9_999, 11, 31) }

/** The answer at the tally's moment; null: the engine has to give it. @throws AnswerTooLargeError */
export function tallyAnswer(
  tallied: TallyPlan,
  tally: ViewTally,
  at: { readonly snapshot: Snapshot; readonly dictionaries: DictionaryTexts },
  { nowMs = Date.now(), answerBytesMax = ANSWER_BYTES_MAX }: Pick<AnswerOptions, 'nowMs' | 'answerBytesMax'>,
): Answer | null {
  const { plan } = tallied
  const clock = new StepClock()
  const lookups = tallyLookups(plan, tally.shape, at.dictionaries)
  if (lookups === null || lookups.some(({ lookup }) => at.dictionaries.get(lookup.dictionary) === null)) return null
  const range = askedRange(plan, nowMs) ?? newestWindow(plan.window!, tally, nowMs)
  if (range === null) return null
  const kept = narrowed(plan, range, at.snapshot.generation)
  if (!tally.covers(kept.range)) return null
  const all = talliedRows(tallied, tally, kept.range)
  if (all === null || !all.rows.every(({ bucket }) => isWritten(bucket))) return null
  clock.over('merge')
  const most = rowsShownMax(plan)
  const ranked = firstRows(tallied, tally, all.rows, most + 1)
  clock.over('rank')
  const shown = ranked.slice(0, most)
  if (!countSets(tallied, tally, kept.range, { rows: shown, groups: all.groups }, tallied.sets.shown)) return null
  const memberOf = memberWriter(tallied, tally)
  const enriched = lookups.map(({ lookup, key }) => {
    const dictionary = at.dictionaries.get(lookup.dictionary)!
    const attributeOf = (of: unknown): string | undefined => {
      const attributes = dictionary.get(String(of))
      // Not what every object has, such as 'constructor'.
      return attributes && Object.hasOwn(attributes, lookup.attribute) ? attributes[lookup.attribute] : undefined
    }
    return (row: TallyRow): string =>
      `${JSON.stringify(lookup.name)}:${jsonText(lookedUp(keyOf(tallied, tally, key, row), attributeOf))}`
  })
  const texts = shown.map((row) => {
    const members = [...tallied.shown.map((each) => memberOf(each, row)), ...enriched.map((write) => write(row))]
    return `{${members.join(',')}}`
  })
  if (texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) > answerBytesMax)
    throw new AnswerTooLargeError(answerBytesMax)
  const truncated = ranked.length > most
  const { snapshot } = at
  const { removed } = kept
  const estimated = new Map<string, number>()
  const meta = metaOf({ plan, snapshot, range, nowMs, givenAtMs: Date.now(), truncated, estimated, removed })
  const columns = answerColumns(
    plan,
    lookups.map(({ lookup }) => lookup.name),
  )
  const rowsJson = `[${texts.join(',')}]`
  clock.over('enrich and encode')
  return { rowsJson, rowCount: texts.length, columns, meta, snapshot, computed: { way: 'tally', steps: clock.steps } }
}

function isWritten(bucket: number): boolean {
  return bucket >= TIMES.fromMs && bucket < TIMES.toMs
}

/** The window that ends with the newest pane that has begun; null: it may be one that the tally has not. */
function newestWindow(
  window: { sizeMs: number; everyMs: number },
  tally: ViewTally,
  nowMs: number,
): AnswerRange | null {
  const newest = tally.newestMs(nowMs)
  if (Number.isFinite(newest)) return windowUpTo(window, newest + window.everyMs)
  return Number.isFinite(tally.sinceMs) ? null : windowUpTo(window, nowMs)
}

/** Ranked within each combination of `per`, then over all. */
function firstRows(plan: TallyPlan, tally: ViewTally, rows: readonly TallyRow[], most: number): TallyRow[] {
  const compare = rowOrder(plan, tally)
  const { per } = plan
  if (per.length === 0 && !plan.perBucket) return bestOf(rows, most, compare)
  const within = Map.groupBy(rows, ({ bucket, places }) =>
    [...(plan.perBucket ? [bucket] : []), ...per.map((index) => places[index])].join(),
  )
  const best = [...within.values()].flatMap((own) => bestOf(own, plan.plan.limit, compare))
  return bestOf(best, most, compare)
}

/** Missing values come last in both directions. */
function rowOrder({ order, dimensions }: TallyPlan, { keys }: ViewTally): (a: TallyRow, b: TallyRow) => number {
  const compares = order.map(({ part, sign }): ((a: TallyRow, b: TallyRow) => number) => {
    if (part.kind === 'bucket') return (a, b) => sign * (a.bucket - b.bucket)
    const { index } = part
    if (part.kind === 'measure') return (a, b) => comparedNumbers(a.values[index]!, b.values[index]!, sign)
    const values = keys.values(dimensions[index]!)
    return (a, b) => {
      const [x, y] = [values[a.places[index]!]!, values[b.places[index]!]!]
      if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1
      return sign * compared(x, y)
    }
  })
  return (a, b) => {
    for (const compare of compares) {
      const order = compare(a, b)
      if (order !== 0) return order
    }
    return 0
  }
}

function comparedNumbers(a: number, b: number, sign: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return sign * (a - b)
}

/** What a lookup finds by. */
function keyOf({ dimensions }: TallyPlan, { keys, shape, texts }: ViewTally, key: RowPart, row: TallyRow): unknown {
  if (key.kind === 'bucket') return null
  if (key.kind === 'dimension') return keys.values(dimensions[key.index]!)[row.places[key.index]!]!
  const value = row.values[key.index]!
  if (Number.isNaN(value)) return null
  const { text, measure } = shape.measures[key.index]!
  const json = texts.get(text!)!.json(value)
  return isWholeType(measure.type) ? json : JSON.parse(json)
}

/** The attribute of a key; of a list of keys the distinct ones, sorted; null: there is none. */
function lookedUp(key: unknown, attributeOf: (key: unknown) => string | undefined): string | readonly string[] | null {
  if (key === null) return null
  if (!Array.isArray(key)) return attributeOf(key) ?? null
  const found = key.filter((each) => each !== null).map(attributeOf)
  const distinct = new Set(found.filter((each) => each !== undefined))
  return distinct.size === 0 ? null : [...distinct].sort(compared)
}

/** Writes a member of a row's JSON. */
function memberWriter(
  { dimensions }: TallyPlan,
  { keys, shape, texts }: ViewTally,
): (shown: { readonly name: string; readonly part: RowPart }, row: TallyRow) => string {
  const textOf = (part: RowPart, row: TallyRow): string => {
    if (part.kind === 'bucket') return `"${new Date(row.bucket).toISOString()}"`
    if (part.kind === 'dimension') return keys.json(dimensions[part.index]!, row.places[part.index]!)
    const value = row.values[part.index]!
    if (Number.isNaN(value)) return 'null'
    const { jsonOf, text } = shape.measures[part.index]!
    return jsonOf === null ? texts.get(text!)!.json(value) : jsonOf(value)
  }
  return ({ name, part }, row) => `${JSON.stringify(name)}:${textOf(part, row)}`
}
