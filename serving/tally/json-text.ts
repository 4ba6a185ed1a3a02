/** JSON of this process's values in the very text that the engine writes: answers of both are compared as texts. */

/** A string, null, or a list of strings: escapes have capital letters. */
export function jsonText(value: string | null | readonly string[]): string {
  // What was escaped already is passed over, a backslash with what follows it.
  return JSON.stringify(value).replace(/\\(?:u([0-9a-f]{4})|.)/g, (all, code?: string) =>
    code === undefined ? all : `\\u${code.toUpperCase()}`,
  )
}

/** A finite double: the shortest text, with a point or an exponent. */
export function jsonDouble(value: number): string {
  const text = String(value)
  return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text.replace('e+', 'e')
}
