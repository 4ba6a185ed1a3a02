/** For tests: a dataset with a real log and a real lake, a clock that the test sets, and a list of what was appended, for a recount that shares nothing with the pages. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { EventsDataset } from './events-page.ts'

export const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
    price: { type: 'DECIMAL(18,2)', path: '$.price' },
  },
  views: { by_page: { dimensions: { page: 'page' }, time: ['minute'], measures: { visits: count() } } },
})

export const START = Date.UTC(2026, 5, 1)
const PARTITIONS = 2

/** An event as the recount has it. */
export interface LoggedEvent {
  readonly partition: number
  readonly offset: number
  readonly arrivalMs: number
  /** null: it is unusable */
  readonly event: { readonly id: number; readonly at: number; readonly page: string } | null
}

export class EventsFixture {
  readonly folder = mkdtempSync(join(tmpdir(), 'watershed-events-'))
  nowMs = START
  /** every record that was appended */
  readonly logged: LoggedEvent[] = []
  declare engine: DuckDbEngine
  declare dataset: CompiledDataset
  declare log: SqliteLog
  declare lake: LocalLake
  declare store: SqliteSpeedStore

  async open(): Promise<this> {
    for (const name of ['scratch', 'scratch-stream']) mkdirSync(join(this.folder, name))
    this.engine = await DuckDbEngine.open({ folders: [this.folder], threads: 1 })
    const connection = await this.engine.connect()
    this.dataset = await compileDataset(definition, connection)
    connection.close()
    const [file, dataset] = [join(this.folder, 'log.sqlite'), 'visits']
    this.log = await SqliteLog.open({ file, dataset, partitions: PARTITIONS, clock: () => this.nowMs })
    this.lake = await LocalLake.open({ folder: join(this.folder, 'lake'), dataset })
    this.store = await SqliteSpeedStore.open({
      file: join(this.folder, 'speed.sqlite'),
      dataset,
      log: this.log.identity,
    })
    return this
  }

  get served(): EventsDataset {
    const { dataset, lake, store, engine, log } = this
    return { dataset, lake, store, engine, log, partitions: PARTITIONS, scratchFolder: join(this.folder, 'scratch') }
  }

  /** Also kept for the recount: the log drops what is in closed segments. */
  async append(partition: number, lines: readonly string[]): Promise<void> {
    const text = lines.map((line) => `${line}\n`).join('')
    const [range] = await this.log.append([{ partition, lines: Buffer.from(text), count: lines.length }])
    for (const [index, line] of lines.entries()) {
      const event = line.startsWith('{"id"') ? (JSON.parse(line) as LoggedEvent['event']) : null
      this.logged.push({ partition, offset: range!.start + index, arrivalMs: this.nowMs, event })
    }
  }

  async close(): Promise<void> {
    await this.log.close()
    await this.store.close()
    this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
