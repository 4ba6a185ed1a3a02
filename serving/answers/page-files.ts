/**
 * Further pages of answers for processes that end with each page: the rows of an answer are kept as a file, beside what its pages say of it.
 * Bounded as paged answers are: by number, rows and time since a page was read.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { ageOf } from './answer-meta.ts'
import {
  assertSameQuestion,
  type Page,
  type PagedAnswer,
  type PagedAnswers,
  type PagedLimits,
  parsedCursor,
  readPage,
} from './paged-answers.ts'
import { CursorExpiredError } from './query-error.ts'
import type { PartitionPosition } from './snapshot.ts'

/** Beside the rows; written last, so that a file without it is none. */
interface KeptFile extends Omit<PagedAnswer, 'table'> {
  readonly partitions: readonly PartitionPosition[]
}

/** Pages of one dataset in a folder that the engine may use. */
export class PageFiles {
  readonly #folder: string
  readonly #limits: PagedLimits

  constructor(folder: string, limits: PagedLimits = QUERY_LIMITS) {
    this.#folder = folder
    this.#limits = limits
  }

  /** Keeps the answer that the cursor continues. */
  async keep(connection: EngineConnection, pages: PagedAnswers, cursor: string): Promise<void> {
    const { table, snapshot, timer: _timer, client: _client, ...kept } = pages.kept(cursor)!
    await mkdir(this.#folder, { recursive: true })
    const rows = this.#path(kept.id, 'parquet')
    await connection.run(`COPY (SELECT _n, _text FROM ${table} ORDER BY _n) TO ${quoteText(rows)} (FORMAT parquet)`)
    const file: KeptFile = { ...kept, partitions: snapshot.partitions }
    const unfinished = this.#path(kept.id, 'inprogress')
    await writeFile(unfinished, JSON.stringify(file))
    await rename(unfinished, this.#path(kept.id, 'json'))
    await this.#sweep()
  }

  /** @throws QueryError, CursorExpiredError, AnswerTooLargeError */
  async page(
    connection: EngineConnection,
    query: ViewQuery,
    answerBytesMax: number,
    nowMs = Date.now(),
  ): Promise<Omit<Page, 'snapshot' | 'computed'>> {
    await this.#sweep(nowMs)
    const [id, after] = parsedCursor(query.cursor!)
    const text = await readFile(this.#path(id, 'json'), 'utf8').catch(() => null)
    if (text === null) throw new CursorExpiredError(this.#limits)
    const { partitions, ...kept } = JSON.parse(text) as KeptFile
    assertSameQuestion(kept, query)
    await utimes(this.#path(id, 'json'), nowMs / 1_000, nowMs / 1_000)
    const table = `read_parquet(${quoteText(this.#path(id, 'parquet'))})`
    const page = await readPage(connection, { ...kept, table }, after, answerBytesMax)
    return { ...page, meta: { ...page.meta, ...ageOf(page.meta, partitions, nowMs) } }
  }

  #path(id: string, extension: string): string {
    return join(this.#folder, `${id}.${extension}`)
  }

  /** Removes answers that were read too long ago or are too many, those that were read longest ago first. */
  async #sweep(nowMs = Date.now()): Promise<void> {
    const { pagedMs, pagedAnswersMax, pagedRowsMax } = this.#limits
    const names = await readdir(this.#folder).catch(() => [])
    const ids = [...new Set(names.map((name) => name.split('.')[0]!))]
    const known = await Promise.all(ids.map((id) => this.#look(id)))
    let [answers, rows] = [0, 0]
    for (const one of known.toSorted((a, b) => b.readAtMs - a.readAtMs)) {
      answers++
      rows += one.rows
      if (nowMs - one.readAtMs <= pagedMs && answers <= pagedAnswersMax && rows <= pagedRowsMax) continue
      for (const extension of ['json', 'parquet', 'inprogress'])
        await rm(this.#path(one.id, extension), { force: true })
    }
  }

  /** One without its description is being written, or its process died: its age decides. */
  async #look(id: string): Promise<{ readonly id: string; readonly readAtMs: number; readonly rows: number }> {
    try {
      const { mtimeMs } = await stat(this.#path(id, 'json'))
      const { rows } = JSON.parse(await readFile(this.#path(id, 'json'), 'utf8')) as KeptFile
      return { id, readAtMs: mtimeMs, rows }
    } catch {
      const found = await stat(this.#path(id, 'parquet')).catch(() => null)
      return { id, readAtMs: found?.mtimeMs ?? 0, rows: 0 }
    }
  }
}
