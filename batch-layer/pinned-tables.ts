/**
 * Delta tables that live as long as a run: each names the events files of given segments, absolutely, in its only version. Trino reads that version,
 * so what it counts does not depend on what lands, is compacted or removed meanwhile. Nothing of the events is copied.
 *
 * `pinned/<random>/_delta_log/00000000000000000000.json` in the dataset's place. For the holder of the batch lock; what a run that died left behind is
 * removed by the next one.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { CompiledDataset } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { deltaSchema } from '#storage/tables/delta-schema.ts'
import type { TrinoClient } from '#storage/trino/trino-client.ts'
import { TrinoError } from '#storage/trino/trino-error.ts'

const PLACE = 'pinned'
const LOG = '_delta_log/00000000000000000000.json'
const VERSION = 0
/** how long Trino is asked to forget tables at the end of a run */
const CLOSE_MS_MAX = 10_000
/** what Trino says of a table that is not registered */
const ABSENT = new Set(['NOT_FOUND', 'TABLE_NOT_FOUND'])
/** As open tables have it: TIMESTAMP has no zone. */
const PROTOCOL = {
  ...{ minReaderVersion: 3, minWriterVersion: 7 },
  ...{ readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] },
}

export interface PinnedTablesOptions {
  readonly client: TrinoClient
  readonly dataset: CompiledDataset
  readonly lake: Lake
  /** of a catalog with the connector delta_lake, in which tables can be registered */
  readonly catalog: string
  /** is created if it does not exist */
  readonly schema: string
  /** where Trino finds the lake, e.g. s3://bucket/prefix or local:/// */
  readonly lakeUri: string
  readonly signal?: AbortSignal
}

export interface PinnedTable {
  /** SQL of the relation: what follows FROM */
  readonly sql: string
  /** Compares how many events Trino finds in each file with the manifests. @throws LakeError 'file-missing' or 'file-damaged' */
  check(): Promise<void>
}

interface MadeTable {
  readonly table: string
  /** in the dataset's place */
  readonly path: string
  /** Trino may know it */
  isRegistered: boolean
}

export class PinnedTables {
  readonly #options: PinnedTablesOptions
  /** by what they name */
  readonly #tables = new Map<string, Promise<PinnedTable>>()
  readonly #made: MadeTable[] = []

  constructor(options: PinnedTablesOptions) {
    this.#options = options
  }

  /** The table of these segments, made when it is asked for the first time. @throws TrinoError; LakeError if the lake cannot be written */
  of(segments: readonly SegmentManifest[]): Promise<PinnedTable> {
    const files = segments.flatMap(({ events }) => events ?? [])
    const key = hashOf(files.map(({ path }) => path).join('\n'))
    const table = this.#tables.get(key) ?? this.#make(files)
    this.#tables.set(key, table)
    return table
  }

  /** Trino forgets the tables, and their logs are removed. What fails is left to the next run. */
  async close(): Promise<void> {
    // The run has waited for Trino if it is away.
    const patience = AbortSignal.timeout(CLOSE_MS_MAX)
    for (const { table, path, isRegistered } of this.#made.splice(0)) {
      if (isRegistered) await this.#unregister(table, patience).catch(() => {})
      await this.#options.lake
        .tables()
        .removeFolder(path)
        .catch(() => {})
    }
  }

  async #make(files: readonly LakeFile[]): Promise<PinnedTable> {
    const { lake, dataset, catalog, schema, signal } = this.#options
    if (this.#made.length === 0) await this.#removeLeftOver()
    const path = `${PLACE}/${randomBytes(6).toString('hex')}`
    // The same names in each run: what one that died has registered does not stay.
    const table = `${dataset.name}_${hashOf(this.#options.lakeUri).slice(0, 8)}_${this.#made.length}`
    const made = { table, path, isRegistered: false }
    this.#made.push(made)
    if (!(await lake.tables().create(`${path}/${LOG}`, this.#logText(files))))
      throw new Error(`'${path}' exists already in the lake of '${dataset.name}'`)
    await this.#register(made, signal)
    const sql = `${[catalog, schema, table].map(quoteName).join('.')} FOR VERSION AS OF ${VERSION}`
    return { sql, check: () => this.#check(sql, files) }
  }

  async #register(made: MadeTable, signal: AbortSignal | undefined): Promise<void> {
    const { client, catalog, schema, lakeUri } = this.#options
    const words = [schema, made.table, `${this.#placeUri}/${made.path}`].map(quoteText).join(', ')
    try {
      await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoteName(catalog)}.${quoteName(schema)}`, signal)
      await this.#unregister(made.table, signal)
      made.isRegistered = true
      await client.query(`CALL ${quoteName(catalog)}.system.register_table(${words})`, signal)
    } catch (error) {
      if (!(error instanceof TrinoError) || error.kind !== 'failed') throw error
      const advice = `check that trino.catalog '${catalog}' has the connector delta_lake with delta.register-table-procedure.enabled=true, and finds the lake at trino.lakeUri '${lakeUri}'`
      throw new TrinoError('failed', `${error.message}; ${advice}`, { cause: error })
    }
  }

  async #removeLeftOver(): Promise<void> {
    const place = this.#options.lake.tables()
    for (const name of await place.names(PLACE)) await place.removeFolder(`${PLACE}/${name}`)
  }

  async #unregister(table: string, signal: AbortSignal | undefined): Promise<void> {
    const { client, catalog, schema } = this.#options
    const words = [schema, table].map(quoteText).join(', ')
    await client.query(`CALL ${quoteName(catalog)}.system.unregister_table(${words})`, signal).catch((error: Error) => {
      if (!(error instanceof TrinoError) || !ABSENT.has(error.errorName ?? '')) throw error
    })
  }

  /** Without numbers of rows: with them Trino would count without opening the files. */
  #logText(files: readonly LakeFile[]): string {
    const { dataset } = this.#options
    const schemaString = deltaSchema(dataset.rowColumns)
    const table = { id: randomUUID(), format: { provider: 'parquet', options: {} }, schemaString }
    const actions = [
      { commitInfo: { timestamp: 0, operation: 'CREATE TABLE', operationParameters: {}, engineInfo: 'Watershed' } },
      { protocol: PROTOCOL },
      { metaData: { ...table, partitionColumns: [], configuration: {}, createdTime: 0 } },
      ...files.map(({ path, bytes }) => ({
        add: { path: this.#uriOf(path), partitionValues: {}, size: bytes, modificationTime: 0, dataChange: true },
      })),
    ]
    return actions.map((action) => `${JSON.stringify(action)}\n`).join('')
  }

  async #check(sql: string, files: readonly LakeFile[]): Promise<void> {
    const { client, dataset, signal } = this.#options
    const { rows } = await client.query(`SELECT "$path", count(_offset) FROM ${sql} GROUP BY 1`, signal)
    const counted = new Map(rows.map(([uri, count]) => [String(uri), Number(count)]))
    for (const { path, rows: expected } of files) {
      const found = counted.get(decodeURI(this.#uriOf(path))) ?? 0
      if (found === expected) continue
      const kind = found === 0 ? 'file-missing' : 'file-damaged'
      const message = `lake, dataset '${dataset.name}': Trino finds ${found} events in '${path}', but its manifest says ${expected}; check the lake with \`watershed doctor --deep\``
      throw new LakeError(kind, message)
    }
  }

  /** Without a slash at its end: local:///answers, s3://bucket/prefix/answers. */
  get #placeUri(): string {
    const { lakeUri, dataset } = this.#options
    const [, scheme = '', rest = ''] = /^(\w+:\/\/)(.*?)\/*$/.exec(lakeUri) ?? []
    return `${scheme}${rest}/${dataset.name}`
  }

  #uriOf(path: string): string {
    return encodeURI(`${this.#placeUri}/${path}`)
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
