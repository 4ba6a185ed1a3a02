/** Functions of texts. Both engines count characters as Unicode code points. */
import { Refused } from './refused.ts'
import { converted, isInteger } from './trino-casts.ts'
import { concatenated, isContained, lengthOf } from './trino-lists.ts'
import { PATTERN_RULES } from './trino-patterns.ts'
import {
  type Call,
  castText,
  inherited,
  type Rule,
  raising,
  type TrinoValue,
  textLiteral,
  trinoText,
  trinoValue,
  wholeLiteral,
} from './trino-value.ts'

const REPEATED_MAX = 1_000

function isText(value: TrinoValue): boolean {
  return value.type === 'VARCHAR'
}

/** @throws Refused where the argument is not a text */
function textOf(value: TrinoValue, op: string): string {
  if (isText(value)) return value.sql
  throw new Refused(`${op}() of ${value.type} has no translation; cast it to VARCHAR`)
}

/** A function of one text. */
function ofText(sql: (text: string) => string): Rule {
  return ({ op, args, type }) => {
    if (args.length !== 1) throw new Refused(`${op}() with ${args.length} arguments has no translation`)
    return trinoValue(sql(textOf(args[0]!, op)), type, inherited(args))
  }
}

/** A function of several texts, each of which is in its SQL. */
function ofTexts(sql: (...texts: string[]) => string): Rule {
  return ({ op, args, type }) => trinoValue(sql(...args.map((arg) => textOf(arg, op))), type, inherited(args))
}

function literalWhole(op: string, value: TrinoValue | undefined): number {
  const whole = wholeLiteral(value)
  if (whole === null) throw new Refused(`${op}() needs a number that is written in the expression`)
  return whole
}

function literalText(op: string, value: TrinoValue | undefined): string {
  const text = textLiteral(value)
  if (text === null || text === '')
    throw new Refused(`${op}() needs a text that is written in the expression, and not empty`)
  return text
}

/** From a character on, the first of which is 1; negative ones count from the end. */
function substring(call: Call): TrinoValue {
  const { op, args, type } = call
  const x = textOf(args[0]!, op)
  const start = wholeLiteral(args[1])
  const count = args.length < 3 ? null : literalWhole(op, args[2])
  if (count !== null && count < 0) throw new Refused(`${op}() of a negative number of characters has no translation`)
  if (start === null) return substringFrom(call, count)
  const end = count === null ? '' : `, ${count}`
  const made = (sql: string): TrinoValue => trinoValue(sql, type, inherited(args))
  if (start > 0) return made(`substr(${x}, ${start}${end})`)
  if (start === 0) return count === null ? made(x) : made(`substr(${x}, 1, ${Math.max(0, count - 1)})`)
  const whole = count === null ? x : `substr(${x}, 1, greatest(${count} - ${-start} + length(${x}), 0))`
  return made(`(CASE WHEN length(${x}) < ${-start} THEN ${whole} ELSE substr(${x}, ${start}${end}) END)`)
}

/** What DuckDB takes where no number of characters is given. */
const CHARACTERS_MAX = 2 ** 32 - 1

/** From a character that differs by row. DuckDB refuses numbers beyond 32 bits. */
function substringFrom({ op, args, type }: Call, count: number | null): TrinoValue {
  const [x, start] = [textOf(args[0]!, op), args[1]!]
  if (!isInteger(start.type)) throw new Refused(`${op}() from a ${start.type} has no translation`)
  const s = start.sql
  const end = count === null ? '' : `, ${count}`
  const before = `CASE WHEN ${s} = 0 THEN -1 ELSE length(${x}) + ${s} END`
  const isWide = start.type === 'BIGINT'
  const counted = `substr(${x}, 1, greatest(${count ?? CHARACTERS_MAX} + ${before}, 0))`
  const beginning = count === null && !isWide ? x : counted
  const wide = `WHEN ${s} NOT BETWEEN ${-CHARACTERS_MAX - 1} AND ${CHARACTERS_MAX} AND ${x} IS NOT NULL THEN ${raising(s, 'VARCHAR')} `
  const cases = `${isWide ? wide : ''}WHEN ${s} > 0 OR length(${x}) + ${s} >= 0 AND ${s} < 0 THEN substr(${x}, ${s}${end}) WHEN ${s} <= 0 THEN ${beginning}`
  return trinoValue(`(CASE ${cases} END)`, type, {
    ...inherited(args),
    raises: isWide || inherited(args).raises === true,
  })
}

function left({ op, args, type }: Call): TrinoValue {
  const [x, n] = [textOf(args[0]!, op), literalWhole(op, args[1])]
  return trinoValue(`substr(${x}, 1, ${n >= 0 ? n : `greatest(length(${x}) - ${-n}, 0)`})`, type, inherited(args))
}

function right({ op, args, type }: Call): TrinoValue {
  const [x, n] = [textOf(args[0]!, op), literalWhole(op, args[1])]
  if (n < 0) return trinoValue(`substr(${x}, ${1 - n})`, type, inherited(args))
  return trinoValue(`(CASE WHEN length(${x}) <= ${n} THEN ${x} ELSE substr(${x}, ${-n}) END)`, type, inherited(args))
}

function padded({ op, args, type }: Call): TrinoValue {
  const [x, n, pad] = [textOf(args[0]!, op), literalWhole(op, args[1]), literalText(op, args[2])]
  if (n < 0 || n > REPEATED_MAX) throw new Refused(`${op}() to more than ${REPEATED_MAX} characters has no translation`)
  return trinoValue(`${op}(${x}, ${n}, ${trinoText(pad)})`, type, inherited(args))
}

function repeated({ op, args, type }: Call): TrinoValue {
  const [x, n] = [textOf(args[0]!, op), literalWhole(op, args[1])]
  if (n > REPEATED_MAX) throw new Refused(`${op}() more than ${REPEATED_MAX} times has no translation`)
  return trinoValue(
    `(CASE WHEN ${x} IS NOT NULL THEN array_join(repeat(${x}, ${Math.max(0, n)}), '') END)`,
    type,
    inherited(args),
  )
}

/** Arguments are cast to text, and NULLs are skipped. */
function concat({ args, type }: Call): TrinoValue {
  const texts = args.map((arg) => converted(arg, 'VARCHAR'))
  const parts = texts.map(({ sql }) => `coalesce(${sql}, '')`)
  return trinoValue(parts.length === 1 ? parts[0]! : `concat(${parts.join(', ')})`, type, inherited(texts))
}

function joined({ args, type }: Call): TrinoValue {
  const texts = args.map((arg) => converted(arg, 'VARCHAR'))
  return trinoValue(`concat_ws(${texts.map(({ sql }) => castText(sql, 'VARCHAR')).join(', ')})`, type, inherited(texts))
}

function both(call: Call): TrinoValue {
  if (call.type.endsWith('[]')) return concatenated(call)
  const [a, b] = call.args.map((arg) => converted(arg, 'VARCHAR')) as [TrinoValue, TrinoValue]
  return trinoValue(`(${a.sql} || ${b.sql})`, call.type, inherited([a, b]))
}

function part({ op, args, type }: Call): TrinoValue {
  const [x, separator, n] = [textOf(args[0]!, op), literalText(op, args[1]), literalWhole(op, args[2])]
  if (n === 0) throw new Refused(`${op}() of part 0 has no translation`)
  const sql = `(CASE WHEN ${x} IS NOT NULL THEN coalesce(element_at(split(${x}, ${trinoText(separator)}), ${n}), '') END)`
  return trinoValue(sql, type, inherited(args))
}

function split({ op, args, type }: Call): TrinoValue {
  const [x, separator] = [textOf(args[0]!, op), literalText(op, args[1])]
  return trinoValue(`split(${x}, ${trinoText(separator)})`, type, inherited(args))
}

/** The code of the first character. */
function code(ofNone: number): Rule {
  return ofText(
    (x) => `(CASE WHEN ${x} = '' THEN ${ofNone} ELSE codepoint(CAST(substr(${x}, 1, 1) AS varchar(1))) END)`,
  )
}

function hash(name: string): Rule {
  return ofText((x) => `lower(to_hex(${name}(to_utf8(${x}))))`)
}

function character({ op, args, type }: Call): TrinoValue {
  const point = literalWhole(op, args[0])
  if (point < 1 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
    throw new Refused(`${op}(${point}) has no translation`)
  const value = String.fromCodePoint(point)
  return trinoValue(trinoText(value), type, { literal: { kind: 'text', value } })
}

const length: Rule = (call) =>
  call.args[0]!.type.endsWith('[]') ? lengthOf(call) : ofText((x) => `length(${x})`)(call)
const startsWith = ofTexts((x, y) => `starts_with(${x}, ${y})`)
const endsWith = ofTexts(
  (x, y) => `(length(${x}) >= length(${y}) AND substr(${x}, length(${x}) - length(${y}) + 1) = ${y})`,
)
const position = ofTexts((x, y) => `strpos(${x}, ${y})`)
const contains: Rule = (call) =>
  call.args[0]!.type.endsWith('[]') ? isContained(call) : ofTexts((x, y) => `(strpos(${x}, ${y}) > 0)`)(call)

/** The cases of Unicode 16, which Trino's Java knows and DuckDB does not: capital letters, and small ones. */
const NEW_CAPITALS = codes([0x1c89, 0xa7cb, 0xa7cc, 0xa7da, 0xa7dc], [0x10d50, 0x10d65])
const NEW_SMALL = codes([0x19b, 0x264, 0x1c8a, 0xa7cd, 0xa7db], [0x10d70, 0x10d85])

function codes(some: readonly number[], [from, to]: readonly [number, number]): string {
  const range = Array.from({ length: to - from + 1 }, (_, at) => from + at)
  return String.fromCodePoint(...some, ...range)
}

/** Character by character where one is in the text that must stay as it is. */
function cased(name: 'lower' | 'upper', kept: string): Rule {
  return ofText((text) => {
    // DuckDB has a capital ß, Java has none.
    const x = name === 'upper' ? `replace(${text}, 'ß', 'ẞ')` : text
    const each = `transform(regexp_extract_all(${x}, '(?s).'), c -> CASE WHEN strpos('${kept}', c) > 0 THEN c ELSE ${name}(c) END)`
    return `(CASE WHEN regexp_like(${x}, '[${kept}]') THEN array_join(${each}, '') ELSE ${name}(${x}) END)`
  })
}

/** All spaces of Unicode, but no tab and no end of line. */
const SPACES = String.fromCodePoint(
  32,
  160,
  5760,
  8192,
  8193,
  8194,
  8195,
  8196,
  8197,
  8198,
  8199,
  8200,
  8201,
  8202,
  8239,
  8287,
  12288,
)

function trimmed(where: 'BOTH' | 'LEADING' | 'TRAILING'): Rule {
  return ofText((x) => `trim(${where} '${SPACES}' FROM ${x})`)
}

export const TEXT_RULES: Readonly<Record<string, Rule | string>> = {
  ...PATTERN_RULES,
  lower: cased('lower', NEW_CAPITALS),
  lcase: cased('lower', NEW_CAPITALS),
  upper: cased('upper', NEW_SMALL),
  ucase: cased('upper', NEW_SMALL),
  trim: trimmed('BOTH'),
  ltrim: trimmed('LEADING'),
  rtrim: trimmed('TRAILING'),
  length,
  len: length,
  char_length: ofText((x) => `length(${x})`),
  strlen: ofText((x) => `length(to_utf8(${x}))`),
  substr: substring,
  substring,
  left,
  right,
  lpad: padded,
  rpad: padded,
  replace: ofTexts((x, from, to) => `(CASE WHEN ${from} = '' THEN ${x} ELSE replace(${x}, ${from}, ${to}) END)`),
  reverse: 'DuckDB keeps combined characters together, Trino does not',
  repeat: repeated,
  concat,
  concat_ws: joined,
  '||': both,
  contains,
  starts_with: startsWith,
  prefix: startsWith,
  ends_with: endsWith,
  suffix: endsWith,
  strpos: position,
  instr: position,
  position,
  split_part: part,
  string_split: split,
  translate: ofTexts((x, from, to) => `translate(${x}, ${from}, ${to})`),
  ascii: code(0),
  unicode: code(-1),
  chr: character,
  md5: hash('md5'),
  sha256: hash('sha256'),
  hex: ofText((x) => `to_hex(to_utf8(${x}))`),
  strip_accents: 'the engines have different versions of Unicode',
}
