/** LIKE and regular expressions: RE2 is DuckDB's engine, Joni is Trino's. */
import { Refused } from './refused.ts'
import {
  type Call,
  inherited,
  type Rule,
  type TrinoValue,
  textLiteral,
  trinoText,
  trinoValue,
  wholeLiteral,
} from './trino-value.ts'

const CLASS = String.raw`\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9 _,;:@#%='"<>~!/.+*?(){}|$]|[^\u0000-\u007f]|\\[-\]\\^.dws/])+\]`
const LITERAL = String.raw`[A-Za-z0-9 _,;:@#%&='"<>~!/-]|[^\u0000-\u007f]|\\[.*+?()[\]{}|^$\\/-]`
/** What both read alike: classes, groups, alternatives, borders, quantifiers, characters. */
const TOKEN = new RegExp(
  String.raw`(?<class>${CLASS}|\\[dws]|\.)|(?<open>\((?:\?:)?)|(?<close>\))|(?<or>\|)|(?<border>[\^$])|(?<quantifier>[*+?]\??|\{\d{1,3}(?:,\d{0,3})?\}\??)|(?<literal>${LITERAL})`,
  'uy',
)
/** Of ASCII in RE2; Joni's have all of Unicode. */
const ASCII: Readonly<Record<string, string>> = { d: '0-9', w: '0-9A-Za-z_', s: String.raw`\t\n\f\r ` }
const BORDERS: Readonly<Record<string, string>> = { '^': String.raw`\A`, $: String.raw`\z` }
const ALIKE =
  'literal characters, classes such as [a-z] or \\d, groups, alternatives and quantifiers are read alike by both engines'

interface Pattern {
  /** for Joni */
  readonly sql: string
  readonly matchesNothing: boolean
  /** a group is repeated: which part of the text it has in the end differs */
  readonly repeatsGroup: boolean
}

/** @throws Refused where the engines may read the pattern differently */
function patternOf(op: string, value: TrinoValue | undefined): Pattern {
  const text = textLiteral(value)
  if (text === null) throw new Refused(`${op}() needs a pattern that is written in the expression`)
  let written = ''
  let [repeatsGroup, last] = [false, '']
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const groups = TOKEN.exec(text)?.groups
    const token = groups && Object.entries(groups).find(([, found]) => found !== undefined)
    if (token === undefined)
      throw new Refused(`the pattern ${trinoText(text)} has no translation, at '${text.slice(at)}'; ${ALIKE}`)
    const [kind, found] = token as [string, string]
    if (kind === 'quantifier' && !['class', 'literal', 'close'].includes(last))
      throw new Refused(`the pattern ${trinoText(text)} repeats what is not a character, a class or a group`)
    if (kind === 'quantifier' && last === 'close' && !found.startsWith('?')) repeatsGroup = true
    written += joniOf(kind, found)
    last = kind
  }
  const plain = asJavaScript(text, written)
  if (
    repeatsGroup &&
    /[*?]|\{0|\(\||\|\)|\|\||\(\)/.test(text.replace(/\(\?:/g, '(').replace(/\)(?:[*?]\??|\{\d+(?:,\d*)?\}\??)/g, ')'))
  )
    throw new Refused(`the pattern ${trinoText(text)} repeats a group that can be empty`)
  return { sql: trinoText(written), matchesNothing: plain.test(''), repeatsGroup }
}

function joniOf(kind: string, token: string): string {
  if (kind === 'border') return BORDERS[token]!
  if (kind !== 'class') return token
  if (token === '.') return String.raw`[^\n]`
  return token.startsWith('[') ? token.replace(/\\([dws])/g, (_, name) => ASCII[name]!) : `[${ASCII[token[1]!]}]`
}

/** Finds mistakes, and what matches the empty text. */
function asJavaScript(text: string, written: string): RegExp {
  try {
    return new RegExp(`^(?:${written.replaceAll(String.raw`\A`, '^').replaceAll(String.raw`\z`, '$')})$`)
  } catch (error) {
    throw new Refused(`the pattern ${trinoText(text)} cannot be read: ${(error as Error).message}`)
  }
}

function searched({ op, args }: Call): string {
  const [x] = args as [TrinoValue]
  if (x.type !== 'VARCHAR') throw new Refused(`${op}() of ${x.type} has no translation; cast it to VARCHAR`)
  return x.sql
}

function withoutOptions({ op, args }: Call, most: number): void {
  if (args.length > most) throw new Refused(`${op}() with options has no translation`)
}

const matches: Rule = (call) => {
  withoutOptions(call, 2)
  return trinoValue(
    `regexp_like(${searched(call)}, ${patternOf(call.op, call.args[1]).sql})`,
    call.type,
    inherited(call.args),
  )
}

const fullMatch: Rule = (call) => {
  withoutOptions(call, 2)
  const { sql } = patternOf(call.op, call.args[1])
  return trinoValue(`regexp_like(${searched(call)}, '\\A(?:' || ${sql} || ')\\z')`, call.type, inherited(call.args))
}

/** What does not match gives an empty text. */
const extract: Rule = (call) => {
  const { op, args, type } = call
  withoutOptions(call, 3)
  const { sql, repeatsGroup } = patternOf(op, args[1])
  const group = args.length < 3 ? 0 : wholeLiteral(args[2])
  if (group === null || group < 0)
    throw new Refused(`${op}() needs the number of a group that is written in the expression`)
  if (group > 0 && repeatsGroup) throw new Refused(`${op}() of a group, where a group is repeated, has no translation`)
  const x = searched(call)
  return trinoValue(
    `(CASE WHEN ${x} IS NOT NULL THEN coalesce(regexp_extract(${x}, ${sql}, ${group}), '') END)`,
    type,
    inherited(args),
  )
}

const extractAll: Rule = (call) => {
  const { op, args, type } = call
  withoutOptions(call, 2)
  const { sql, matchesNothing } = patternOf(op, args[1])
  if (matchesNothing) throw new Refused(`${op}() with a pattern that matches the empty text has no translation`)
  return trinoValue(`regexp_extract_all(${searched(call)}, ${sql})`, type, inherited(args))
}

const replace: Rule = (call) => {
  const { op, args, type } = call
  if (textLiteral(args[3]) !== 'g')
    throw new Refused(`${op}() replaces only the first match without 'g', which Trino cannot`)
  const { sql, matchesNothing } = patternOf(op, args[1])
  const by = textLiteral(args[2])
  if (by === null || by.includes('\\'))
    throw new Refused(`${op}() needs a replacement that is written in the expression, without groups`)
  if (matchesNothing) throw new Refused(`${op}() with a pattern that matches the empty text has no translation`)
  return trinoValue(
    `regexp_replace(${searched(call)}, ${sql}, ${trinoText(by.replaceAll('$', '\\$'))})`,
    type,
    inherited(args),
  )
}

const like: Rule = (call) => {
  const { op, args, type } = call
  const pattern = args[1]!
  if (pattern.type !== 'VARCHAR') throw new Refused(`LIKE with a ${pattern.type} has no translation`)
  const sql = `${searched(call)} LIKE ${pattern.sql}`
  return trinoValue(op === '~~' ? `(${sql})` : `(NOT (${sql}))`, type, inherited(args))
}

const CASE_FOLDING = 'the engines ignore case differently; compare lower() of both'

export const PATTERN_RULES: Readonly<Record<string, Rule | string>> = {
  '~~': like,
  '!~~': like,
  '~~*': CASE_FOLDING,
  '!~~*': CASE_FOLDING,
  like_escape: 'Trino refuses escapes that DuckDB accepts',
  ilike_escape: CASE_FOLDING,
  regexp_matches: matches,
  regexp_full_match: fullMatch,
  regexp_extract: extract,
  regexp_extract_all: extractAll,
  regexp_replace: replace,
}
