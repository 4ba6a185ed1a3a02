/**
 * Recounts on Trino. It reads the events of a pinned version where they are, adds up, and what travels are partial states; DuckDB puts them into the form
 * of state files and merges them with the view's own merge, so that a generation does not depend on which engine counted. Segments that Trino cannot
 * read are counted by DuckDB, in the same merge. Everything but recounts is DuckDB's.
 */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '#core/backoff.ts'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { quoteText } from '#core/sql-names.ts'
import type { TrinoStatement, TrinoView } from '#core/trino/trino-view.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { explainFault } from '#storage/lake/lake-error.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { changedColumns } from '#storage/lake/stored-columns.ts'
import { rowFiles } from '#storage/lake/typed-rows.ts'
import type { TrinoClient } from '#storage/trino/trino-client.ts'
import { TrinoError } from '#storage/trino/trino-error.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import type { BatchCompute, DuckDbCompute } from './batch-compute.ts'
import type { PinnedTables } from './pinned-tables.ts'
import { writeParquet } from './write-parquet.ts'

/** A statement that a worker's end or a lack of memory has ended is made so often, the first time included. */
const TRIES = 4
const WAIT = { waitMsFirst: 1_000, waitMsMax: 15_000 } as const
/** one row: keys, and a list state of one event's elements */
const ROW_BYTES_MAX = 64 * 1024 * 1024
/** suffix of files that are not complete */
const UNFINISHED = '.inprogress'

export interface TrinoComputeOptions {
  readonly client: TrinoClient
  readonly dataset: CompiledDataset
  /** by name; all of the dataset's views */
  readonly views: ReadonlyMap<string, TrinoView>
  readonly tables: PinnedTables
  readonly lake: Lake
  /** what is not counted on Trino */
  readonly own: BatchCompute
  readonly merging: DuckDbCompute
  readonly connection: EngineConnection
  readonly signal?: AbortSignal
  readonly emit?: Emit
}

export class TrinoCompute implements BatchCompute {
  readonly #options: TrinoComputeOptions

  constructor(options: TrinoComputeOptions) {
    this.#options = options
  }

  filesOf(view: CompiledView, segments: readonly SegmentManifest[], states: readonly LakeFile[]): readonly LakeFile[] {
    const { dataset } = this.#options
    return [...rowFiles(dataset, this.#split(view, segments).here), ...states]
  }

  async recount(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    states: readonly LakeFile[],
    writePath: string,
  ): Promise<number> {
    const { own, merging, connection } = this.#options
    const { there, here } = this.#split(view, segments)
    if (there.length === 0) return own.recount(view, segments, states, writePath)
    const stem = writePath.replace(UNFINISHED, '')
    const paths: string[] = []
    const partOf = (kind: string): string => {
      paths.push(`${stem}.${kind}${UNFINISHED}`)
      return paths.at(-1)!
    }
    try {
      const received = await this.#countThere(view, there, partOf)
      const [only, ...more] = received
      // One row per key already.
      if (more.length + here.length + states.length === 0)
        return await merging.writeStates(view, only!.statesSql, writePath)
      const parts: string[] = []
      for (const { statesSql, path } of received) {
        parts.push(partOf(`there-${parts.length}`))
        await writeParquet(connection, statesSql, parts.at(-1)!)
        await rm(path)
      }
      if (here.length > 0) {
        parts.push(partOf('here'))
        await own.recount(view, here, [], parts.at(-1)!)
      }
      return await merging.mergeAll(view, parts, states, writePath)
    } finally {
      for (const path of paths) await rm(path, { force: true })
    }
  }

  merge(...of: Parameters<BatchCompute['merge']>): Promise<number> {
    return this.#options.own.merge(...of)
  }

  settle(...of: Parameters<BatchCompute['settle']>): ReturnType<BatchCompute['settle']> {
    return this.#options.own.settle(...of)
  }

  rowsIn(...of: Parameters<BatchCompute['rowsIn']>): ReturnType<BatchCompute['rowsIn']> {
    return this.#options.own.rowsIn(...of)
  }

  spread(...of: Parameters<BatchCompute['spread']>): ReturnType<BatchCompute['spread']> {
    return this.#options.own.spread(...of)
  }

  parts(...of: Parameters<BatchCompute['parts']>): ReturnType<BatchCompute['parts']> {
    return this.#options.own.parts(...of)
  }

  cut(...of: Parameters<BatchCompute['cut']>): ReturnType<BatchCompute['cut']> {
    return this.#options.own.cut(...of)
  }

  /** Segments without events are neither there nor here. */
  #split(view: CompiledView, segments: readonly SegmentManifest[]): Record<'there' | 'here', SegmentManifest[]> {
    const withEvents = segments.filter(({ events }) => events !== null)
    const isThere = (segment: SegmentManifest): boolean => isReadable(this.#options.dataset, view, segment)
    return { there: withEvents.filter(isThere), here: withEvents.filter((segment) => !isThere(segment)) }
  }

  async #countThere(
    view: CompiledView,
    segments: readonly SegmentManifest[],
    partOf: (kind: string) => string,
  ): Promise<Received[]> {
    const { tables, views, emit = silent } = this.#options
    const began = performance.now()
    const table = await tables.of(segments)
    const received: Received[] = []
    let rows = 0
    for (const statement of views.get(view.name)!.statements) {
      const path = partOf(`received-${received.length}`)
      rows += await this.#receive(view, statement, table.sql, path)
      received.push({ path, statesSql: statement.statesSql(receivedSql(statement, path)) })
    }
    // A file that was missing for a while does not come back: what is whole now was whole before.
    await table.check()
    const events = segments.reduce((sum, segment) => sum + segment.rows, 0)
    const fields = { events, received: rows, ms: Math.round(performance.now() - began) }
    const message = `view '${view.name}' of '${view.dataset}': Trino counted ${events} events in ${fields.ms} ms and sent ${rows} rows`
    emit({ name: 'recounted-on-trino', level: 'debug', dataset: view.dataset, message, fields })
    return received
  }

  /** Writes what the statement gives, one JSON object per line. @returns rows */
  async #receive(view: CompiledView, statement: TrinoStatement, table: string, path: string): Promise<number> {
    const { client, dataset, signal, emit = silent } = this.#options
    const sql = statement.sql(`(${rowsSql(dataset, view, table)})`)
    for (let attempt = 1; ; attempt++) {
      let rows = 0
      try {
        const lines = async function* (): AsyncGenerator<string> {
          for await (const page of client.pages(sql, signal)) {
            rows += page.rows.length
            yield page.rows.map(lineOf).join('')
          }
        }
        await pipeline(Readable.from(lines()), createWriteStream(path))
        return rows
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof TrinoError)) throw explainFault(error, 'cannot write', path)
        if (error.kind !== 'lost' || attempt === TRIES) throw error
        const waitMs = backoffMs(attempt, WAIT)
        const message = `view '${view.name}' of '${view.dataset}': ${error.message}; the statement is repeated`
        emit({ name: 'trino-statement-repeated', level: 'warn', dataset: view.dataset, message })
        await sleep(waitMs, undefined, signal && { signal })
      }
    }
  }
}

/** What a statement gave. */
interface Received {
  readonly path: string
  /** DuckDB's SQL: state rows */
  readonly statesSql: string
}

/** DuckDB's SQL of the relation with the statement's columns. */
function receivedSql({ columns }: TrinoStatement, path: string): string {
  const named = columns.map(({ name, type }) => `${name}: '${type}'`)
  // A statement of no columns says only that there is a row.
  const all = named.length === 0 ? ["c0: 'VARCHAR'"] : named
  return `read_json(${quoteText(path)}, format = 'newline_delimited', maximum_object_size = ${ROW_BYTES_MAX}, columns = {${all.join(', ')}})`
}

/** The columns that the view reads, as they are now. */
function rowsSql({ timeColumn }: CompiledDataset, { reads }: CompiledView, table: string): string {
  const columns = new Set(['_partition', '_offset', '_time', ...reads, timeColumn])
  return `SELECT ${[...columns].map((name) => `"${name}"`).join(', ')} FROM ${table}`
}

function lineOf(row: readonly unknown[]): string {
  return `{${row.map((value, at) => `"c${at}":${JSON.stringify(value)}`).join(',')}}\n`
}

/** Whether Trino reads in the segment's file what DuckDB reads there for this view. */
function isReadable(dataset: CompiledDataset, { reads }: CompiledView, segment: SegmentManifest): boolean {
  if (segment.eventsCodec === undefined) return false
  const needed = new Set([...reads, dataset.timeColumn])
  const types = new Map(segment.columns.map(({ name, type }) => [name, type]))
  const isSame = dataset.columns.every(
    ({ name, type }) => !needed.has(name) || types.get(name) === undefined || types.get(name) === type,
  )
  // The stored event time may be that of another column.
  if (
    !isSame ||
    (segment.schemaHash !== dataset.schemaHash && changedColumns(dataset, segment).includes(dataset.timeColumn))
  )
    return false
  return segment.raw === undefined || !changedColumns(dataset, segment).some((name) => needed.has(name))
}
