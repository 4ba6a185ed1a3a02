/**
 * COALESCE as CASE. Where TRY meets a failing row, DuckDB 1.5.6 evaluates the rows of its batch one by one, and COALESCE then gives some of
 * the others the value of another row, or of none. CASE does not.
 */
const TOKEN =
  /"(?:coalesce|ifnull)"\s*\(|'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(?:coalesce|ifnull)\s*\(|[([{]|[)\]}]|,|[a-z_0-9$]+|[^'"([{)\]},a-z_0-9$]+|./gis
const CHOICE = /^(?:coalesce|ifnull|"(?:coalesce|ifnull)")\s*\($/i
/** Each level doubles the text. */
export const COALESCE_LEVELS_MAX = 6

interface Level {
  readonly opened: string
  readonly parts: string[]
}

/**
 * The expression without COALESCE and IFNULL. Also where every part is a name: parts of different types are converted, which can fail.
 *
 * ```ts
 * coalesceAsCase('coalesce(a, b + 1)') // '(CASE WHEN (a) IS NOT NULL THEN (a) ELSE ( b + 1) END)'
 * ```
 *
 * @param expression one that checkExpression has accepted; of another, whose parentheses do not balance, nothing is changed
 */
export function coalesceAsCase(expression: string): string {
  const levels: Level[] = [{ opened: '', parts: [''] }]
  for (const [token] of expression.matchAll(TOKEN)) {
    const level = levels.at(-1)!
    if (CHOICE.test(token) || /^[([{]$/.test(token)) levels.push({ opened: token, parts: [''] })
    else if (token === ',' && CHOICE.test(level.opened)) level.parts.push('')
    else if (/^[)\]}]$/.test(token)) {
      levels.pop()
      const outer = levels.at(-1)
      if (outer === undefined) return expression
      append(outer, closed(level, token))
    } else append(level, token)
  }
  return levels.length > 1 ? expression : levels[0]!.parts[0]!
}

/** How many COALESCE or IFNULL are inside of one another. @param expression whose parentheses balance */
export function coalesceLevels(expression: string): number {
  const opened: boolean[] = []
  let [levels, most] = [0, 0]
  for (const [token] of expression.matchAll(TOKEN)) {
    if (CHOICE.test(token) || /^[([{]$/.test(token)) {
      opened.push(CHOICE.test(token))
      if (CHOICE.test(token)) most = Math.max(most, ++levels)
    } else if (/^[)\]}]$/.test(token) && opened.pop() === true) levels--
  }
  return most
}

function append(level: Level, text: string): void {
  level.parts[level.parts.length - 1] += text
}

function closed({ opened, parts }: Level, closer: string): string {
  if (!CHOICE.test(opened)) return `${opened}${parts.join(',')}${closer}`
  const whens = parts.slice(0, -1).map((part) => `WHEN (${part}) IS NOT NULL THEN (${part})`)
  return whens.length === 0 ? `(${parts[0]})` : `(CASE ${whens.join(' ')} ELSE (${parts.at(-1)}) END)`
}
