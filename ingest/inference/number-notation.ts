/**
 * How the numbers of a source are written. Three digits behind one separator, as in 1,234, are a number with a decimal comma, and another one
 * with a decimal point: then other values of the source decide.
 */
import { isNumeral, type Notation } from './numeral.ts'
import type { FieldSurvey } from './survey.ts'

/** `open`: every value fits both notations, which give different numbers. */
export type Reading = Notation | 'open'

/** null: its values are not numbers in texts, or have no separator */
export function readingOf(field: FieldSurvey): Reading | null {
  if (!field.texts.has('fraction') && !field.texts.has('separated')) return null
  const texts = numeralsOf(field)
  if (!texts.some((text) => /[.,]/.test(text))) return null
  const [point, comma] = (['point', 'comma'] as const).map((notation) =>
    texts.every((text) => isNumeral(text, notation)),
  )
  if (point && comma) return 'open'
  return point ? 'point' : comma ? 'comma' : null
}

/** Its different values, if all are numbers, some of them in texts; none where they have the leading zeros of codes. */
export function numeralsOf({ kinds, texts, values, distinct }: FieldSurvey): string[] {
  const forms = (['integer', 'long integer', 'fraction', 'separated'] as const).reduce(
    (sum, form) => sum + (texts.get(form) ?? 0),
    0,
  )
  if (forms === 0 || forms + (kinds.get('integer') ?? 0) + (kinds.get('fraction') ?? 0) < values) return []
  const numerals = [...distinct].map((json) => String(JSON.parse(json)))
  return numerals.some((text) => /^[+-]?0\d/.test(text)) ? [] : numerals
}

/** What tells how the numbers of a source are written, besides their values. */
export interface SourceNotation {
  /** null: it is not CSV */
  readonly delimiter: string | null
  /** columns that are read with a decimal comma */
  readonly decimalComma: readonly string[]
  /** those of them that are read so because of others, each with a value */
  readonly guessed: ReadonlyMap<string, string>
}

export interface CommonNotation {
  readonly notation: Notation | null
  /** as the end of a sentence */
  readonly because: string
}

/**
 * The notation of columns that are open: that of all columns whose values decide, otherwise that of the delimiter, which is hardly a
 * comma where numbers have one.
 */
export function commonNotation(fields: Iterable<FieldSurvey>, source: SourceNotation): CommonNotation {
  const { delimiter, decimalComma } = source
  const decided = new Set<Reading | null>(decimalComma.length > 0 ? ['comma'] : [])
  for (const field of fields) if (!isConverted(field, source)) decided.add(readingOf(field))
  if (decided.has('point') && decided.has('comma'))
    return { notation: null, because: 'other columns have both decimal points and decimal commas' }
  if (decided.has('comma')) return { notation: 'comma', because: 'other columns have decimal commas' }
  if (decided.has('point')) return { notation: 'point', because: 'other columns have decimal points' }
  if (delimiter === ',') return { notation: 'point', because: 'the delimiter is a comma' }
  return { notation: null, because: 'no other value decides' }
}

/** Whether its decimal commas were replaced when it was read. */
export function isConverted({ path }: FieldSurvey, { decimalComma }: SourceNotation): boolean {
  return path.length === 1 && decimalComma.includes(path[0]!)
}

/** names that the flag --decimal-comma cannot give, or that were made for columns without one */
const UNNAMEABLE = /[,']|^column\d+$/

/** Columns of a CSV source whose numbers have a decimal comma; those whose values alone do not decide have one of them. */
export function decimalCommas(
  fields: Iterable<FieldSurvey>,
  delimiter: string | null,
): ReadonlyMap<string, string | null> {
  const all = [...fields]
  const { notation } = commonNotation(all, { delimiter, decimalComma: [], guessed: new Map() })
  const readings = all.map((field) => ({ field, name: field.path[0]!, reading: readingOf(field) }))
  const found = readings.filter(
    ({ name, reading }) =>
      !UNNAMEABLE.test(name) && (reading === 'comma' || (reading === 'open' && notation === 'comma')),
  )
  return new Map(found.map(({ field, name, reading }) => [name, reading === 'open' ? separatedExample(field) : null]))
}

/** A value with a separator: a comma, if any has one. */
export function separatedExample(field: FieldSurvey): string {
  const texts = numeralsOf(field)
  return texts.find((text) => text.includes(',')) ?? texts.find((text) => text.includes('.'))!
}
