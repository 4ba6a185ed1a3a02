/**
 * Texts for people that quote bytes of others: a reason, a log line. Control characters could forge lines, move the cursor of a terminal
 * or run its commands; some characters reverse the text around them.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * The text with control characters as escapes, on one line.
 *
 * ```ts
 * visibleText('a\u001b[2Jb\n') // 'a\\u001b[2Jb\\n'
 * ```
 */
export function visibleText(text: string): string {
  return text.replace(HIDDEN, (char) => SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** As visibleText, for texts of several lines, such as a stack: they stay lines, each after the first one indented, so that none looks like another entry. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visibleText).join('\n    ')
}
