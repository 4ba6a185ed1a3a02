/**
 * Decides at ingest on events whose key, event time, required columns or rejecting columns are derived. The engine decodes them as the stream role
 * will, by the same SQL, so that both decide alike: JavaScript has no second version of SQL's functions.
 */
import type { DecodedDataset } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'

/** The text of an event's key, or why it is unusable. */
export type DerivedVerdict = { readonly key: string } | { readonly reason: string }

export interface EventLines {
  /** JSON objects, each with its line end */
  readonly lines: Buffer
  readonly count: number
}

export class EventDeriver {
  readonly #connection: EngineConnection
  readonly #dataset: DecodedDataset
  readonly #scratchFolder: string
  readonly #table: string
  #ready: Promise<unknown>

  /** @param deciding what must be decoded, `CompiledDataset.deciding`; @param scratchFolder that the engine may read */
  constructor(connection: EngineConnection, deciding: DecodedDataset, scratchFolder: string) {
    this.#connection = connection
    this.#dataset = deciding
    this.#scratchFolder = scratchFolder
    this.#table = `derived_${deciding.name}`
    this.#ready = createRowsTable(connection, deciding, this.#table)
    this.#ready.catch(() => {})
  }

  /** One verdict for each line; calls wait for one another. @param arrivalMs of all lines */
  verdicts(lines: EventLines, arrivalMs: number): Promise<DerivedVerdict[]> {
    const turn = this.#ready.then(() => this.#derive(lines, arrivalMs))
    this.#ready = turn.catch(() => {})
    return turn
  }

  async #derive({ lines, count }: EventLines, arrivalMs: number): Promise<DerivedVerdict[]> {
    const { keyColumn, name } = this.#dataset
    if (count === 0) return []
    const batch = { partition: 0, start: 0, end: count, count, offsets: null, arrivals: [{ count, atMs: arrivalMs }] }
    const [table, key] = [quoteName(this.#table), quoteName(keyColumn)]
    try {
      const target = { table: this.#table, scratchFolder: this.#scratchFolder, failures: 'derived' } as const
      const { dead } = await decodeBatch(this.#connection, this.#dataset, { ...batch, lines }, target)
      const failed = `coalesce(list_contains(_unset, ${quoteText(keyColumn)}), false)`
      const [offsets, keys, unclear] = await this.#connection.columns(
        `SELECT _offset, coalesce(${key}::VARCHAR, 'null'), ${failed} FROM ${table}`,
      )
      const verdicts = new Array<DerivedVerdict>(count)
      for (const { offset, reason } of dead) verdicts[offset] = { reason }
      for (const [index, offset] of offsets!.entries())
        verdicts[Number(offset)] = unclear![index]
          ? { reason: `${keyColumn}: cannot be derived; this key determines the partition` }
          : { key: keys![index] as string }
      if (verdicts.includes(undefined as never)) throw new Error(`dataset '${name}': an event was not decided on`)
      return verdicts
    } finally {
      await this.#connection.run(`DELETE FROM ${table}`)
    }
  }
}
