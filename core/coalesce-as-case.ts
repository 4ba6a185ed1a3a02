/**
 * COALESCE as CASE. Where TRY meets a failing row, DuckDB 1.5.6 evaluates the rows of its batch one by one, and COALESCE then gives some of
 * the others the value of another row, or of none. CASE does not.
 */
const TOKEN =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(?:coalesce|ifnull)\s*\(|[([{]|[)\]}]|,|[a-z_0-9$]+|[^'"([{)\]},a-z_0-9$]+|./gis
const CHOICE = /^(?:coalesce|ifnull)\s*\($/i
/** Names, texts, numbers: no such part can fail. */
const CERTAIN = /^(?:[\w\s,()]|"(?:[^"]|"")*"|'(?:[^']|'')*')*$/

interface Level {
  readonly opened: string
  readonly parts: string[]
}

/**
 * The expression without COALESCE and IFNULL, if any part of it could fail; as it is otherwise.
 *
 * ```ts
 * coalesceAsCase('coalesce(a, b + 1)') // '(CASE WHEN (a) IS NOT NULL THEN (a) ELSE ( b + 1) END)'
 * coalesceAsCase('coalesce(a, b)') // 'coalesce(a, b)'
 * ```
 *
 * @param expression one that the engine's parser has accepted, without comments
 */
export function coalesceAsCase(expression: string): string {
  const words = expression.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, "''")
  if (!/\b(?:coalesce|ifnull)\s*\(/i.test(words) || isCertain(words)) return expression
  const levels: Level[] = [{ opened: '', parts: [''] }]
  for (const [token] of expression.matchAll(TOKEN)) {
    const level = levels.at(-1)!
    if (CHOICE.test(token) || /^[([{]$/.test(token)) levels.push({ opened: token, parts: [''] })
    else if (token === ',' && CHOICE.test(level.opened)) level.parts.push('')
    else if (/^[)\]}]$/.test(token)) {
      levels.pop()
      append(levels.at(-1)!, closed(level, token))
    } else append(level, token)
  }
  return levels[0]!.parts[0]!
}

function isCertain(words: string): boolean {
  const calls = words.matchAll(/\b(\w+)\s*\(/g)
  return CERTAIN.test(words) && [...calls].every(([, name]) => /^(?:coalesce|ifnull)$/i.test(name!))
}

function append(level: Level, text: string): void {
  level.parts[level.parts.length - 1] += text
}

function closed({ opened, parts }: Level, closer: string): string {
  if (!CHOICE.test(opened)) return `${opened}${parts.join(',')}${closer}`
  const whens = parts.slice(0, -1).map((part) => `WHEN (${part}) IS NOT NULL THEN (${part})`)
  return whens.length === 0 ? `(${parts[0]})` : `(CASE ${whens.join(' ')} ELSE (${parts.at(-1)}) END)`
}
