/** A shipped dataset over the real embedded parts: some of its events are in a generation, the others in closed and open segments. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type GeneratedPlatform, openGenerated } from '#tests/generated-definitions/generated-platform.ts'
import { until } from '#tests/until.ts'

export type AnswerRow = Readonly<Record<string, unknown>>

interface AnswerText {
  readonly data: readonly AnswerRow[]
  readonly meta: {
    readonly rows: { readonly batch: number; readonly closed: number; readonly open: number }
    readonly deadLetters: number
    readonly truncated: boolean
  }
}

const SEGMENT_RECORDS = 200
const BATCH_RECORDS = 150

export class BothLayers {
  readonly #definition: DatasetDefinition
  readonly #folder: string
  readonly #engine: DuckDbEngine
  readonly #platform: GeneratedPlatform
  #atLeast = ''

  /** Two thirds of the lines come before the batch run. @throws if one of them is not in the log, or a layer has none */
  static async of(definition: DatasetDefinition, lines: readonly string[]): Promise<BothLayers> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-shipped-'))
    const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    const platform = await openGenerated({
      folder,
      engine,
      definition,
      segmentRecordsMax: SEGMENT_RECORDS,
      batchRecordsMax: BATCH_RECORDS,
      resident: true,
    })
    const layers = new BothLayers(definition, folder, engine, platform)
    try {
      await layers.#fill(lines)
      return layers
    } catch (error) {
      await layers.close()
      throw error
    }
  }

  private constructor(
    definition: DatasetDefinition,
    folder: string,
    engine: DuckDbEngine,
    platform: GeneratedPlatform,
  ) {
    this.#definition = definition
    this.#folder = folder
    this.#engine = engine
    this.#platform = platform
  }

  /** @param question as after /v1/datasets/<name>/views/. @returns what is answered once every line is counted */
  async ask(question: string): Promise<readonly AnswerRow[]> {
    const { data, meta } = await this.#answer(question)
    if (meta.truncated && !question.includes('limit=')) throw new Error(`${question}: truncated`)
    return data
  }

  async #answer(question: string): Promise<AnswerText> {
    const more = `${question.includes('?') ? '&' : '?'}atLeast=${this.#atLeast}`
    const reply = await this.#platform.app.inject(`/v1/datasets/${this.#definition.name}/views/${question}${more}`)
    if (reply.statusCode !== 200) throw new Error(`${question}: ${reply.body}`)
    return reply.json() as AnswerText
  }

  async #fill(lines: readonly string[]): Promise<void> {
    const cut = Math.ceil((lines.length * 2) / 3)
    const [view] = Object.keys(this.#definition.views)
    await this.#offer(lines.slice(0, cut))
    await until('a segment is closed', async () => (await this.#answer(`${view}?limit=1`)).meta.rows.closed > 0)
    await this.#platform.publish('full')
    await this.#offer(lines.slice(cut))
    const { rows } = (await this.#answer(`${view}?limit=1`)).meta
    if (rows.batch === 0 || rows.open + rows.closed === 0) throw new Error(`a layer is empty: ${JSON.stringify(rows)}`)
  }

  async #offer(lines: readonly string[]): Promise<void> {
    const { appended, rejected } = await this.#platform.intake.offer(lines, { acceptUnusable: true })
    if (rejected > 0) throw new Error(`${rejected} lines are not in the log`)
    this.#atLeast = appended.map(({ partition, end }) => `${partition}:${end}`).join(',')
  }

  async close(): Promise<void> {
    await this.#platform.close()
    this.#engine.close()
    rmSync(this.#folder, { recursive: true })
  }
}
