/** An answer with how it came about: asked like any other, but neither remembered nor given as 304. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ExplainedSource, explanationOf } from '#serving/answers/explanation.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { planFor, viewsOf } from '#serving/answers/query-plan.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import {
  type AskParts,
  answerHeaders,
  askView,
  type GivenAnswer,
  JSON_TEXT,
  type Question,
  shownMeta,
} from './ask-view.ts'
import { metaJsonOf } from './repeated-requests.ts'
import type { AskedFormat } from './send-answer.ts'

/** @param as how the answer is to be written; null: as events, or an export. @throws as askView; QueryError unless it is JSON */
export async function explainAnswer(
  parts: AskParts,
  question: Question,
  as: AskedFormat | null,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (as?.format.name !== 'json') throw new QueryError('explain', 'is only for answers in JSON, with a limit')
  const beganMs = performance.now()
  const plan = planFor(question.target.dataset, question.query)
  const plannedMs = performance.now()
  const { live } = question.target
  const isUnderWay = live?.isUnderWay(live.asked(question.query), Date.now()) ?? false
  const given = await askView(parts, question, request, reply)
  const answeredMs = performance.now()
  const metaJson = given.kind === 'kept' ? metaJsonOf(given.live, given.kept) : JSON.stringify(shownMeta(given.answer))
  const writtenMs = performance.now()
  const rowsJson = given.kind === 'kept' ? given.kept.rowsJson : given.answer.rowsJson
  const meta = JSON.parse(metaJson) as Parameters<typeof explanationOf>[0]['meta']
  const steps = [
    { step: 'plan', ms: plannedMs - beganMs },
    ...(given.kind === 'kept'
      ? [{ step: 'merge, present and rank, when it was computed', ms: given.kept.tookMs }]
      : []),
    { step: 'answer, with waiting for its turn', ms: answeredMs - plannedMs },
    { step: 'write provenance', ms: writtenMs - answeredMs },
  ]
  const { snapshot } = given.kind === 'kept' ? given.kept : given.answer
  if (snapshot === undefined) throw new QueryError('explain', 'is not for this kind of query')
  const source = sourceOf(given, beganMs, isUnderWay)
  const explained = explanationOf({ source, snapshot, meta, stored: viewsOf(plan), steps }, Date.now())
  const explain = { ...explained, advice: explained.advice.map(withoutPaths) }
  return reply
    .headers(answerHeaders(given))
    .type(JSON_TEXT)
    .send(`{"data":${rowsJson},"meta":${metaJson},"explain":${JSON.stringify(explain)}}`)
}

/** @param beganMs monotonic; @param isUnderWay whether it was being computed then */
function sourceOf(given: GivenAnswer, beganMs: number, isUnderWay: boolean): ExplainedSource {
  if (given.kind === 'computed') return 'computed'
  if (given.kept.doneAtMs < beganMs) return 'kept'
  return isUnderWay ? 'joined' : 'computed'
}
