/** Arithmetic and numeric functions. */
import { decimalOf } from '../stored-value.ts'
import { Refused } from './refused.ts'
import { converted, digitsOf, isInteger } from './trino-casts.ts'
import {
  type Call,
  castText,
  inherited,
  type Rule,
  raising,
  type TrinoValue,
  trinoValue,
  wholeLiteral,
} from './trino-value.ts'

/** Both engines have the dates that are so far from the years 1 to 9999. */
const DAYS_MAX = 10_000_000
const LAST_DIGITS = 'its last digits differ between the mathematical libraries of the two engines'

function asNumbers({ args, type }: Call): readonly TrinoValue[] {
  return args.map((arg) => converted(arg, type))
}

function arithmetic(call: Call): TrinoValue {
  const { op, args, type } = call
  const decimal = decimalOf(type)
  if (type === 'DATE' || (op === '-' && args[0]!.type === 'DATE')) return dateArithmetic(call)
  if (args.length === 1) {
    if (!isInteger(type) && decimal === null && type !== 'DOUBLE')
      throw new Refused(`${op} of ${type} has no translation`)
    const [only] = asNumbers(call)
    if (op === '+') return only!
    // Trino removes a double negation, also of the smallest number, which has no opposite.
    const sql = isInteger(type) ? `(${castText('0', type)} - ${only!.sql})` : `(-${only!.sql})`
    return trinoValue(sql, type, { ...inherited([only!]), raises: only!.raises || isInteger(type) })
  }
  if (decimal !== null && op === '*') return decimalProduct(call)
  if (!isInteger(type) && decimal === null && type !== 'DOUBLE')
    throw new Refused(`${op} of ${type} has no translation`)
  const numbers = asNumbers(call)
  const [a, b] = numbers as [TrinoValue, TrinoValue]
  const sql = `(${a.sql} ${op} ${b.sql})`
  const facts = inherited(numbers)
  if (type === 'DOUBLE')
    return trinoValue(sql, type, { raises: facts.raises, notFinite: true, notNumber: facts.notFinite })
  // Compared with another constant, one that is added, subtracted or multiplied is moved to the other side.
  const losesError = isInteger(type) && numbers.some(({ literal }) => literal !== null) ? 'compared' : null
  return trinoValue(decimal === null ? sql : castText(sql, type), type, { raises: true, losesError })
}

/** DuckDB keeps all digits of a product. */
function decimalProduct({ args, type }: Call): TrinoValue {
  const scales = args.map((arg) => digitsOf(arg.type)?.scale ?? Number.NaN)
  if (scales[0]! + scales[1]! !== decimalOf(type)!.scale)
    throw new Refused(`a product of type ${type} has no translation`)
  const factors = args.map((arg) => {
    const { digits, scale } = digitsOf(arg.type)!
    return converted(arg, `DECIMAL(${digits},${scale})`)
  })
  return trinoValue(castText(factors.map(({ sql }) => sql).join(' * '), type), type, { raises: true })
}

function dateArithmetic({ op, args, type }: Call): TrinoValue {
  const [a, b] = args as [TrinoValue, TrinoValue]
  if (type === 'BIGINT' && b.type === 'DATE')
    return trinoValue(`date_diff('day', ${b.sql}, ${a.sql})`, type, inherited(args))
  const [date, days] = a.type === 'DATE' ? [a, b] : [b, a]
  if (type !== 'DATE' || date.type !== 'DATE' || !isInteger(days.type))
    throw new Refused(`${op} of ${a.type} and ${b.type} has no translation`)
  const sum = `date_add('day', ${op === '-' ? '-' : ''}${castText(days.sql, 'BIGINT')}, ${date.sql})`
  const literal = wholeLiteral(days)
  if (literal === null || Math.abs(literal) > DAYS_MAX)
    throw new Refused(`a date ${op} days has a translation for a number that is written in the expression only`)
  return trinoValue(sum, type, { ...inherited(args), notFinite: true })
}

function divided({ args }: Call): TrinoValue {
  const [a, b] = args.map((arg) => converted(arg, 'DOUBLE')) as [TrinoValue, TrinoValue]
  const mayBeZero = !(b.literal?.kind === 'double' && b.literal.value !== 0)
  const facts = inherited([a, b])
  return trinoValue(`(${a.sql} / ${b.sql})`, 'DOUBLE', {
    raises: facts.raises,
    notFinite: true,
    notNumber: facts.notFinite || mayBeZero,
  })
}

/** Of whole numbers: NULL where the divisor is 0; the smallest number divided by -1 overflows. */
function wholeQuotient(call: Call): TrinoValue {
  const { op, args, type } = call
  if (!isInteger(type)) {
    if (op !== '//' && (type === 'DOUBLE' || decimalOf(type) !== null)) return remainder(call)
    throw new Refused(`${op} of ${args.map((arg) => arg.type).join(' and ')} has no translation`)
  }
  const [a, b] = asNumbers(call) as [TrinoValue, TrinoValue]
  const divisor = wholeLiteral(b)
  const sign = op === '//' ? '/' : '%'
  const { raises } = inherited([a, b])
  if (divisor !== null && divisor !== 0 && divisor !== -1)
    return trinoValue(`(${a.sql} ${sign} ${b.sql})`, type, { raises })
  const negative = op === '//' ? `-${a.sql}` : `(-${a.sql}) * ${castText('0', type)}`
  return trinoValue(`CASE WHEN ${b.sql} = -1 THEN ${negative} ELSE ${a.sql} ${sign} nullif(${b.sql}, 0) END`, type, {
    raises: true,
  })
}

function remainder({ args, type }: Call): TrinoValue {
  const [a, b] = args.map((arg) => (type === 'DOUBLE' ? converted(arg, type) : arg)) as [TrinoValue, TrinoValue]
  const { raises } = inherited([a, b])
  if (type === 'DOUBLE') return trinoValue(`(${a.sql} % ${b.sql})`, type, { raises, notFinite: true, notNumber: true })
  return trinoValue(castText(`${a.sql} % nullif(${b.sql}, 0)`, type), type, { raises: true })
}

function absolute(call: Call): TrinoValue {
  const [a] = asNumbers(call)
  return trinoValue(`abs(${a!.sql})`, call.type, { ...inherited([a!]), raises: a!.raises || isInteger(call.type) })
}

/** ceil and floor */
function whole(name: 'ceil' | 'floor' | 'truncate'): Rule {
  return ({ args, type }) => {
    const [a] = args as [TrinoValue]
    if (type === 'DOUBLE') {
      const double = converted(a, 'DOUBLE')
      return trinoValue(`${name}(${double.sql})`, type, inherited([double]))
    }
    if (isInteger(type)) return converted(a, type)
    if (decimalOf(a.type) === null) throw new Refused(`${name} of ${a.type} has no translation`)
    return trinoValue(castText(`${name}(${a.sql})`, type), type, { raises: true })
  }
}

function rounded({ args, type }: Call): TrinoValue {
  const [a, places] = args as [TrinoValue, TrinoValue?]
  const digits = places === undefined ? 0 : wholeLiteral(places)
  if (digits === null || Math.abs(digits) > 15)
    throw new Refused('round() needs a number of digits that is written in the expression, from -15 to 15')
  if (isInteger(type)) {
    if (digits < 0) throw new Refused('round() of a whole number to tens has no translation')
    return converted(a, type)
  }
  const { raises, notFinite, notNumber } = a
  if (decimalOf(type) !== null) {
    const sql = digits < 0 ? `round(${a.sql}, ${digits})` : a.sql
    return trinoValue(castText(sql, type), type, { raises: true })
  }
  const x = converted(a, 'DOUBLE').sql
  // -0.3 is rounded to -0, which Trino does not keep.
  const whole = (sql: string): string =>
    `(CASE WHEN ${sql} < 0e0 THEN -round(-(${sql})) WHEN ${sql} = 0e0 THEN ${sql} ELSE round(${sql}) END)`
  if (digits === 0) return trinoValue(whole(x), type, { raises, notFinite, notNumber })
  const factor = `1e${Math.abs(digits)}`
  if (digits < 0) throw new Refused('round() of a DOUBLE to tens has no translation')
  // Where the product is not finite, DuckDB gives the value itself.
  const sql = `CASE WHEN is_finite(${x} * ${factor}) THEN ${whole(`${x} * ${factor}`)} / ${factor} ELSE ${x} END`
  return trinoValue(sql, type, { raises, notFinite, notNumber })
}

function sign({ args, type }: Call): TrinoValue {
  const [a] = args as [TrinoValue]
  const facts = { raises: a.raises }
  if (!a.notNumber) return trinoValue(castText(`sign(${a.sql})`, type), type, facts)
  return trinoValue(
    `CASE WHEN is_nan(${a.sql}) THEN ${castText('0', type)} ELSE ${castText(`sign(${a.sql})`, type)} END`,
    type,
    facts,
  )
}

/** A negative number has none. */
function root({ args }: Call): TrinoValue {
  const x = converted(args[0]!, 'DOUBLE')
  return trinoValue(`sqrt(CASE WHEN ${x.sql} < 0e0 THEN ${raising(x.sql, 'DOUBLE')} ELSE ${x.sql} END)`, 'DOUBLE', {
    ...inherited([x]),
    raises: true,
  })
}

/** greatest and least: of the values that are not NULL. */
function extreme(name: 'array_max' | 'array_min'): Rule {
  return (call) => {
    const values = asNumbers(call)
    if (values.some(({ notNumber }) => notNumber))
      throw new Refused(`${call.op}() of values that may be NaN has no translation`)
    if (call.type.endsWith('[]')) throw new Refused(`${call.op}() of lists has no translation`)
    const list = `ARRAY[${values.map(({ sql }) => sql).join(', ')}]`
    return trinoValue(`${name}(filter(${list}, x -> x IS NOT NULL))`, call.type, inherited(values))
  }
}

function asked(name: string): Rule {
  return ({ args, type }) => {
    const x = converted(args[0]!, 'DOUBLE')
    return trinoValue(`${name}(${x.sql})`, type, { raises: x.raises })
  }
}

function bits(name: string): Rule {
  return (call) => {
    if (!isInteger(call.type)) throw new Refused(`${call.op} of ${call.type} has no translation`)
    const values = asNumbers(call).map((value) => converted(value, 'BIGINT').sql)
    return trinoValue(castText(`${name}(${values.join(', ')})`, call.type), call.type, inherited(call.args))
  }
}

function scaled(factor: number): Rule {
  return ({ args, type }) => {
    const x = converted(args[0]!, 'DOUBLE')
    return trinoValue(`(${x.sql} * ${factor.toExponential()})`, type, { ...inherited([x]), notFinite: true })
  }
}

export const NUMBER_RULES: Readonly<Record<string, Rule | string>> = {
  '+': arithmetic,
  '-': arithmetic,
  '*': arithmetic,
  '/': divided,
  '//': wholeQuotient,
  '%': wholeQuotient,
  mod: wholeQuotient,
  '&': bits('bitwise_and'),
  '|': bits('bitwise_or'),
  '<<': 'DuckDB raises an error where bits are lost, Trino does not',
  '>>': 'the engines differ for negative numbers and for shifts by more than 63',
  abs: absolute,
  ceil: whole('ceil'),
  ceiling: whole('ceil'),
  floor: whole('floor'),
  trunc: whole('truncate'),
  round: rounded,
  sign,
  sqrt: root,
  radians: scaled(Math.PI / 180),
  degrees: scaled(180 / Math.PI),
  pi: ({ type }) => trinoValue(Math.PI.toExponential(), type),
  greatest: extreme('array_max'),
  least: extreme('array_min'),
  isnan: asked('is_nan'),
  isinf: asked('is_infinite'),
  isfinite: asked('is_finite'),
  ...Object.fromEntries(
    [
      'cbrt',
      'exp',
      'ln',
      'log',
      'log2',
      'log10',
      'pow',
      'power',
      '**',
      '^',
      'sin',
      'cos',
      'tan',
      'asin',
      'acos',
      'atan',
      'atan2',
    ].map((name) => [name, LAST_DIGITS]),
  ),
}
