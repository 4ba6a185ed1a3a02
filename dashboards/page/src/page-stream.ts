/**
 * The stream of this tab: all answers that it shows, over one connection, so that any number of panels takes one of the few that a browser
 * opens to a host. When the queries on the page change, it is reopened and resumes after the last event of each answer. It is closed while the tab is hidden.
 */
import type { Answer } from './answer.ts'
import { refusal, UnreachableError } from './api.ts'
import { type Fault, faultOf } from './fault.ts'
import { changed, type StreamEvent, streamReader } from './stream-events.ts'
import { takeSeat } from './stream-seat.ts'

/** A question whose answer is followed. */
export interface FollowedQuestion {
  /** `/v1/datasets/…/views/…?…` */
  readonly path: string
  readonly pauseMs: number
  take(answer: Answer): void
  /** It cannot be followed now; it can be asked for, and then says why. */
  refused(): void
  /** No events come; it is tried again. */
  lost(fault: Fault): void
}

interface Place {
  readonly question: FollowedQuestion
  answer: Answer | null
  lastId: string | null
}

const PATH = '/v1/live'
/** what is added to a page at the same time is followed together */
const GATHER_MS = 40
/** what is not shown any more may come back: scrolled over, or another choice */
const LEAVE_MS = 5_000
const RETRY_MS_MAX = 15_000
/** the server says something every 15 s */
const SILENT_MS_MAX = 40_000
const VIEW = /^\/v1\/datasets\/([^/]+)\/views\/([^/?.]+)(?:\?(.*))?$/

export function canFollow(path: string): boolean {
  return VIEW.test(path) && !/[?&](cursor|explain|bom)=/.test(path)
}

export class PageStream {
  readonly #places = new Map<string, Place>()
  readonly #opened: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #reading: AbortController | null = null
  #seat: Promise<(() => void) | null> | null = null
  #failures = 0
  #rests = false

  /** @param opened told that the server answers */
  constructor(opened: () => void) {
    this.#opened = opened
  }

  /** Whether this tab has a stream, or can have one. */
  async hasSeat(): Promise<boolean> {
    this.#seat ??= takeSeat()
    const seat = this.#seat
    if ((await seat) !== null) return true
    if (this.#seat === seat) this.#seat = null
    return false
  }

  follow(question: FollowedQuestion): void {
    this.#places.set(question.path, { question, answer: null, lastId: null })
    if (this.#reading !== null) this.#soon(GATHER_MS)
    else this.#openFirst()
  }

  leave({ path }: FollowedQuestion): void {
    if (this.#places.delete(path)) this.#soon(LEAVE_MS)
  }

  /** Holds still until it is woken, and leaves its connection to others. */
  rest(): void {
    this.#rests = true
    this.#stop()
    void this.#seat?.then((free) => free?.())
    this.#seat = null
  }

  wake(): void {
    this.#rests = false
    this.#soon(0)
  }

  #soon(afterMs: number): void {
    const dueMs = performance.now() + afterMs
    if (dueMs >= this.#dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => void this.#open(), afterMs)
  }

  /** A page that opens adds all that is in view within one task, and asks before the browser lays it out and paints it. */
  #openFirst(): void {
    if (this.#dueMs <= performance.now()) return
    clearTimeout(this.#timer)
    this.#dueMs = performance.now()
    queueMicrotask(() => void this.#open())
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#reading?.abort()
    this.#reading = null
  }

  async #open(): Promise<void> {
    this.#stop()
    const places = [...this.#places.values()]
    if (places.length === 0 || this.#rests) return
    const reading = new AbortController()
    this.#reading = reading
    try {
      await this.#read(places, reading)
      if (!reading.signal.aborted) this.#soon(GATHER_MS)
    } catch (error) {
      if (this.#reading === reading) this.#lost(error)
    }
  }

  async #read(places: readonly Place[], reading: AbortController): Promise<void> {
    const response = await fetch(PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ queries: places.map(wanted) }),
      signal: reading.signal,
    }).catch(() => {
      throw new UnreachableError('no answer from the server')
    })
    if (!response.ok) throw refusal(response.status, await response.text())
    const read = streamReader((event) => this.#take(places[event.query]!, event))
    const silent = (): void => reading.abort(new UnreachableError('the server fell silent'))
    let alarm = setTimeout(silent, SILENT_MS_MAX)
    try {
      for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
        clearTimeout(alarm)
        alarm = setTimeout(silent, SILENT_MS_MAX)
        this.#failures = 0
        this.#opened()
        read(text)
      }
    } catch (error) {
      throw error instanceof UnreachableError ? error : new UnreachableError('the connection broke')
    } finally {
      clearTimeout(alarm)
    }
  }

  #take(place: Place, event: StreamEvent): void {
    if (event.kind === 'problem') {
      place.question.refused()
      return
    }
    if (event.kind === 'change' && place.answer === null) return
    place.lastId = event.id
    try {
      place.answer = event.kind === 'answer' ? event.answer : changed(place.answer!, event.change)
      place.question.take(place.answer)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      // Not a change of these rows: it begins anew with an answer.
      Object.assign(place, { answer: null, lastId: null })
      this.#soon(0)
    }
  }

  #lost(error: unknown): void {
    const fault = faultOf(error)
    this.#failures++
    for (const { question } of this.#places.values()) question.lost(fault)
    this.#soon(Math.min(1_000 * 2 ** (this.#failures - 1), RETRY_MS_MAX))
  }
}

function wanted({ question: { path, pauseMs }, lastId }: Place): unknown {
  const [, dataset = '', view = '', text = ''] = VIEW.exec(path) ?? []
  const given = new URLSearchParams(text)
  const parameters = Object.fromEntries([...new Set(given.keys())].map((name) => [name, valuesOf(given, name)]))
  const names = { dataset: decodeURIComponent(dataset), view: decodeURIComponent(view) }
  return { ...names, parameters, pauseMs, ...(lastId !== null && { lastEventId: lastId }) }
}

function valuesOf(given: URLSearchParams, name: string): string | string[] {
  const values = given.getAll(name)
  return values.length === 1 ? values[0]! : values
}
