/** A dataset for tests of its definition: compiled once, and answered from real parts, of which log and speed store are in memory. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runBatch } from '#batch-layer/run-batch.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { EventDeriver } from '#ingest/event-deriver.ts'
import { Intake } from '#ingest/intake.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { parseQuery } from '#serving/http/queries/parse-query.ts'
import { backlogOf, type Counted, foldBacklog } from '#speed-layer/catch-up.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { publishShipped } from '../drivers/dictionary-shelf.ts'

export type CaseRow = Readonly<Record<string, unknown>>

interface CaseParts {
  readonly dataset: CompiledDataset
  readonly engine: DuckDbEngine
  readonly connection: EngineConnection
  readonly folder: string
  readonly dictionary: DictionaryStore
}

export class CaseDataset {
  readonly dataset: CompiledDataset
  readonly #engine: DuckDbEngine
  readonly #folder: string
  readonly #connection: EngineConnection
  readonly #dictionary: DictionaryStore
  /** where derived columns decide on events */
  readonly #deriver: EventDeriver | null
  #cuts = 0

  /** @throws DefinitionError */
  static async open(definition: DatasetDefinition): Promise<CaseDataset> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-test-'))
    const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    try {
      const connection = await engine.connect()
      const dataset = await compileDataset(definition, connection)
      const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
      await publishShipped(dictionary)
      return new CaseDataset({ dataset, engine, connection, folder, dictionary })
    } catch (error) {
      engine.close()
      rmSync(folder, { recursive: true })
      throw error
    }
  }

  private constructor({ dataset, engine, connection, folder, dictionary }: CaseParts) {
    this.dataset = dataset
    this.#engine = engine
    this.#connection = connection
    this.#folder = folder
    this.#dictionary = dictionary
    this.#deriver = dataset.deciding === null ? null : new EventDeriver(connection, dataset.deciding, folder)
  }

  /** What validation at ingest says of each event that it rejects. */
  async rejectionsOf(lines: readonly string[]): Promise<readonly { index: number; reason: string }[]> {
    const log = new MemoryLog({ records: memoryLogRecords({ partitions: 1, dataset: this.dataset.name }) })
    const { verdicts } = await new Intake({ dataset: this.dataset, log, deriver: this.#deriver }).offer(lines, {
      verdicts: 'rejected',
    })
    return verdicts.flatMap((verdict) =>
      verdict.status === 'rejected' ? [{ index: verdict.index, reason: verdict.reason }] : [],
    )
  }

  /** The answers when a generation counts the first events, and open segments the others. @throws QueryError */
  async answersAt(
    batch: readonly string[],
    speed: readonly string[],
    questions: readonly string[],
  ): Promise<ReadonlyMap<string, readonly CaseRow[]>> {
    const { name } = this.dataset
    const folder = join(this.#folder, `cut-${++this.#cuts}`)
    mkdirSync(folder)
    const log = new MemoryLog({ records: memoryLogRecords({ partitions: 1, dataset: name }) })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: name })
    const shared = {
      dataset: this.dataset,
      engine: this.#engine,
      lake,
      log,
      store: new MemorySpeedStore(),
      emit: silent,
    }
    const intake = new Intake({ ...shared, deriver: this.#deriver })
    const take = async (lines: readonly string[], counted: Counted): Promise<void> => {
      if (lines.length > 0) await intake.offer(lines)
      await foldBacklog({ ...shared, scratchFolder: folder }, await backlogOf(shared, counted), counted)
    }
    await take(batch, 'closed')
    await runBatch({ ...shared, mode: 'full', dictionary: this.#dictionary, partitions: 1, logIdentity: log.identity })
    await take(speed, 'flushed')
    const answers = new Map<string, readonly CaseRow[]>()
    for (const question of questions) {
      const { rowsJson } = await answerQuery({ ...shared, partitions: 1 }, queryOf(name, question))
      answers.set(question, JSON.parse(rowsJson) as CaseRow[])
    }
    rmSync(folder, { recursive: true })
    return answers
  }

  async close(): Promise<void> {
    await this.#dictionary.close()
    this.#connection.close()
    this.#engine.close()
    rmSync(this.#folder, { recursive: true })
  }
}

/** @throws QueryError that names the parameter */
function queryOf(dataset: string, question: string): ReturnType<typeof parseQuery> {
  const [view, parameters = ''] = question.split('?') as [string, string?]
  const texts: Record<string, string | string[]> = {}
  const given = new URLSearchParams(parameters)
  for (const name of given.keys()) {
    const values = given.getAll(name)
    texts[name] = values.length === 1 ? values[0]! : values
  }
  return parseQuery(dataset, view, texts)
}
