/** The further pages of an answer that is read in pages. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ViewQuery } from '#core/query.ts'
import { ageOf } from '#serving/answers/answer-meta.ts'
import type { Answer } from '#serving/answers/merged-view.ts'
import { FIRST_PAGE, pagedAnswersOf } from '#serving/answers/paged-answers.ts'
import { onConnection } from '#serving/answers/time-limit.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { inTurn, type TurnParts, whenGone } from './in-turn.ts'

interface PageParts extends TurnParts {
  readonly limits: TurnParts['limits'] & { readonly answerBytesMax: number }
}

interface PageQuestion {
  readonly target: AnsweredDataset
  readonly query: ViewQuery
}

/** Whether the question is for a page after the first one. */
export function isFurtherPage({ query: { cursor } }: Pick<PageQuestion, 'query'>): boolean {
  return cursor !== undefined && cursor !== FIRST_PAGE
}

/** @throws QueryError, CursorExpiredError, AnswerTooLargeError */
export async function askPage(
  parts: PageParts,
  { target, query }: PageQuestion,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Answer> {
  const { engine, live } = target
  const { answerBytesMax } = parts.limits
  const { snapshot, ...answer } = await inTurn(parts, request, whenGone(reply), (signal) =>
    onConnection(engine, signal, (on) => pagedAnswersOf(engine).page(on, query, answerBytesMax), { pooled: true }),
  )
  const seen = live?.seen(snapshot) ?? snapshot.partitions
  return { ...answer, snapshot, meta: { ...answer.meta, ...ageOf(answer.meta, seen, Date.now()) } }
}
