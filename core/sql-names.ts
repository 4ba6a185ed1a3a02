/** A quoted SQL identifier. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** An SQL string literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
