/** Asks a view or series for a client of the HTTP API: every route that answers queries does it here. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Positions } from '#core/offsets.ts'
import type { ViewQuery } from '#core/query.ts'
import { answerView } from '#serving/answers/answer-from-rows.ts'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { type AtLeast, answerAtLeast } from '#serving/answers/at-least.ts'
import type { Answer } from '#serving/answers/merged-view.ts'
import { pagedAnswersOf } from '#serving/answers/paged-answers.ts'
import { LiveMissingError, OutdatedError } from '#serving/answers/query-error.ts'
import { limited } from '#serving/answers/time-limit.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import type { KeptAnswer } from '#serving/live/answer-cache.ts'
import type { AnsweredDataset, AskedQuery, LiveAnswers, WaitOptions } from '#serving/live/live-answers.ts'
import type { Metrics } from '#telemetry/metrics.ts'
import { askPage, isFurtherPage } from './ask-page.ts'
import { clientOf, inTurn, type TurnParts, whenGone } from './in-turn.ts'
import type { Required } from './parse-query.ts'
import { ageHeaders, lastingHeaders, type ProvenanceHeaders } from './provenance-headers.ts'
import { bodyOf, headersOf, isKnown, keptHeaders, type RepeatedRequests } from './repeated-requests.ts'
import { ofUnsaidLength } from './unsaid-length.ts'

export interface AskParts extends TurnParts {
  readonly limits: { readonly queryMsMax: number; readonly waitMsMax: number; readonly answerBytesMax: number }
  /** for temporary files; the engines of the datasets may use it */
  readonly scratchFolder: string
  readonly metrics: Metrics
  readonly repeated: RepeatedRequests
}

/** What a client asks. */
export interface Question {
  readonly target: AnsweredDataset
  readonly query: ViewQuery
  /** what the answer must count; null: nothing in particular */
  readonly atLeast: Positions | null
  readonly required: Required
}

/** An answer from resident states, which is kept, or one that was computed for this request only. */
export type GivenAnswer =
  | { readonly kind: 'kept'; readonly live: LiveAnswers; readonly asked: AskedQuery; readonly kept: KeptAnswer }
  | { readonly kind: 'computed'; readonly answer: Answer }

/**
 * The answer to the question: the kept one where it can be given as it is, otherwise in the client's turn.
 * @throws QueryError, NeedsBackfillError, OutdatedError, LiveMissingError, PositionNotReachedError, and as `answerView`
 */
export async function askView(
  parts: AskParts,
  question: Question,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<GivenAnswer> {
  const { target, required } = question
  if (isFurtherPage(question)) return { kind: 'computed', answer: await askPage(parts, question, request, reply) }
  const given =
    target.live === undefined
      ? await computed(parts, question, request, reply)
      : await resident(parts, question, target.live, request, reply)
  const { next } = given.kind === 'computed' ? given.answer.meta : given.kept.meta
  if (next !== null) pagedAnswersOf(target.engine).belongsTo(next, clientOf(request))
  if (given.kind === 'computed') assertRequired(required, given.answer.meta, given.answer.meta.liveMissing)
  else assertRequired(required, given.kept.meta, given.live.whyMissing(given.kept))
  return given
}

/** Sends the answer as JSON, or 304 where the client has it. A repeated request for a kept answer is then answered without this route. */
export function sendJson(
  { repeated }: Pick<AskParts, 'repeated'>,
  { atLeast, required }: Question,
  given: GivenAnswer,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (given.kind === 'computed') {
    const { rowsJson } = given.answer
    reply.headers(answerHeaders(given)).type(JSON_TEXT)
    if (request.method === 'HEAD') return reply.send(ofUnsaidLength())
    return reply.send(`{"data":${rowsJson},"meta":${JSON.stringify(shownMeta(given.answer))}}`)
  }
  const { live, asked, kept } = given
  // A kept answer may be older than the position that the next request with the same URL must wait for, or lack the live part then.
  const isPlain = atLeast === null && !required.live && !required.current && !asked.plan.paged
  if (isPlain && request.method === 'GET')
    repeated.remember(request.raw, { live, asked, route: request.routeOptions.url! })
  const headers = headersOf(live, kept)
  reply.headers(headers)
  if (isKnown(request.headers['if-none-match'], headers.etag!)) return reply.code(304).send()
  return reply.send(request.method === 'HEAD' ? ofUnsaidLength() : bodyOf(live, kept))
}

/** The answer's provenance as headers. */
export function answerHeaders(given: GivenAnswer): ProvenanceHeaders {
  if (given.kind === 'kept') return keptHeaders(given.live, given.kept)
  const { meta } = given.answer
  return { ...lastingHeaders(meta), ...ageHeaders(meta) }
}

/** For payloads that are already JSON text. */
export const JSON_TEXT = 'application/json; charset=utf-8'

/** Of several views together: there could be any number of combinations. */
function metricName({ view, views }: ViewQuery): string {
  return views === undefined ? view : 'several'
}

async function computed(
  parts: AskParts,
  question: Question,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<GivenAnswer> {
  const { target, query } = question
  const { queryMsMax, answerBytesMax } = parts.limits
  const began = performance.now()
  const gone = whenGone(reply)
  const ask = (): Promise<Answer> =>
    inTurn(parts, request, gone, (signal) => answerView(target, query, { queryMsMax, answerBytesMax, signal }))
  const wait = waitOf(parts, question)
  const answer = await (wait === null ? ask() : answerAtLeast(wait, ask))
  parts.metrics.queryAnswered(query.dataset, metricName(query), performance.now() - began)
  return { kind: 'computed', answer }
}

async function resident(
  parts: AskParts,
  question: Question,
  live: LiveAnswers,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<GivenAnswer> {
  const { query } = question
  const { queryMsMax } = parts.limits
  const [began, nowMs, wait] = [performance.now(), Date.now(), waitOf(parts, question)]
  const asked = live.asked(query)
  const known = wait === null ? live.answerNow(asked, nowMs) : null
  if (known !== null) return { kind: 'kept', live, asked, kept: known }
  const quick = wait === null ? live.computeNow(asked, nowMs) : null
  if (quick !== null) {
    parts.metrics.queryAnswered(query.dataset, metricName(query), performance.now() - began)
    return { kind: 'kept', live, asked, kept: quick }
  }
  const gone = whenGone(reply)
  const run: WaitOptions['run'] = (work) =>
    live.isUnderWay(asked, nowMs) ? limited(queryMsMax, gone, work) : inTurn(parts, request, gone, work)
  const kept = await (wait === null
    ? run((signal) => live.answer(asked, { nowMs, queryMsMax, signal }))
    : live.answerAtLeast(asked, wait, { queryMsMax, signal: gone, run }))
  parts.metrics.queryAnswered(query.dataset, metricName(query), performance.now() - began)
  return { kind: 'kept', live, asked, kept }
}

function waitOf({ limits }: AskParts, { atLeast }: Question): AtLeast | null {
  return atLeast === null ? null : { position: atLeast, waitMsMax: limits.waitMsMax }
}

/** @throws LiveMissingError, OutdatedError */
export function assertRequired(
  required: Required,
  { dataset, view, outdated }: AnswerMeta,
  missing: string | null,
): void {
  if (required.current && outdated !== null) throw new OutdatedError({ dataset, name: view })
  if (required.live && missing !== null) throw new LiveMissingError(missing)
}

/** The provenance as clients see it. */
export function shownMeta({ meta }: Pick<Answer, 'meta'>): AnswerMeta {
  return meta.liveMissing === null ? meta : { ...meta, liveMissing: withoutPaths(meta.liveMissing) }
}
