/** The main thread's end of the intake role: passes offers to its thread, and the replies back. */
import type { MessagePort } from 'node:worker_threads'
import type { BodyFormat } from '#core/body-format.ts'
import type { OffsetRange } from '#core/offsets.ts'
import { type BodyRoom, InFlight } from '#ingest/in-flight.ts'
import type { IngestLimits } from '#ingest/ingest-limits.ts'
import type { EventIntake, IntakeResult, OfferOptions } from '#ingest/intake.ts'
import type { IntakePort } from '#serving/http/intake/intake-port.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { FromIntake, OfferedContent, OfferRequest } from './intake-messages.ts'

/** The thread ended or does not run. Its name is one of a storage fault: the request may be repeated. */
export class LogThreadError extends Error {
  constructor(dataset: string, what: string) {
    super(`dataset '${dataset}': ${what}`)
    this.name = 'LogThreadError'
  }
}

interface Waiting extends PromiseWithResolvers<IntakeResult> {
  readonly dataset: string
}

/** One life of the thread. */
interface Life {
  readonly port: MessagePort
  readonly waiting: Map<number, Waiting>
}

export class IntakeLink {
  readonly #emit: Emit
  #life: Life | null = null
  #offers = 0

  /** @param emit receives the events of the thread's intakes, each before the reply that it is about */
  constructor(emit: Emit) {
    this.#emit = emit
  }

  /** Uses a new life of the thread. What it leaves unanswered when it ends is rejected. */
  connect(port: MessagePort): void {
    const life: Life = { port, waiting: new Map() }
    this.#life = life
    port.on('message', (message: FromIntake) => {
      if (message.type === 'event') this.#emit(message.event)
      else settle(life, message)
    })
    port.on('close', () => {
      if (this.#life === life) this.#life = null
      abandon(life)
    })
  }

  /** @throws LogThreadError; what the thread's intake refused with, as an error of that name */
  async offer(dataset: string, content: OfferedContent, options: OfferOptions, key?: string): Promise<IntakeResult> {
    if (this.#life === null)
      throw new LogThreadError(dataset, 'the intake role is being restarted, nothing was taken; send the events again')
    const { port, waiting } = this.#life
    const request: OfferRequest = { id: this.#offers++, dataset, content, options, key }
    const reply: Waiting = { dataset, ...Promise.withResolvers<IntakeResult>() }
    waiting.set(request.id, reply)
    port.postMessage(request, 'body' in content ? [content.body.buffer] : [])
    return reply.promise
  }
}

function settle({ waiting }: Life, reply: Exclude<FromIntake, { readonly type: 'event' }>): void {
  const { resolve, reject } = waiting.get(reply.id)!
  waiting.delete(reply.id)
  if (reply.type === 'taken') resolve(reply.result)
  else reject(Object.assign(new Error(reply.message), { name: reply.name }))
}

function abandon({ waiting }: Life): void {
  const what = 'the intake role ended before it acknowledged the events; they may be in the log or not'
  for (const { dataset, reject } of waiting.values()) reject(new LogThreadError(dataset, what))
  waiting.clear()
}

/** One dataset's intake in the other thread. */
export class LinkedIntake implements EventIntake, IntakePort {
  readonly limits: IngestLimits
  readonly #dataset: string
  readonly #link: IntakeLink
  readonly #inFlight: InFlight
  readonly #appended: (ranges: readonly OffsetRange[]) => void

  /** @param appended told where acknowledged events are in the log, before their sender is */
  constructor(
    dataset: string,
    link: IntakeLink,
    limits: IngestLimits,
    emit: Emit,
    appended: (ranges: readonly OffsetRange[]) => void = () => {},
  ) {
    this.#appended = appended
    this.#dataset = dataset
    this.#link = link
    this.limits = limits
    this.#inFlight = new InFlight(dataset, limits.inFlightBytesMax, emit)
  }

  offer(rows: readonly string[], options: OfferOptions = {}): Promise<IntakeResult> {
    const bytes = rows.reduce((sum, row) => sum + Buffer.byteLength(row) + 1, 0)
    return this.#inFlight.during(bytes, () => this.#offer({ rows }, options))
  }

  /** For a body while it is received. */
  room(): BodyRoom {
    return this.#inFlight.room()
  }

  /** The body is handed over: it must not be used afterwards. */
  offerBody(body: Buffer, format: BodyFormat, verdicts: 'all' | 'rejected', key?: string): Promise<IntakeResult> {
    return this.#inFlight.during(body.length, () =>
      this.#offer({ body: transferable(body), format }, { verdicts }, key),
    )
  }

  async #offer(content: OfferedContent, options: OfferOptions, key?: string): Promise<IntakeResult> {
    const result = await this.#link.offer(this.#dataset, content, options, key)
    this.#appended(result.appended)
    return result
  }
}

/** The same bytes with memory of their own: small buffers share theirs with others. */
function transferable(body: Buffer): Uint8Array<ArrayBuffer> {
  const whole = body.buffer instanceof ArrayBuffer && body.buffer.byteLength === body.length
  return whole ? new Uint8Array(body.buffer as ArrayBuffer) : new Uint8Array(body)
}
