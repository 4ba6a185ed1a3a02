/** Columns of texts that are numbers with a decimal comma or separators of thousands. */
import {
  type CommonNotation,
  isConverted,
  numeralsOf,
  readingOf,
  type SourceNotation,
  separatedExample,
} from './number-notation.ts'
import { type Notation, plainNumber } from './numeral.ts'
import { EVERY_ELEMENT, type FieldSurvey, NUMBER_FORMS } from './survey.ts'

/** What becomes of the numbers of a column; `doubt` is a sentence for its user. */
export type Separated =
  /** they are read as they are */
  | { readonly kind: 'plain'; readonly doubt: string | null }
  /** nothing tells which numbers they are, or a list cannot have them */
  | { readonly kind: 'text'; readonly doubt: string | null }
  /** a derived column has them */
  | {
      readonly kind: 'derived'
      readonly doubt: string
      readonly plain: readonly string[]
      readonly as: (text: string) => string
    }

/** @param name of the column */
export function separatedNumbers(
  field: FieldSurvey,
  name: string,
  common: CommonNotation,
  source: SourceNotation,
): Separated {
  if (isConverted(field, source))
    return { kind: 'plain', doubt: guessDoubt(source.guessed.get(field.path[0]!), common) }
  const reading = readingOf(field)
  if (reading === null) return spaced(field, name)
  const notation = reading === 'open' ? common.notation : reading
  const texts = numeralsOf(field)
  const example = separatedExample(field)
  const hasComma = example.includes(',')
  if (notation === 'point' && !hasComma) return { kind: 'plain', doubt: null }
  if (notation === null) return undecided(example, common.because, otherWay(field, name, source, hasComma))
  const what = notation === 'comma' ? 'a decimal comma' : 'separators of thousands'
  const why = reading === 'open' ? `, because ${common.because}; if they do not, change the expression` : ''
  const doubt = `its numbers are read as having ${what} (${example})${why}`
  if (field.path.includes(EVERY_ELEMENT))
    return {
      kind: 'text',
      doubt: `its numbers have ${what} (${example}) and stay texts: elements of a list are not derived`,
    }
  const plain = texts.map((text) => plainNumber(text, notation)!)
  return { kind: 'derived', doubt, plain, as: (text) => plainSql(text, notation) }
}

/** thousands separated by spaces or apostrophes */
const SPACED = /^[+-]?[1-9]\d{0,2}(?:[ '’\u00a0\u202f]\d{3})+(?:[.,]\d+)?$/

/** Texts of one length are rather telephone numbers. */
function spaced({ kinds, texts, values, distinct }: FieldSurvey, name: string): Separated {
  const plain: Separated = { kind: 'plain', doubt: null }
  const numbers = [...NUMBER_FORMS, 'separated' as const, 'other' as const]
  if (kinds.get('text') !== values || !texts.has('other')) return plain
  if (numbers.reduce((sum, form) => sum + (texts.get(form) ?? 0), 0) < values) return plain
  const all = [...distinct].map((json) => JSON.parse(json) as string)
  const example = all.find((text) => SPACED.test(text))
  if (example === undefined || !all.every((text) => SPACED.test(text) || /^[+-]?\d+([.,]\d+)?$/.test(text)))
    return plain
  if (new Set(all.map(({ length }) => length)).size === 1) return plain
  const digits = `regexp_replace(${name}, '[^0-9.,-]', '', 'g')`
  const as = all.some((text) => text.includes(',')) ? `replace(${digits}, ',', '.')` : digits
  return {
    kind: 'text',
    doubt: `its numbers have separators of thousands that no type reads (${example}), and stay texts: add a column with as: "${as}"`,
  }
}

/** SQL of the number in a text, with a decimal point. */
function plainSql(column: string, notation: Notation): string {
  return notation === 'point' ? `replace(${column}, ',', '')` : `replace(replace(${column}, '.', ''), ',', '.')`
}

function undecided(example: string, because: string, other: string): Separated {
  if (example.includes(','))
    return {
      kind: 'text',
      doubt: `its numbers (${example}) have a decimal comma or separators of thousands, and ${because}; they stay texts: ${other}`,
    }
  return {
    kind: 'plain',
    doubt: `its numbers (${example}) are read with a decimal point, but a point can separate thousands, and ${because}; if it does, ${other}`,
  }
}

/** How to go on if the numbers are others than those that were drafted. */
function otherWay({ path }: FieldSurvey, name: string, { delimiter }: SourceNotation, hasComma: boolean): string {
  const derived = hasComma
    ? `add a column with as: "replace(${name}, ',', '')" for thousands`
    : `make this a VARCHAR and add a column with as: "replace(${name}, '.', '')"`
  if (delimiter !== null) return `draft again with --decimal-comma '${path[0]}'${hasComma ? `, or ${derived}` : ''}`
  return hasComma ? `${derived}, or "replace(${name}, ',', '.')" for decimals` : derived
}

function guessDoubt(example: string | undefined, { because }: CommonNotation): string | null {
  return example === undefined ? null : `its numbers (${example}) are read with a decimal comma, because ${because}`
}
