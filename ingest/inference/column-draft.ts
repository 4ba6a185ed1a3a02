/** Turns what was surveyed into columns, each with what is doubtful about it. */
import { DEFINITION_LIMITS } from '#core/definition-limits.ts'
import type { ColumnType, TimeUnit } from '#core/definition-parts.ts'
import { pathText, readableFields } from './column-paths.ts'
import { epochUnitOf, fractionDoubt, isTimeName, microsecondsSql } from './epoch-times.ts'
import { recogniseFormat } from './known-formats.ts'
import { latinWord } from './latin-word.ts'
import { commonNotation, numeralsOf, type SourceNotation } from './number-notation.ts'
import { type NumberRange, rangeOf } from './number-range.ts'
import { numberType } from './number-type.ts'
import { type Separated, separatedNumbers } from './separated-numbers.ts'
import {
  DISTINCT_MAX,
  EVERY_ELEMENT,
  type FieldSurvey,
  MEMBERS_MAX,
  NUMBER_FORMS,
  type Survey,
  type TextForm,
} from './survey.ts'

export interface ColumnDraft {
  readonly name: string
  readonly path: string
  /** instead of the path: an expression over another column */
  readonly as?: string
  readonly type: ColumnType
  readonly unit?: TimeUnit
  /** that of the surveyed values, if the column has another one */
  readonly surveyedUnit?: TimeUnit
  /** of times: how they are written, in the order in which the formats are tried */
  readonly format?: readonly string[]
  /** every event of the sample has a value */
  readonly isAlways: boolean
  readonly distinct: number
  /** there are more than were counted */
  readonly isManyMore: boolean
  /** its texts are numbers, so it is nothing to group by */
  readonly holdsNumbers: boolean
  readonly survey: FieldSurvey
  /** sentences for its user */
  readonly doubts: readonly string[]
}

export interface ColumnDrafts {
  readonly columns: readonly ColumnDraft[]
  /** what is left out, and why */
  readonly doubts: readonly string[]
}

const COLUMNS_MAX = 200
const NAME_MAX = 60
/** names that a view cannot use */
const TAKEN = ['pane', 'time', 'row']
const UNKNOWN: SourceNotation = { delimiter: null, decimalComma: [], guessed: new Map() }

/** @param keywords words that SQL does not take for a name */
export function draftColumns(
  survey: Survey,
  keywords: ReadonlySet<string>,
  source: SourceNotation = UNKNOWN,
): ColumnDrafts {
  const doubts: string[] = []
  const leaves = readableFields(leavesOf(survey, doubts), doubts)
  if (leaves.length > COLUMNS_MAX)
    doubts.push(`${leaves.length - COLUMNS_MAX} more places have values: only the first ${COLUMNS_MAX} became columns`)
  if (survey.leftOut > 0) doubts.push('the events have more members than were looked at')
  const names = new Names(keywords)
  const common = commonNotation(leaves, source)
  let room = DEFINITION_LIMITS.columnsMax - COLUMNS_MAX
  const columns = leaves.slice(0, COLUMNS_MAX).flatMap((field) => {
    const name = names.of(field.path)
    const numbers = separatedNumbers(field, name, common, source)
    const derived = numbers.kind === 'derived' ? derivedNumber(numbers) : derivedTime(field, name)
    if (derived !== null && room-- > 0) return derivedPair(field, survey, name, derived, names)
    if (numbers.kind !== 'derived') return [draftColumn(field, survey, name, numbers)]
    const doubt = `${numbers.doubt}, and stay texts: a definition has at most ${DEFINITION_LIMITS.columnsMax} columns`
    return [draftColumn(field, survey, name, { kind: 'text', doubt })]
  })
  return { columns, doubts }
}

interface Derived {
  readonly as: (text: string) => string
  readonly type: ColumnType
  readonly unit?: TimeUnit
  readonly surveyedUnit?: TimeUnit
  readonly doubts: readonly string[]
}

function derivedNumber({ plain, as, doubt }: Extract<Separated, { kind: 'derived' }>): Derived {
  const doubts = [doubt]
  return { type: numberType(rangeOf(plain), doubts), as, doubts }
}

/** Validation at ingest reads no fractions of seconds in texts. null: they are none */
function derivedTime(field: FieldSurvey, name: string): Derived | null {
  const isText = field.hasTexts && field.scale > 0 && numeralsOf(field).length > 0
  const unit = isText && !field.path.includes(EVERY_ELEMENT) ? epochUnitOf(field, name) : null
  if (unit === null) return null
  return { type: 'TIMESTAMP', unit: 'us', surveyedUnit: unit, as: (text) => microsecondsSql(text, unit), doubts: [] }
}

/** The text as it is, and what is derived from it. */
function derivedPair(field: FieldSurvey, survey: Survey, name: string, derived: Derived, names: Names): ColumnDraft[] {
  const text = names.of([`${name.slice(0, NAME_MAX - 5)}_text`])
  const column = draftColumn(field, survey, text, { kind: 'text', doubt: null })
  return [column, { ...column, ...derived, name, as: derived.as(text), holdsNumbers: false }]
}

/** Places with values of their own: an object is given by its members, unless it is a dictionary. */
function leavesOf(survey: Survey, doubts: string[]): FieldSurvey[] {
  const fields = [...survey.fields.values()]
  const dictionaries = fields.filter((field) => isDictionary(field, fields))
  const within = (field: FieldSurvey): boolean =>
    dictionaries.some(
      ({ path }) => path.length < field.path.length && path.every((name, at) => field.path[at] === name),
    )
  const nestedLists = fields.filter(({ path, kinds }) => path.includes(EVERY_ELEMENT) && kinds.has('list'))
  for (const { path } of nestedLists)
    doubts.push(`${pathText(path)} is a list within a list, which a column cannot hold: it is left out`)
  return fields.filter((field) => {
    if (within(field) || nestedLists.includes(field)) return false
    if (dictionaries.includes(field)) return true
    const { kinds } = field
    const scalars = [...kinds].filter(([kind]) => kind !== 'object' && kind !== 'list')
    const isContainer = kinds.has('object') || kinds.has('list')
    if (isContainer && scalars.length > 0)
      doubts.push(
        `${pathText(field.path)} is sometimes a value and sometimes an object or list: only what is within became columns`,
      )
    return !isContainer && scalars.length > 0
  })
}

function isDictionary(field: FieldSurvey, fields: readonly FieldSurvey[]): boolean {
  if (!field.kinds.has('object') || field.path.includes(EVERY_ELEMENT)) return false
  const depth = field.path.length
  const members = fields.filter(
    ({ path }) => path.length === depth + 1 && field.path.every((name, at) => path[at] === name),
  )
  const present = members.reduce((sum, member) => sum + member.present, 0)
  return members.length > MEMBERS_MAX && present < field.present * members.length * 0.2
}

function draftColumn(
  field: FieldSurvey,
  { events }: Survey,
  name: string,
  numbers: Exclude<Separated, { kind: 'derived' }>,
): ColumnDraft {
  const doubts = numbers.doubt === null ? [] : [numbers.doubt]
  const isList = field.path.includes(EVERY_ELEMENT)
  const scalar: Scalar = numbers.kind === 'text' ? { type: 'VARCHAR' } : typeOf(field, name, doubts)
  const type = isList ? listOf(scalar.type, doubts) : scalar.type
  const distinct = field.distinct.size
  return {
    name,
    path: pathText(field.path),
    type,
    ...(type === 'TIMESTAMP' && scalar.format !== undefined ? { format: scalar.format } : {}),
    ...(type === 'TIMESTAMP' && scalar.unit !== undefined && scalar.unit !== 'iso' ? { unit: scalar.unit } : {}),
    isAlways: field.present === events && !isList,
    distinct,
    isManyMore: distinct >= DISTINCT_MAX,
    holdsNumbers: numbers.kind === 'text',
    survey: field,
    doubts,
  }
}

interface Scalar {
  readonly type: ColumnType
  readonly unit?: TimeUnit
  readonly format?: readonly string[]
}

function typeOf(field: FieldSurvey, name: string, doubts: string[]): Scalar {
  const { kinds, values } = field
  const of = (...some: ('integer' | 'fraction' | 'boolean' | 'text')[]): number =>
    some.reduce((sum, kind) => sum + (kinds.get(kind) ?? 0), 0)
  if (kinds.has('object')) return { type: 'JSON' }
  if (of('boolean') === values) return { type: 'BOOLEAN' }
  if (of('integer', 'fraction') === values) return dayNumberOf(field, name, doubts) ?? numberOf(field, name, doubts)
  if (of('text') === values) return textOf(field, name, doubts)
  // Values of several kinds: numbers that are sometimes written as text are numbers.
  const numeric = of('integer', 'fraction') + formsOf(field, ...NUMBER_FORMS)
  if (numeric === values) return numberOf(field, name, doubts)
  doubts.push(`its values are of several kinds (${[...kinds].map(([kind, count]) => `${count} × ${kind}`).join(', ')})`)
  return { type: 'VARCHAR' }
}

function numberOf(range: NumberRange, name: string, doubts: string[]): Scalar {
  const unit = epochUnitOf(range, name)
  if (unit === null) return { type: numberType(range, doubts) }
  const doubt = fractionDoubt(range, unit, name)
  if (doubt !== null) doubts.push(doubt)
  return { type: 'TIMESTAMP', unit }
}

function textOf(field: FieldSurvey, name: string, doubts: string[]): Scalar {
  const { values, texts } = field
  if (formsOf(field, 'date') === values) return { type: isTimeName(name) ? 'TIMESTAMP' : 'DATE', unit: 'iso' }
  if (formsOf(field, 'time', 'date') === values) return { type: 'TIMESTAMP', unit: 'iso' }
  if (formsOf(field, 'boolean') === values) return { type: 'BOOLEAN' }
  const numbers = formsOf(field, ...NUMBER_FORMS)
  // A code with leading zeros is no number.
  const isCode = [...field.distinct].some((text) => /^"[+-]?0\d/.test(text))
  if (numbers === values && field.scale === 0 && formsOf(field, 'long integer') > 0) return longCode(doubts)
  if (numbers === values && !isCode) return dayNumberOf(field, name, doubts) ?? numberOf(field, name, doubts)
  const numerals = numbers + formsOf(field, 'separated')
  const isTimeLike = formsOf(field, 'time-like') + formsOf(field, 'time', 'date') > values / 2
  const formatted = isTimeLike || formsOf(field, 'time-like', 'other') === values ? formattedOf(field, doubts) : null
  if (formatted !== null) return formatted
  if (formsOf(field, 'time-like') > values / 2)
    doubts.push(`it looks like a time, but no known format reads all of its values (${field.example}); give its format`)
  else if (numerals > 0.9 * values && numerals < values && !isCode)
    doubts.push(
      `${values - numerals} of ${values} values are not numbers${field.example === null ? '' : ` (${field.example.slice(0, 40)})`}`,
    )
  else if ((texts.get('time') ?? 0) > 0.9 * values)
    doubts.push(`${values - formsOf(field, 'time', 'date')} of ${values} values are not times`)
  return { type: 'VARCHAR' }
}

/** Rather an identifier than a number to compute with. */
function longCode(doubts: string[]): Scalar {
  doubts.push(
    'some of its whole numbers have 19 digits or more, so they stay texts; use DECIMAL(38,0) to compute with them',
  )
  return { type: 'VARCHAR' }
}

/** Dates such as 20170301 under the name of a time. */
function dayNumberOf(field: FieldSurvey, name: string, doubts: string[]): Scalar | null {
  const isDay = field.scale === 0 && [8, 14].includes(String(field.lowest).length) && isTimeName(name)
  return isDay ? formattedOf(field, doubts) : null
}

function formattedOf({ distinct }: FieldSurvey, doubts: string[]): Scalar | null {
  const found = recogniseFormat([...distinct].map((text) => JSON.parse(text) as string | number))
  if (found === null) return null
  const { formats, alternatives } = found
  if (alternatives.length > 0)
    doubts.push(`its times fit ${alternatives.map((format) => `'${format}'`).join(' and ')} as well as '${formats[0]}'`)
  if (formats.length > 1) doubts.push(`its times have ${formats.length} formats`)
  if (formats.some((format) => !format.includes('%z') && !format.endsWith('GMT')))
    doubts.push(
      "its times have no offset and are taken for UTC; add zone: 'Europe/Berlin', for example, if they are local",
    )
  return { type: 'TIMESTAMP', format: formats }
}

function formsOf({ texts }: FieldSurvey, ...forms: TextForm[]): number {
  return forms.reduce((sum, form) => sum + (texts.get(form) ?? 0), 0)
}

function listOf(type: ColumnType, doubts: string[]): ColumnType {
  if (type === 'BOOLEAN' || type === 'BIGINT' || type === 'DOUBLE' || type === 'VARCHAR') return `${type}[]`
  if (type.startsWith('DECIMAL')) {
    if (!type.startsWith('DECIMAL(18,'))
      doubts.push('there are no lists of decimals, and a DOUBLE keeps 15 digits of each')
    return 'DOUBLE[]'
  }
  if (type === 'TIMESTAMP') doubts.push('its times stay texts: there are no lists of times')
  return 'VARCHAR[]'
}

/** Names of columns, each once: that of the member, with the members above it where it is taken. */
class Names {
  readonly #taken: Set<string>

  constructor(keywords: ReadonlySet<string>) {
    this.#taken = new Set([...TAKEN, ...keywords])
  }

  of(path: readonly string[]): string {
    const words = path.filter((name) => name !== EVERY_ELEMENT).map(wordOf)
    const candidates = words.map((_, at) =>
      words
        .slice(words.length - 1 - at)
        .join('_')
        .slice(0, NAME_MAX),
    )
    const numbered = Array.from(
      { length: COLUMNS_MAX + 1 },
      (_, at) => `${candidates.at(-1)!.slice(0, NAME_MAX - 4)}_${at + 2}`,
    )
    const name = [...candidates, `${candidates[0]}_value`, ...numbered].find((one) => !this.#taken.has(one))!
    this.#taken.add(name)
    return name
  }
}

/** It begins with a letter. */
function wordOf(name: string): string {
  const word = latinWord(name)
  return /^[a-z]/.test(word) ? word : `c_${word}`.replace(/_$/, '')
}
