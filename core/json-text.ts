/**
 * Checks of an event's text beyond JSON syntax. JSON readers differ on duplicate names in an object (the first or the last one
 * counts), and SQL engines recurse into nested values until the stack overflows and the process dies.
 */

/** Maximum nesting depth of an event. */
export const JSON_DEPTH_MAX = 1_000

/** Lines that are not longer are not looked at: a valid one is not nested deeper than that, because each level opens and closes. */
export const DEEP_LINE_BYTES_MIN = 2 * JSON_DEPTH_MAX

/** The reason why an event that exceeds it is unusable. */
export const TOO_DEEP = `the event is nested deeper than ${JSON_DEPTH_MAX} levels`

/** An escape that may be an unpaired surrogate; it is rare, and so is the walk over all strings. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/**
 * Why JSON readers would disagree on a text, or could not process it; null if there is no problem.
 * @param value the result of JSON.parse, so that the text itself is scanned only if it may have a problem
 */
export function whyUnreadable(text: string, value: unknown): string | null {
  const deep = text.length > 2 * JSON_DEPTH_MAX && countOf(text, '{') + countOf(text, '[') > JSON_DEPTH_MAX
  if (deep || namesAtMost(text) > namesKept(value)) {
    const problem = jsonTextProblem(text)
    if (problem !== null) return problem
  }
  return SURROGATE_ESCAPE.test(text) && !isWellFormed(value)
    ? 'a string contains an unpaired surrogate (\\ud800 to \\udfff), which is not a character'
    : null
}

function isWellFormed(value: unknown): boolean {
  const open: unknown[] = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next === 'string' && !next.isWellFormed()) return false
    if (next !== null && typeof next === 'object') {
      for (const [name, inner] of Object.entries(next)) open.push(name, inner)
    }
  }
  return true
}

/** An upper bound of the number of names: a quote, white space and a colon can also occur inside a string. */
function namesAtMost(text: string): number {
  let count = 0
  for (let colon = text.indexOf(':'); colon !== -1; colon = text.indexOf(':', colon + 1)) {
    let before = colon - 1
    while (text.charCodeAt(before) <= 0x20) before--
    if (text.charCodeAt(before) === QUOTE) count++
  }
  return count
}

/** Number of names in the parsed value; a duplicate name in one object counts once. */
function namesKept(value: unknown): number {
  let count = 0
  const open: unknown[] = [value]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Array.isArray(next)) {
      for (const item of next) if (typeof item === 'object' && item !== null) open.push(item)
      continue
    }
    // JSON.parse returns plain objects and values without names.
    const members = next as Record<string, unknown>
    for (const name in members) {
      count++
      const item = members[name]
      if (typeof item === 'object' && item !== null) open.push(item)
    }
  }
  return count
}

function countOf(text: string, char: string): number {
  let count = 0
  for (let at = text.indexOf(char); at !== -1; at = text.indexOf(char, at + 1)) count++
  return count
}

/** The duplicate name or excessive nesting in a well-formed JSON text, as a sentence; null if there is none. */
function jsonTextProblem(text: string): string | null {
  const names: (Set<string> | null)[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      const end = stringEnd(text, at)
      if (isName(text, end)) {
        const name = nameText(text, at, end)
        const known = names.at(-1)
        if (known?.has(name)) return `the name ${JSON.stringify(name.slice(0, 80))} occurs twice in one object`
        known?.add(name)
      }
      at = end
    } else if (char === 0x7b || char === 0x5b) {
      if (names.length === JSON_DEPTH_MAX) return TOO_DEEP
      names.push(char === 0x7b ? new Set() : null)
    } else if (char === 0x7d || char === 0x5d) names.pop()
  }
  return null
}

/** Whether a line, valid JSON or not, exceeds the nesting limit. Short lines and lines with few brackets cost next to nothing. */
export function isTooDeep(line: Buffer): boolean {
  if (line.length <= DEEP_LINE_BYTES_MIN) return false
  const text = line.toString('latin1')
  if (countOf(text, '{') + countOf(text, '[') <= JSON_DEPTH_MAX) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') at = stringEnd(text, at)
    else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') depth--
    if (depth > JSON_DEPTH_MAX) return true
  }
  return false
}

/** Index of the closing quote of the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return end
  }
  return text.length
}

function isName(text: string, end: number): boolean {
  let at = end + 1
  while (text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === COLON
}

function nameText(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
}
