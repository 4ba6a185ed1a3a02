/** What every format of answers has in common. Each has a file of its own, of the same shape. */
import type { SqlColumn } from '#core/compiled.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { EveryRow } from '../answers/every-row.ts'

export type FormatName = 'json' | 'ndjson' | 'csv' | 'arrow' | 'parquet' | 'xlsx'

/** An answer that is at hand, with its provenance as of now. */
export interface ShownAnswer {
  readonly columns: readonly SqlColumn[]
  /** JSON array text of the rows */
  readonly rowsJson: string
  /** JSON text of `meta` */
  readonly metaJson: string
}

export interface EncodeOptions {
  /** CSV: begins with a byte order mark */
  readonly bom: boolean
  /** for formats that the engine writes; it may write in the folder */
  readonly engine: Pick<DuckDbEngine, 'connect'>
  readonly scratchFolder: string
}

export interface AnswerFormat {
  readonly name: FormatName
  /** behind the dot of a path; also what the format is called in options */
  readonly extension: string
  /** as answers carry it */
  readonly contentType: string
  /** further media types that ask for it */
  readonly alsoKnownAs: readonly string[]
  /** The bytes of an answer. */
  readonly encode: (answer: ShownAnswer, options: EncodeOptions) => Promise<string | Buffer> | string | Buffer
  /** Writes all rows to a file, without holding them. */
  readonly write: (rows: WrittenRows, file: string) => Promise<Framed>
}

/** Rows as a relation of the engine, which may be any number of rows. */
export interface WrittenRows extends Pick<EveryRow, 'sql' | 'bound' | 'columns'> {
  readonly metaJson: string
  readonly connection: EngineConnection
}

/** What is sent of a written file, and around it. */
export interface Framed {
  readonly before: string
  /** bytes of the file's beginning that are left out */
  readonly skipBytes: number
  readonly after: string
}

export const UNFRAMED: Framed = { before: '', skipBytes: 0, after: '' }

/** Key of the provenance in the metadata of an Arrow schema and of a Parquet file. */
export const META_KEY = 'watershed'
