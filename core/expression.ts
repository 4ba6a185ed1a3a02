/**
 * Checks that a text of a definition is a single scalar SQL expression over known names: no subqueries, aggregates or window functions, and
 * nothing that reads files, the clock or random numbers. The engine's own parser parses it; this module walks the resulting tree.
 */
import { COALESCE_LEVELS_MAX, coalesceAsCase, coalesceLevels } from './coalesce-as-case.ts'
import { nearest } from './definition-error.ts'
import { DEFINITION_LIMITS } from './definition-limits.ts'
import type { SqlDialect } from './dialect.ts'
import { quoteName } from './sql-names.ts'

const CLASSES = new Set([
  'CASE',
  'COMPARISON',
  'COLUMN_REF',
  'CONSTANT',
  'FUNCTION',
  'CAST',
  'OPERATOR',
  'CONJUNCTION',
  'BETWEEN',
])

/** Deterministic scalar functions: the same row gives the same value in every process and at every time. */
export const ALLOWED_FUNCTIONS: ReadonlySet<string> = new Set(
  `+ - * / // % ** ^ || ~~ !~~ ~~* !~~* & | << >> abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log2 log10 pow power
  mod pi radians degrees sin cos tan asin acos atan atan2 greatest least coalesce nullif ifnull if
  lower upper lcase ucase trim ltrim rtrim length len strlen char_length substr substring left right lpad rpad replace reverse repeat
  concat concat_ws contains starts_with prefix ends_with suffix strpos instr position split_part string_split regexp_matches
  regexp_extract regexp_extract_all regexp_replace regexp_full_match like_escape ilike_escape md5 sha256 hex translate ascii chr unicode strip_accents
  date_trunc date_part datepart datetrunc year month day hour minute second millisecond dayofweek isodow dayofyear week quarter
  weekofyear epoch epoch_ms epoch_us to_timestamp make_date make_timestamp last_day dayname monthname strftime date_diff datediff
  list_contains list_has array_contains array_length list_extract array_extract list_element list_distinct list_sort list_value
  list_concat array_to_string json_extract json_extract_string json_array_length json_type -> ->> struct_extract isnan isinf isfinite`.split(
    /\s+/,
  ),
)

interface TreeNode {
  readonly class?: string
  readonly type?: string
  readonly function_name?: string
  readonly column_names?: readonly string[]
  readonly distinct?: boolean
  readonly filter?: unknown
  readonly cast_type?: { readonly id?: string }
}

/** Texts and quoted names; and how texts begin that are not quoted as the standard says. */
const TEXTS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<!\w)(?:e|u&)'|\$\w*\$/gi

/** Returns its problems as sentences; adds the names that the expression reads to `used`. */
export async function checkExpression(
  dialect: SqlDialect,
  expression: string,
  known: ReadonlySet<string>,
  used: Set<string>,
): Promise<readonly string[]> {
  const unparsed = await whyNotScalar(dialect, expression, known)
  if (typeof unparsed === 'string') return [unparsed]
  return [...new Set(walk(unparsed, known, used, expression))]
}

/** Why a text is not a single scalar expression, as a sentence; its tree if it is. */
async function whyNotScalar(dialect: SqlDialect, expression: string, known: ReadonlySet<string>): Promise<unknown> {
  if (expression.trim() === '' || expression.length > DEFINITION_LIMITS.expressionCharsMax)
    return `an expression must have 1 to ${DEFINITION_LIMITS.expressionCharsMax} characters`
  // A bare name may be an SQL keyword.
  if (known.has(expression.trim())) return { class: 'COLUMN_REF', column_names: [expression.trim()] }
  const [odd] = [...expression.matchAll(TEXTS)].map(([text]) => text).filter((text) => !/^['"]/.test(text))
  if (odd !== undefined)
    return `'${expression}' has a text that begins with ${odd}; write it in single quotes, each one inside it twice`
  if (/--|\/\*/.test(expression.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, '')))
    return `'${expression}' contains a comment, which is not allowed; put it in the definition file`
  // Parsed alone, its parentheses must balance; parsed as embedded below, it cannot comment out the SQL that follows.
  const alone = (await dialect.parse(`SELECT ${expression}\n`)) as { error?: boolean; error_message?: string }
  if (alone.error) {
    const reserved = await reservedName(dialect, expression, known)
    const advice = reserved === null ? '' : `; ${reserved} is an SQL keyword: write "${reserved}"`
    return `'${expression}' is not an SQL expression: ${alone.error_message?.split('\n')[0]}${advice}`
  }
  const tree = (await dialect.parse(`SELECT (${expression}\n)`)) as {
    error?: boolean
    error_message?: string
    statements?: { node: Record<string, unknown> }[]
  }
  if (tree.error) return `'${expression}' is not an SQL expression: ${tree.error_message}`
  const node = tree.statements?.[0]?.node
  if (node === undefined || !isOneScalar(node, tree.statements!.length))
    return `'${expression}' must be a single scalar expression`
  if (coalesceLevels(expression) > COALESCE_LEVELS_MAX)
    return `'${expression}' has more than ${COALESCE_LEVELS_MAX} coalesce inside of one another; give one of them all of the values: coalesce(a, b, c)`
  return (node.select_list as unknown[])[0]
}

/** A known name in the text that SQL does not accept without quotes. */
async function reservedName(dialect: SqlDialect, text: string, known: ReadonlySet<string>): Promise<string | null> {
  for (const word of new Set(text.match(/(?<!")\b[a-z][a-z0-9_]*\b(?!")/g) ?? [])) {
    if (!known.has(word)) continue
    const tree = (await dialect.parse(`SELECT (${word})`)) as { error?: boolean }
    if (tree.error) return word
  }
  return null
}

/** The text as it is embedded in SQL: a bare name is quoted, because it may be an SQL keyword. */
export function expressionSql(expression: string, known: ReadonlySet<string>): string {
  const name = expression.trim()
  return known.has(name) ? quoteName(name) : `${coalesceAsCase(expression)}\n`
}

function isOneScalar(node: Record<string, unknown>, statements: number): boolean {
  const list = node.select_list as unknown[] | undefined
  const from = node.from_table as { type?: string } | null
  const empty = (value: unknown): boolean =>
    value === null || value === undefined || (Array.isArray(value) && value.length === 0)
  return (
    statements === 1 &&
    node.type === 'SELECT_NODE' &&
    list?.length === 1 &&
    (from === null || from?.type === 'EMPTY') &&
    empty(node.where_clause) &&
    empty(node.having) &&
    empty(node.qualify) &&
    empty(node.modifiers) &&
    empty(node.group_expressions)
  )
}

/** Once a node has a problem, its children are not checked. */
function walk(value: unknown, known: ReadonlySet<string>, used: Set<string>, text: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => walk(item, known, used, text))
  if (value === null || typeof value !== 'object') return []
  const problem = checkNode(value as TreeNode, known, used, text)
  return problem === null ? walk(Object.values(value), known, used, text) : [problem]
}

function checkNode(node: TreeNode, known: ReadonlySet<string>, used: Set<string>, text: string): string | null {
  if (node.class === undefined) return null
  if (!CLASSES.has(node.class))
    return `'${text}' contains a ${node.class.toLowerCase()} expression, which is not allowed`
  if (node.class === 'COLUMN_REF') {
    const name = node.column_names?.join('.') ?? ''
    if (!known.has(name)) return `'${text}' refers to unknown column '${name}'${nearest(name, known)}`
    used.add(name)
  }
  // Not deterministic: a cast of text to these types accepts zone names, and then reads later rows of the same batch in that zone.
  if (node.class === 'CAST' && / WITH TIME ZONE$/.test(node.cast_type?.id ?? ''))
    return `'${text}' casts to a type with time zone, which is not allowed; cast to TIMESTAMP, which is UTC`
  if (node.class === 'FUNCTION') {
    const name = node.function_name ?? ''
    if (!ALLOWED_FUNCTIONS.has(name.toLowerCase()))
      return `'${text}' calls ${name}(), which is not one of the allowed scalar functions`
    if (node.distinct || node.filter) return `'${text}' uses DISTINCT or FILTER, which is not allowed`
  }
  return null
}
