/**
 * Runs the sinks of all datasets in a process that answers queries. Of several such processes one delivers; a sink that cannot be opened
 * is reported, and does not keep the others from running.
 */
import { durationMs } from '#core/grains.ts'
import type { SinkDefinition } from '#core/sink-definition.ts'
import { SINK_EVERY } from '#core/sink-shape.ts'
import { parseQuery } from '#serving/http/queries/parse-query.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { SinkRunner, type SinkStatus } from '#serving/sinks/sink-runner.ts'
import { SinkStateText } from '#serving/sinks/sink-state.ts'
import { SourceBoard } from '#storage/sources/source-board.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { DataFolder } from '../drivers/data-folder.ts'
import { openSink } from '../drivers/open-sink.ts'
import { openTexts } from '../drivers/open-texts.ts'
import { type SinkReport, unknownSink } from '../health/sink-reports.ts'
import { masked } from '../settings/secrets.ts'
import type { Configuration } from '../settings/settings.ts'

/** how often commands and other processes hear of a sink's state */

export interface SinkSetParts {
  readonly datasets: ReadonlyMap<string, AnsweredDataset>
  readonly folder: DataFolder
  readonly configuration: Configuration
  readonly emit: Emit
}

interface HeldSink {
  readonly board: SourceBoard<SinkReport>
  status(): SinkStatus
  stop(): Promise<void>
}

export class SinkSet {
  readonly #parts: SinkSetParts
  readonly #held: HeldSink[] = []
  #noting: NodeJS.Timeout | null = null

  constructor(parts: SinkSetParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    for (const target of this.#parts.datasets.values())
      for (const definition of target.dataset.sinks) this.#held.push(await this.#hold(target, definition))
    if (this.#held.length === 0) return
    await this.#note()
    const everyMs = Math.max(...this.#held.map(({ board }) => board.noteEveryMs))
    this.#noting = setInterval(() => void this.#note(), everyMs)
  }

  async stop(): Promise<void> {
    if (this.#noting !== null) clearInterval(this.#noting)
    await Promise.all(this.#held.map((sink) => sink.stop()))
    await this.#note()
  }

  /** Whoever delivers says how it is. */
  async #note(): Promise<void> {
    const own = this.#held.filter((sink) => sink.status().state !== 'elsewhere')
    const puts = own.map((sink) => {
      const status = sink.status()
      return sink.board.put({ ...status, source: status.sink, atMs: Date.now() }).catch(() => {})
    })
    await Promise.all(puts)
  }

  async #hold(target: AnsweredDataset, definition: SinkDefinition): Promise<HeldSink> {
    const { folder, configuration, emit } = this.#parts
    const { name: dataset } = target.dataset
    const { name, view, query = {}, every = SINK_EVERY } = definition
    const texts = await openTexts('sinks', { dataset, folder, configuration })
    const board = new SourceBoard<SinkReport>(texts)
    try {
      const asked = target.live!.asked(parseQuery(dataset, view, query))
      const opened = await this.#open(dataset, definition)
      const runner = new SinkRunner({
        ...{ dataset, definition, live: target.live!, asked, target: opened.target, emit },
        file: new SinkStateText(texts, name),
        everyMs: durationMs(every, 'every'),
        tryLock: () => target.lake.tryLock(`sink-${name}`),
        mask: (text) => masked(text, opened.secrets),
        limits: { queryMsMax: configuration.queryMsMax },
      })
      runner.start()
      return { board, status: () => runner.status(), stop: () => runner.stop() }
    } catch (error) {
      const reason = (error as Error).message
      const message = `dataset '${dataset}', sink '${name}' does not deliver: ${reason}; correct it and restart`
      emit({ name: 'sink-refused', level: 'error', message, dataset, fields: { sink: name } })
      const status = { ...unknownSink(dataset, definition), state: 'refused' as const, reason }
      return { board, status: () => status, stop: async () => {} }
    }
  }

  #open(dataset: string, definition: SinkDefinition): ReturnType<typeof openSink> {
    const { configuration, emit, datasets } = this.#parts
    return openSink({
      ...{ dataset, definition, configuration, emit },
      datasets: [...datasets.keys()],
      environment: process.env,
    })
  }
}
