/** For tests: reads a stream of many answers, each event with the query that it belongs to. */
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { until } from './until.ts'

export interface ManyEvent {
  readonly query: number
  readonly event: string
  readonly id: string | undefined
  readonly data: object
}

export class ManyClient {
  readonly events: ManyEvent[] = []
  readonly #reading: ReadableStreamDefaultReader<{ event?: string; id?: string; data: string }>

  static async of(response: Response): Promise<ManyClient> {
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    return new ManyClient(response)
  }

  private constructor({ body }: Response) {
    this.#reading = body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader()
    void this.#read().catch(() => undefined)
  }

  /** Waits until the events so far are accepted. */
  until(what: string, accepts: (events: readonly ManyEvent[]) => boolean): Promise<true> {
    return until(what, () => (accepts(this.events) ? true : null), {
      withinMs: 20_000,
      everyMs: 5,
      said: () => JSON.stringify(this.events.slice(-3)),
    })
  }

  close(): void {
    void this.#reading.cancel()
  }

  async #read(): Promise<void> {
    let query = -1
    for (let read = await this.#reading.read(); !read.done; read = await this.#reading.read()) {
      const { event = 'message', id, data } = read.value
      if (event === 'of') query = (JSON.parse(data) as { query: number }).query
      else this.events.push({ query, event, id, data: JSON.parse(data) as object })
    }
  }
}
