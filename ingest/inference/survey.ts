/** What the values of a sample of events have in common, by their place in the event. */
import { whyUnusable } from '#core/usable-value.ts'
import { emptyRange, type NumberRange, widen } from './number-range.ts'
import { isSeparated } from './numeral.ts'

export type ValueKind = 'integer' | 'fraction' | 'boolean' | 'text' | 'object' | 'list'

/**
 * Values at one place: `path` are the names of members; `EVERY_ELEMENT` is all those of an array. The range is that of numbers, also of those
 * written as text with nothing but a decimal point.
 */
export interface FieldSurvey extends NumberRange {
  readonly path: readonly string[]
  /** events that have a value here which is not null */
  present: number
  /** values: several of an event where the path goes through an array */
  values: number
  readonly kinds: Map<ValueKind, number>
  /** different scalar values, as JSON; at most DISTINCT_MAX */
  readonly distinct: Set<string>
  /** texts of each form */
  readonly texts: Map<TextForm, number>
  /** one of the texts of no form, to show */
  example: string | null
}

/** `long integer`: one of 19 digits or more; `separated`: a number with a decimal comma or separators of thousands */
export type TextForm = 'time' | 'date' | NumberForm | 'separated' | 'boolean' | 'time-like' | 'other'
type NumberForm = 'integer' | 'long integer' | 'fraction' | 'exponential'
/** texts that a numeric column reads as they are */
export const NUMBER_FORMS: readonly TextForm[] = ['integer', 'long integer', 'fraction', 'exponential']

export const DISTINCT_MAX = 5_000
/** of a path: not a name that members have */
export const EVERY_ELEMENT = '\0[*]'
const DEPTH_MAX = 8
/** an object with more members than this, of which an event has few, is a dictionary and not a record */
export const MEMBERS_MAX = 60
const FIELDS_MAX = 1_000

const INTEGER = /^[+-]?\d{1,18}$/
const LONG_INTEGER = /^[+-]?\d{19,38}$/
const FRACTION = /^[+-]?\d{1,38}\.\d{1,38}$/
const EXPONENTIAL = /^[+-]?\d{1,38}(\.\d{1,38})?e[+-]?\d{1,3}$/i
const TIME_LIKE =
  /^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d\d|\b\d{1,2}[ /-](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}\b/i

export class Survey {
  readonly fields = new Map<string, FieldSurvey>()
  events = 0
  /** places that were left out because there are more than FIELDS_MAX */
  leftOut = 0

  add(event: object): void {
    this.events++
    const seen = new Set<FieldSurvey>()
    this.#walk(event, [], seen)
    for (const field of seen) field.present++
  }

  #walk(value: unknown, path: readonly string[], seen: Set<FieldSurvey>): void {
    if (value === null || value === undefined) return
    if (path.length > 0) {
      const field = this.#field(path)
      if (field === null) return
      seen.add(field)
      note(field, value)
    }
    if (typeof value !== 'object' || path.length >= DEPTH_MAX) return
    if (!Array.isArray(value))
      for (const [name, member] of Object.entries(value)) this.#walk(member, [...path, name], seen)
    // A path goes through one array only.
    else if (!path.includes(EVERY_ELEMENT))
      for (const element of value) this.#walk(element, [...path, EVERY_ELEMENT], seen)
  }

  #field(path: readonly string[]): FieldSurvey | null {
    const key = JSON.stringify(path)
    const known = this.fields.get(key)
    if (known !== undefined) return known
    if (this.fields.size >= FIELDS_MAX) {
      this.leftOut++
      return null
    }
    const field: FieldSurvey = {
      path,
      present: 0,
      values: 0,
      kinds: new Map(),
      distinct: new Set(),
      ...emptyRange(),
      texts: new Map(),
      example: null,
    }
    this.fields.set(key, field)
    return field
  }
}

function note(field: FieldSurvey, value: unknown): void {
  field.values++
  const kind = kindOf(value)
  field.kinds.set(kind, (field.kinds.get(kind) ?? 0) + 1)
  if (kind === 'object' || kind === 'list') return
  if (field.distinct.size < DISTINCT_MAX) field.distinct.add(JSON.stringify(value))
  if (typeof value === 'number') widen(field, value)
  if (typeof value !== 'string') return
  const form = formOf(value)
  field.texts.set(form, (field.texts.get(form) ?? 0) + 1)
  if (NUMBER_FORMS.includes(form)) widen(field, value)
  if (form === 'other' || form === 'time-like' || form === 'separated') field.example ??= value
}

function kindOf(value: unknown): ValueKind {
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return 'text'
  return Array.isArray(value) ? 'list' : 'object'
}

function formOf(text: string): TextForm {
  if (/^\d{4}-\d\d-\d\d$/.test(text) && isTime(text)) return 'date'
  if (isTime(text)) return 'time'
  if (INTEGER.test(text)) return 'integer'
  if (LONG_INTEGER.test(text)) return 'long integer'
  if (FRACTION.test(text)) return 'fraction'
  if (EXPONENTIAL.test(text) && Number.isFinite(Number(text))) return 'exponential'
  if (isSeparated(text)) return 'separated'
  if (/^(true|false)$/i.test(text)) return 'boolean'
  return TIME_LIKE.test(text) ? 'time-like' : 'other'
}

function isTime(text: string): boolean {
  return whyUnusable(text, { type: 'TIMESTAMP', path: '$.t' }) === null
}
