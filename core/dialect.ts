/** What the compiler needs from the SQL engine: its parser, its type inference and the values of constants. core/ itself does no I/O. */
import type { SqlColumn } from './compiled.ts'

export interface SqlDialect {
  /** the engine's syntax tree of a SELECT (DuckDB: json_serialize_sql), parsed; `{ error: true, error_message }` if it is not a SELECT */
  parse(select: string): Promise<unknown>
  /** names and types of a SELECT's result columns, without running it */
  describe(select: string): Promise<readonly SqlColumn[]>
  /** why running a SELECT fails, in the engine's words; null if it does not */
  failureOf(select: string): Promise<string | null>
}
