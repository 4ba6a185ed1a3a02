/** DuckDB alone, in this process, over a table of the final panes of a data folder: what a merged top 10 costs where nothing is merged. */
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { PARTITIONS } from './prepared-folder.ts'

const WINDOW_MS = 300_000
const READ = { bytesMax: 48 * 2 ** 20, recordsMax: 25_000 }

export interface Mentioned {
  readonly topic: string
  readonly mentions: number
}

export class BarePanes {
  readonly #engine: DuckDbEngine
  readonly #connection: EngineConnection
  #asked = 0

  /** Counts every event in the folder's log anew. */
  static async of(folder: string): Promise<BarePanes> {
    const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    const connection = await engine.connect()
    const dataset = await compileDataset(rsvps, connection)
    await createRowsTable(connection, dataset, 'events')
    const file = join(folder, 'log', `${dataset.name}.sqlite`)
    const log = await SqliteLog.open({ file, dataset: dataset.name, partitions: PARTITIONS })
    for (let partition = 0; partition < PARTITIONS; partition++) {
      let { start, end } = await log.range(partition)
      while (start < end) {
        const batch = (await log.read(partition, start, READ))!
        await decodeBatch(connection, dataset, batch, { table: 'events', scratchFolder: folder })
        start = batch.end
      }
    }
    await log.close()
    const states = dataset.views.get('trending_topics')!.partialSql('events')
    await connection.run(
      `CREATE TEMP TABLE panes AS SELECT pane, topic, country, mentions__n AS mentions FROM (${states}) ORDER BY pane`,
    )
    return new BarePanes(engine, connection)
  }

  private constructor(engine: DuckDbEngine, connection: EngineConnection) {
    this.#engine = engine
    this.#connection = connection
  }

  /** The ten topics of the window that ends then, without those of a country that there is not: another one each time. */
  async topTen(toMs: number): Promise<Mentioned[]> {
    const [topics, mentions] = await this.#connection.columns(
      `SELECT topic, sum(mentions) AS mentions FROM panes
        WHERE pane >= $from::BIGINT AND pane < $to::BIGINT AND country IS DISTINCT FROM $country
        GROUP BY topic HAVING sum(mentions) > 5 ORDER BY mentions DESC, topic LIMIT 10`,
      { from: toMs - WINDOW_MS, to: toMs, country: `x${this.#asked++}` },
    )
    return topics!.map((topic, index) => ({ topic: topic as string, mentions: Number(mentions![index]) }))
  }

  close(): void {
    this.#connection.close()
    this.#engine.close()
  }
}
