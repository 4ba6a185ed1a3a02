/**
 * Requests that were answered before: one with the same method, URL and headers that access depends on has passed every check, so
 * while its answer is kept it is given without going through routing, validation and parsing again. Polling costs little more
 * than sending the bytes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KeptAnswer } from '#serving/live/answer-cache.ts'
import type { AskedQuery, LiveAnswers } from '#serving/live/live-answers.ts'
import type { Metrics } from '#telemetry/metrics.ts'
import { ageHeaders, lastingHeaders, type ProvenanceHeaders } from './provenance-headers.ts'

export interface RepeatableAnswer {
  readonly live: LiveAnswers
  readonly asked: AskedQuery
  readonly route: string
}

interface Written {
  /** of the kept answer, which is not held by this */
  readonly tag: string
  readonly headers: Readonly<Record<string, string>>
  /** null: it was not needed yet, or is too large to be kept */
  whole: WrittenBody | null
  /** monotonic, ms */
  readonly atMs: number
}

interface WrittenBody {
  /** with its length */
  readonly headers: Readonly<Record<string, string | number>>
  /** a text, which the server sends together with the headers */
  readonly body: string
}

/** different requests that are remembered */
const REQUESTS_MAX = 1_000
const KEY_CHARS_MAX = 8_192
/** larger bodies are not kept beside their answers */
const WRITTEN_BYTES_MAX = 64 * 1024
/** what an answer says of its age is written anew after this long */
const AGE_MS_MAX = 5
/** what the checks of a request look at, and the format of its answer */
const HEADERS = ['accept', 'authorization', 'host', 'origin', 'sec-fetch-mode', 'sec-fetch-site'] as const

export const ANSWER_HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'private, no-cache',
  vary: 'Accept',
  'x-content-type-options': 'nosniff',
} as const

export class RepeatedRequests {
  readonly #metrics: Metrics
  readonly #known = new Map<string, RepeatableAnswer>()
  readonly #written = new WeakMap<RepeatableAnswer, Written>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  /** Remembers a request that was answered. */
  remember(request: IncomingMessage, answer: RepeatableAnswer): void {
    const key = keyOf(request)
    if (key.length > KEY_CHARS_MAX) return
    this.#known.delete(key)
    if (this.#known.size >= REQUESTS_MAX) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(key, answer)
  }

  /** Answers a request that was answered before and whose answer can be given as it is. @returns false: it is for the application */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET') return false
    const answer = this.#known.get(keyOf(request))
    if (answer === undefined) return false
    const began = performance.now()
    const kept = answer.live.answerNow(answer.asked, Date.now())
    if (kept === null) return false
    const written = this.#write(answer, kept, began)
    const status = isKnown(request.headers['if-none-match'], written.headers.etag!) ? 304 : 200
    if (status === 304) response.writeHead(304, written.headers).end()
    else {
      const { headers, body } = written.whole ?? this.#writeBody(answer, kept, written)
      response.writeHead(200, headers).end(body)
    }
    this.#metrics.httpAnswered('GET', answer.route, status, performance.now() - began)
    return true
  }

  #write(answer: RepeatableAnswer, kept: KeptAnswer, nowMs: number): Written {
    const before = this.#written.get(answer)
    if (before !== undefined && before.tag === kept.tag && nowMs - before.atMs < AGE_MS_MAX) return before
    const written: Written = { tag: kept.tag, headers: headersOf(answer.live, kept), whole: null, atMs: nowMs }
    this.#written.set(answer, written)
    return written
  }

  #writeBody({ live }: RepeatableAnswer, kept: KeptAnswer, written: Written): WrittenBody {
    const body = bodyOf(live, kept)
    const bytes = Buffer.byteLength(body)
    const whole = { headers: { ...written.headers, 'content-length': bytes }, body }
    if (bytes <= WRITTEN_BYTES_MAX) written.whole = whole
    return whole
  }
}

/** of kept answers, by answer */
const lasting = new WeakMap<KeptAnswer, ProvenanceHeaders>()

/** What the answer says of itself, as of now. */
export function keptHeaders(live: LiveAnswers, kept: KeptAnswer): ProvenanceHeaders {
  const known = lasting.get(kept) ?? lastingHeaders(kept.meta)
  lasting.set(kept, known)
  return { ...known, ...ageHeaders(live.age(kept, Date.now())) }
}

/** All headers of the answer as JSON. */
export function headersOf(live: LiveAnswers, kept: KeptAnswer): Readonly<Record<string, string>> {
  return { etag: etagOf(kept), ...ANSWER_HEADERS, ...keptHeaders(live, kept) }
}

/**
 * Weak: the provenance says anew how old the answer is, its rows and positions are those.
 * @param format its name, unless it is JSON
 */
export function etagOf({ tag }: KeptAnswer, format?: string): string {
  return format === undefined ? `W/"${tag}"` : `W/"${tag}.${format}"`
}

/** Whether a request's If-None-Match names the answer (RFC 9110, 13.1.2: compared weakly). */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  const weak = (tag: string): string => tag.trim().replace(/^W\//, '')
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => weak(tag) === weak(etag))
}

/** The answer with its provenance, as of now. */
export function bodyOf(live: LiveAnswers, kept: KeptAnswer): string {
  return `{"data":${kept.rowsJson},"meta":${metaJsonOf(live, kept)}}`
}

/** JSON text of the provenance, as of now. */
export function metaJsonOf(live: LiveAnswers, kept: KeptAnswer): string {
  return `${kept.metaJson},${live.ageJson(kept, Date.now()).slice(1)}`
}

function keyOf({ url, headers }: IncomingMessage): string {
  let key = url!
  for (const name of HEADERS) key += `\n${headers[name] ?? ''}`
  return key
}
