/**
 * Presented rows in Elasticsearch. An index has one shard and is refreshed only when a filling is complete, so queries never see
 * a part of it; a complete new filling takes over the alias atomically.
 */
import { writeBulk } from '#storage/elasticsearch/bulk-writer.ts'
import {
  ElasticsearchConnection,
  type ElasticsearchConnectionOptions,
} from '#storage/elasticsearch/elasticsearch-connection.ts'
import { ElasticsearchError, reasonText } from '#storage/elasticsearch/elasticsearch-error.ts'
import {
  type GoneRows,
  type PresentedIndex,
  type PresentedProgress,
  type PresentedRow,
  type PresentedRows,
  type PresentedStore,
  type PresentedTally,
  REFUSALS_TOLD_MAX,
} from '../presented-store.ts'
import { idsOf, removalOperation } from './elasticsearch-gone-rows.ts'
import { creationBody, dayEndMs, dayName, freshName, metaOf, rowOperation } from './elasticsearch-presented-index.ts'

export interface ElasticsearchPresentedStoreOptions extends ElasticsearchConnectionOptions {
  readonly replicas?: number
}

const SWAP_TRIES_MAX = 10

interface Mapped {
  readonly mappings?: { readonly _meta?: Partial<PresentedProgress> & { readonly presented_by?: string } }
}

interface Tally {
  rows: number
  refused: number
  readonly reasons: string[]
}

export class ElasticsearchPresentedStore implements PresentedStore {
  readonly #connection: ElasticsearchConnection
  readonly #replicas: number
  /** names for which the server must not create indices automatically */
  readonly #guarded = new Set<string>()

  /** @throws ElasticsearchError if the server is not reachable or has another major version */
  static async open(options: ElasticsearchPresentedStoreOptions): Promise<ElasticsearchPresentedStore> {
    const store = new ElasticsearchPresentedStore(options)
    try {
      await store.#connection.checkVersion()
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  private constructor(options: ElasticsearchPresentedStoreOptions) {
    this.#connection = new ElasticsearchConnection(options)
    this.#replicas = options.replicas ?? 1
  }

  async progress(index: PresentedIndex): Promise<PresentedProgress | null> {
    const noted = [...(await this.#members(index))].filter(
      ([, { mappings }]) => mappings?._meta?.definition !== undefined,
    )
    const meta = noted.sort(([a], [b]) => (a < b ? -1 : 1)).at(-1)?.[1].mappings?._meta
    if (meta?.definition === undefined || meta.positions === undefined) return null
    const { definition, generation = null, positions, throughMs = null, horizon } = meta
    return { definition, generation, positions, throughMs, ...(horizon && { horizon }) }
  }

  async replace(index: PresentedIndex, rows: PresentedRows, progress: PresentedProgress): Promise<PresentedTally> {
    const doing = `presenting all of ${index.name}`
    const fresh = freshName(index)
    await this.#create(index, fresh, false, progress, doing)
    try {
      const tally = await this.#write(rows, () => fresh, doing)
      if (tally.refused > 0) throw new ElasticsearchError('refused', `${tally.reasons[0]}; the existing rows are kept`)
      await this.#refresh(fresh, doing)
      await this.#swap(index, fresh, doing)
      return tally
    } catch (error) {
      await this.#delete(fresh, doing).catch(() => {})
      throw error
    }
  }

  async update(
    index: PresentedIndex,
    rows: PresentedRows,
    progress: PresentedProgress,
    gone?: GoneRows,
  ): Promise<PresentedTally> {
    const doing = `presenting changes of ${index.name}`
    const present = new Set((await this.#members(index)).keys())
    const touched = new Set(gone === undefined ? [] : await this.#removeRows(gone, [...present], doing))
    const place = index.daily ? ({ dayMs = 0 }: PresentedRow) => dayName(index, dayMs) : () => onlyOf(index, present)
    const prepared = this.#withDays(index, rows, place, present, touched, doing)
    const tally = await this.#write(prepared, place, doing)
    for (const name of touched) await this.#refresh(name, doing)
    const newest = [...touched, ...present].sort().at(-1)
    if (newest !== undefined) await this.#note(newest, progress, doing)
    return tally
  }

  async dropDays(index: PresentedIndex, beforeMs: number): Promise<number> {
    const names = [...(await this.#members(index)).keys()]
    const old = names.filter((name) => (dayEndMs(name) ?? Number.POSITIVE_INFINITY) <= beforeMs)
    for (const name of old) await this.#delete(name, `dropping old days of ${index.name}`)
    return old.length
  }

  async remove(index: PresentedIndex): Promise<void> {
    for (const name of (await this.#members(index)).keys()) await this.#delete(name, `removing ${index.name}`)
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  /** Creates the daily indices that a batch of rows needs, before it is written. */
  async *#withDays(
    index: PresentedIndex,
    rows: PresentedRows,
    place: (row: PresentedRow) => string,
    present: Set<string>,
    touched: Set<string>,
    doing: string,
  ): AsyncGenerator<readonly PresentedRow[]> {
    for await (const batch of rows) {
      for (const name of new Set(batch.map(place))) {
        touched.add(name)
        if (present.has(name)) continue
        await this.#create(index, name, true, null, doing)
        present.add(name)
      }
      yield batch
    }
  }

  /** Not visible yet. @returns the indices that had such rows */
  async #removeRows(gone: GoneRows, names: readonly string[], doing: string): Promise<string[]> {
    const changed: string[] = []
    for (const name of names) {
      // Only what a search finds can be removed.
      await this.#refresh(name, doing)
      for await (const ids of idsOf(this.#connection, name, gone, doing)) {
        await writeBulk(this.#connection, {
          doing,
          index: name,
          operations: ids.values().map((id) => removalOperation(name, id, gone.version)),
          describe: (at) => `row ${ids[at]}`,
        })
        if (changed.at(-1) !== name) changed.push(name)
      }
    }
    return changed
  }

  async #write(rows: PresentedRows, place: (row: PresentedRow) => string, doing: string): Promise<PresentedTally> {
    const tally: Tally = { rows: 0, refused: 0, reasons: [] }
    for await (const batch of rows) {
      if (batch.length === 0) continue
      await writeBulk(this.#connection, {
        doing,
        index: place(batch[0]!),
        operations: batch.values().map((row) => rowOperation(place(row), row)),
        describe: (at) => `row ${batch[at]!.id}: ${batch[at]!.json.slice(0, 200)}`,
        onRefused: (message) => {
          tally.refused++
          if (tally.reasons.length < REFUSALS_TOLD_MAX) tally.reasons.push(message)
        },
      })
      tally.rows += batch.length
    }
    return { ...tally, rows: tally.rows - tally.refused }
  }

  /** The indices behind the name. */
  async #members(index: PresentedIndex): Promise<ReadonlyMap<string, Mapped>> {
    const { status, body } = await this.#connection.request<Record<string, Mapped>>({
      doing: `looking for ${index.name}`,
      method: 'GET',
      path: `/${index.name}/_mapping`,
      accept: [404],
    })
    const members = new Map(status === 404 ? [] : Object.entries(body))
    if (!members.has(index.name)) return members
    throw new ElasticsearchError(
      'refused',
      `Elasticsearch at ${this.#connection.node}: the index ${index.name} already exists and was not created by this platform; rename or delete it`,
    )
  }

  async #create(
    index: PresentedIndex,
    name: string,
    alias: boolean,
    progress: PresentedProgress | null,
    doing: string,
  ): Promise<void> {
    await this.#guard(index, doing)
    const { status, body } = await this.#connection.request<{ error?: { type?: string } }>({
      doing,
      method: 'PUT',
      path: `/${name}`,
      body: creationBody(index, this.#replicas, alias, progress),
      accept: [400],
    })
    if (status < 300 || body.error?.type === 'resource_already_exists_exception') return
    throw new ElasticsearchError(
      'refused',
      `Elasticsearch at ${this.#connection.node}: ${doing}: ${reasonText(body)}`,
      status,
    )
  }

  /** A write to a deleted index must fail instead of creating an index with guessed types. */
  async #guard({ name }: PresentedIndex, doing: string): Promise<void> {
    if (this.#guarded.has(name)) return
    const body = { index_patterns: [`${name}-*`], priority: 500 + name.length, allow_auto_create: false, template: {} }
    await this.#connection.request({ doing, method: 'PUT', path: `/_index_template/watershed-presented-${name}`, body })
    this.#guarded.add(name)
  }

  /**
   * Atomically moves the alias from its old indices to `fresh`, then deletes the old ones. If
   * another process swaps concurrently, the server refuses the whole change (an index to remove is missing, or there would be
   * two write indices), and it is retried: so the alias never refers to two fillings.
   */
  async #swap(index: PresentedIndex, fresh: string, doing: string): Promise<void> {
    for (let attempt = 1; attempt <= SWAP_TRIES_MAX; attempt++) {
      const old = [...(await this.#members(index)).keys()]
      const removals = old.map((name) => ({ remove: { index: name, alias: index.name } }))
      const addition = { add: { index: fresh, alias: index.name, is_write_index: true } }
      const { status, body } = await this.#connection.request({
        doing,
        method: 'POST',
        path: '/_aliases',
        body: { actions: [...removals, addition] },
        accept: [400, 404, 500],
      })
      if (status < 300) {
        for (const name of old) await this.#delete(name, doing)
        return
      }
      if (status === 404 || /more than one write index/.test(reasonText(body))) continue
      const reason = status >= 500 ? 'unavailable' : 'refused'
      throw new ElasticsearchError(
        reason,
        `Elasticsearch at ${this.#connection.node}: ${doing}: ${reasonText(body)}`,
        status,
      )
    }
    const message = `Elasticsearch at ${this.#connection.node}: ${doing}: other processes changed it during all ${SWAP_TRIES_MAX} attempts`
    throw new ElasticsearchError('unavailable', message)
  }

  async #note(name: string, progress: PresentedProgress, doing: string): Promise<void> {
    const body = { _meta: metaOf(progress) }
    await this.#connection.request({ doing, method: 'PUT', path: `/${name}/_mapping`, body })
  }

  async #refresh(name: string, doing: string): Promise<void> {
    const path = `/${name}/_refresh`
    const { body } = await this.#connection.request<{ _shards?: { failed?: number } }>({ doing, method: 'POST', path })
    if ((body._shards?.failed ?? 0) > 0)
      throw new ElasticsearchError(
        'unavailable',
        `Elasticsearch at ${this.#connection.node}: ${doing}: ${name} could not be refreshed`,
      )
  }

  async #delete(name: string, doing: string): Promise<void> {
    await this.#connection.request({ doing, method: 'DELETE', path: `/${name}`, accept: [404] })
  }
}

function onlyOf(index: PresentedIndex, present: ReadonlySet<string>): string {
  const [name] = present
  if (name !== undefined) return name
  throw new RangeError(`${index.name}: the index is not filled yet; present all rows first`)
}
