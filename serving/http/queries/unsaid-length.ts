/** HEAD of answers and exports. */
import { Readable } from 'node:stream'

/**
 * The body of HEAD, without a length: a moment later the answer may have another, and a reader that was told one (DuckDB by URL) takes
 * a file of any other for broken. Told none, it reads the whole file once.
 */
export function ofUnsaidLength(): Readable {
  return Readable.from([])
}
