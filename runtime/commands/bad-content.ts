/** Tells input that is invalid from input that cannot be read. */

/** A text that ends too early or cannot be inflated, a header that names no columns, or a damaged table. */
export function isBadContent(cause: unknown): boolean {
  const { code = '' } = cause as NodeJS.ErrnoException
  return (
    cause instanceof SyntaxError ||
    /^(Z_|ZSTD_)/.test(code) ||
    /^(Invalid Input|IO) Error/.test((cause as Error).message)
  )
}
