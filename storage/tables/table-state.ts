/** What a version of an open table holds. */

/** A Parquet file of the table. */
export interface TableFile {
  /** relative to the table's folder */
  readonly path: string
  readonly bytes: number
  readonly rows: number
  /** epoch ms */
  readonly createdAtMs: number
  /** bounds of columns, both inclusive, by which readers leave files out */
  readonly bounds?: Readonly<Record<'min' | 'max', Readonly<Record<string, number | string>>>>
  /** what the file was made from; the same again means that it need not be written again */
  readonly source?: string
}

/** What the newest version holds. */
export interface TableState {
  /** -1 if the table does not exist yet */
  readonly version: number
  /** of the table, from its first version on */
  readonly id: string
  /** of its first version, epoch ms; null: there is none */
  readonly createdAtMs: number | null
  readonly schema: string | null
  /** as the newest version was given them */
  readonly properties: Readonly<Record<string, string>>
  /** by path */
  readonly files: ReadonlyMap<string, TableFile>
  /** path → when it left the table, epoch ms: readers of earlier versions may still use these */
  readonly removed: ReadonlyMap<string, number>
}

export interface TableVersion {
  readonly schema: string
  readonly files: readonly TableFile[]
  /** whether a file that comes or goes changes what the table holds, or only how it is stored */
  readonly isRearranged: (path: string) => boolean
  /** what the version counts: kept as properties of the table, which a reader has with the version's files */
  readonly properties: Readonly<Record<string, string>>
  readonly atMs: number
  /** how long readers may use a file after it left the table, ms */
  readonly graceMs: number
}
