/**
 * Answers in pages: all rows of an answer are computed at once and kept as a table of the engine, so that its pages are of one position and
 * together what one large answer would be. Bounded in number, rows and time: of the client that has the most, the answer that was read longest ago is given up first.
 */
import { randomUUID } from 'node:crypto'
import type { SqlColumn } from '#core/compiled.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Parameter } from '#storage/engine/written-statement.ts'
import type { AnswerMeta } from './answer-meta.ts'
import { type Computed, StepClock } from './answer-steps.ts'
import { boundedRows } from './bounded-rows.ts'
import { CursorExpiredError, QueryError } from './query-error.ts'
import type { Snapshot } from './snapshot.ts'

/** The value of `cursor` that asks for the first page. */
export const FIRST_PAGE = 'start'

export interface Page {
  readonly rowsJson: string
  readonly rowCount: number
  readonly columns: readonly SqlColumn[]
  readonly meta: AnswerMeta
  /** of all pages */
  readonly snapshot: Snapshot
  readonly computed: Computed
}

/** What the pages of an answer are read from. */
export interface PagedAnswer {
  readonly id: string
  /** relation with `_n` and `_text` */
  readonly table: string
  readonly rows: number
  /** of the query without its cursor */
  readonly question: string
  readonly pageRows: number
  readonly columns: readonly SqlColumn[]
  readonly meta: AnswerMeta
}

interface Kept extends PagedAnswer {
  readonly snapshot: Snapshot
  /** whose it is; '' until that is known */
  client: string
  timer: NodeJS.Timeout | null
}

/** Rows of an answer, as they are to be kept. */
export interface PagedRows {
  /** its first columns are `_n` (numbered from 1 in order) and the row's text; BOOLEAN columns follow */
  readonly select: string
  readonly parameters: Record<string, Parameter>
  readonly flags: readonly string[]
}

export interface StoredRows {
  readonly table: string
  readonly rows: number
  /** flag → rows in which it is set */
  readonly flagged: ReadonlyMap<string, number>
}

export type PagedLimits = Readonly<
  Record<'pagedAnswersMax' | 'pagedRowsMax' | 'pagedMs', number> & { pagedAnswersPerClientMax?: number }
>

const stores = new WeakMap<DuckDbEngine, PagedAnswers>()

/** Those of the engine. */
export function pagedAnswersOf(engine: DuckDbEngine): PagedAnswers {
  const known = stores.get(engine) ?? new PagedAnswers(engine)
  stores.set(engine, known)
  return known
}

export class PagedAnswers {
  readonly #engine: DuckDbEngine
  readonly #limits: PagedLimits
  /** least recently read first */
  readonly #kept = new Map<string, Kept>()

  constructor(engine: DuckDbEngine, limits: PagedLimits = QUERY_LIMITS) {
    this.#engine = engine
    this.#limits = limits
  }

  /** Computes all rows. @throws QueryError if they are more than `pagedRowsMax` */
  async store(connection: EngineConnection, { select, parameters, flags }: PagedRows): Promise<StoredRows> {
    const table = `paged_${randomUUID().replaceAll('-', '')}`
    const columns = ['_n BIGINT', '_text VARCHAR', ...flags.map((_, at) => `_f${at} BOOLEAN`)]
    await connection.run(`CREATE TABLE ${table} (${columns.join(', ')})`)
    try {
      await connection.run(`INSERT INTO ${table} ${select}`, parameters)
      const counts = ['count(*) AS n', ...flags.map((_, at) => `count(*) FILTER (WHERE _f${at}) AS f${at}`)]
      const [found] = await connection.rows<Record<string, number>>(`SELECT ${counts.join(', ')} FROM ${table}`)
      const rows = found!.n!
      const { pagedRowsMax } = this.#limits
      if (rows > pagedRowsMax)
        throw new QueryError(
          'cursor',
          `the answer has more than pagedRowsMax = ${pagedRowsMax} rows; ask for fewer keys or a shorter time`,
        )
      return { table, rows, flagged: new Map(flags.map((flag, at) => [flag, found![`f${at}`]!])) }
    } catch (error) {
      this.#drop(table)
      throw error
    }
  }

  /** Keeps stored rows. @returns the first page */
  async begin(
    connection: EngineConnection,
    { table, rows }: StoredRows,
    answer: Pick<Kept, 'columns' | 'meta' | 'snapshot'> & { readonly query: ViewQuery; readonly pageRows: number },
    answerBytesMax: number,
  ): Promise<Page> {
    const { query, ...more } = answer
    const kept: Kept = {
      id: randomUUID(),
      table,
      rows,
      question: questionText(query),
      ...more,
      client: '',
      timer: null,
    }
    try {
      const page = await this.#read(connection, kept, 0, answerBytesMax)
      if (page.meta.next === null) this.#drop(table)
      else this.#keep(kept)
      return page
    } catch (error) {
      this.#drop(table)
      throw error
    }
  }

  /** The page that the query's cursor names. @throws QueryError, CursorExpiredError, AnswerTooLargeError */
  async page(connection: EngineConnection, query: ViewQuery, answerBytesMax: number): Promise<Page> {
    const [id, after] = parsedCursor(query.cursor!)
    const kept = this.#kept.get(id)
    if (kept === undefined) throw new CursorExpiredError(this.#limits)
    assertSameQuestion(kept, query)
    this.#keep(kept)
    try {
      return await this.#read(connection, kept, after, answerBytesMax)
    } catch (error) {
      throw this.#kept.get(id) === kept ? error : new CursorExpiredError(this.#limits)
    }
  }

  /** The answer that a cursor continues; undefined: it is not kept any more. */
  kept(cursor: string): Kept | undefined {
    return this.#kept.get(parsedCursor(cursor)[0])
  }

  async #read(connection: EngineConnection, kept: Kept, after: number, answerBytesMax: number): Promise<Page> {
    const clock = new StepClock()
    const page = await readPage(connection, kept, after, answerBytesMax)
    clock.over('read the page')
    return { ...page, snapshot: kept.snapshot, computed: { way: 'page', steps: clock.steps } }
  }

  /** From now on for `pagedMs`. */
  #keep(kept: Kept): void {
    const { pagedAnswersMax, pagedRowsMax, pagedMs } = this.#limits
    this.#kept.delete(kept.id)
    this.#kept.set(kept.id, kept)
    clearTimeout(kept.timer ?? undefined)
    kept.timer = setTimeout(() => this.#giveUp(kept), pagedMs).unref()
    for (;;) {
      const others = [...this.#kept.values()].filter((each) => each !== kept)
      const rows = others.reduce((sum, each) => sum + each.rows, kept.rows)
      if (others.length === 0 || (others.length < pagedAnswersMax && rows <= pagedRowsMax)) return
      this.#giveUp(oldestOfMost(others, rows > pagedRowsMax ? ({ rows }) => rows : () => 1))
    }
  }

  /** Says whose answer the cursor continues. A client has at most its share of those that are kept: its own ones give way first. */
  belongsTo(cursor: string, client: string): void {
    const kept = this.kept(cursor)
    if (kept === undefined) return
    kept.client = client
    const own = [...this.#kept.values()].filter((each) => each.client === client)
    const { pagedAnswersMax, pagedAnswersPerClientMax = pagedAnswersMax } = this.#limits
    for (const oldest of own.slice(0, Math.max(0, own.length - pagedAnswersPerClientMax))) this.#giveUp(oldest)
  }

  #giveUp(kept: Kept): void {
    clearTimeout(kept.timer ?? undefined)
    this.#kept.delete(kept.id)
    this.#drop(kept.table)
  }

  /** An engine that was closed meanwhile has dropped it already. */
  #drop(table: string): void {
    const dropped = async (): Promise<void> => {
      const connection = await this.#engine.connect()
      await connection.run(`DROP TABLE IF EXISTS ${table}`).finally(() => connection.close())
    }
    void dropped().catch(() => {})
  }
}

/** The one that was read longest ago, of the client that has the most. @param kept least recently read first */
function oldestOfMost(kept: readonly Kept[], sizeOf: (one: Kept) => number): Kept {
  const byClient = [...Map.groupBy(kept, ({ client }) => client).values()]
  const size = (own: readonly Kept[]): number => own.reduce((sum, one) => sum + sizeOf(one), 0)
  const [oldest] = byClient.reduce((most, own) => (size(own) > size(most) ? own : most))
  return oldest!
}

/** The rows after `after`, at most a page of them. @throws AnswerTooLargeError */
export async function readPage(
  connection: EngineConnection,
  { id, table, rows, pageRows, columns, meta }: PagedAnswer,
  after: number,
  answerBytesMax: number,
): Promise<Omit<Page, 'snapshot' | 'computed'>> {
  const end = after + pageRows
  const select = `SELECT _text FROM ${table} WHERE _n > ${after} AND _n <= ${end} ORDER BY _n`
  const [texts] = await boundedRows(connection, select, undefined, answerBytesMax)
  const truncated = end < rows
  const next = truncated ? cursorOf(id, end) : null
  return { rowsJson: `[${texts!.join(',')}]`, rowCount: texts!.length, columns, meta: { ...meta, truncated, next } }
}

/** @throws QueryError */
export function assertSameQuestion({ question }: Pick<PagedAnswer, 'question'>, query: ViewQuery): void {
  if (question !== questionText(query))
    throw new QueryError(
      'cursor',
      'belongs to another query: repeat the one that it came from, and change only the cursor',
    )
}

function questionText(query: ViewQuery): string {
  return JSON.stringify({ ...query, cursor: null })
}

function cursorOf(id: string, after: number): string {
  return Buffer.from(`${id}.${after}`).toString('base64url')
}

/** @throws QueryError */
export function parsedCursor(cursor: string): [id: string, after: number] {
  const match = /^([0-9a-f-]{36})\.(\d{1,12})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (match === null)
    throw new QueryError(
      'cursor',
      `is not a cursor; use '${FIRST_PAGE}' for the first page, then 'meta.next' of the page before`,
    )
  return [match[1]!, Number(match[2])]
}
