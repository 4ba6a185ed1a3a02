/** An answer with how it came about: asked like any other, but neither remembered nor given as 304. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AnswerStep, AnswerWay } from '#serving/answers/answer-steps.ts'
import { type ExplainedSource, explanationOf } from '#serving/answers/explanation.ts'
import { profileQuery } from '#serving/answers/merged-view.ts'
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
import { inTurn, whenGone } from './in-turn.ts'
import { metaJsonOf } from './repeated-requests.ts'
import type { AskedFormat } from './send-answer.ts'

export const ONLY_JSON = 'is only for answers and exports in JSON'

/** @param as how the answer is to be written; null: as events. @throws as askView; QueryError unless it is JSON */
export async function explainAnswer(
  parts: AskParts,
  question: Question,
  as: AskedFormat | null,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (as?.format.name !== 'json') throw new QueryError('explain', ONLY_JSON)
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
  const { snapshot, computed } = given.kind === 'kept' ? given.kept : given.answer
  if (snapshot === undefined) throw new QueryError('explain', 'is not for this kind of query')
  const source = sourceOf(given, beganMs, isUnderWay)
  const { way, steps: own } = computed ?? { way: 'stores', steps: [] }
  const wholeMs = answeredMs - plannedMs
  const steps = [
    { step: 'plan', ms: plannedMs - beganMs },
    ...own.map(({ step, ms }) => ({ step: source === 'kept' ? `${step}, when it was computed` : step, ms })),
    { step: 'answer, with waiting for its turn', ms: wholeMs },
    { step: 'write provenance', ms: writtenMs - answeredMs },
  ]
  const engine = ENGINE_WAYS.includes(way) ? await profiled(parts, question, request, reply) : null
  const explained = explanationOf({ source, way, snapshot, meta, stored: viewsOf(plan), steps, engine }, Date.now())
  const explain = { ...explained, advice: explained.advice.map(withoutPaths) }
  return reply
    .headers(answerHeaders(given))
    .type(JSON_TEXT)
    .send(`{"data":${rowsJson},"meta":${metaJson},"explain":${JSON.stringify(explain)}}`)
}

/** Where the engine merges. */
const ENGINE_WAYS: readonly AnswerWay[] = ['resident', 'stores']

/** null: the answer is there, and what it would cost again cannot be told now. */
async function profiled(
  parts: AskParts,
  { target, query }: Question,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<AnswerStep[] | null> {
  const { live } = target
  return inTurn(parts, request, whenGone(reply), (signal) =>
    live === undefined ? profileQuery(target, query, { signal }) : live.profile(live.asked(query), signal),
  ).catch(() => null)
}

/** @param beganMs monotonic; @param isUnderWay whether it was being computed then */
function sourceOf(given: GivenAnswer, beganMs: number, isUnderWay: boolean): ExplainedSource {
  if (given.kind === 'computed') return 'computed'
  if (given.kept.doneAtMs < beganMs) return 'kept'
  return isUnderWay ? 'joined' : 'computed'
}
