/** Sends an answer in the format that its client asks for. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ViewQuery } from '#core/query.ts'
import type { AnswerFormat } from '#serving/formats/answer-format.ts'
import { formatOf } from './answer-format.ts'
import { type AskParts, answerHeaders, type GivenAnswer, type Question, sendJson, shownMeta } from './ask-view.ts'
import { etagOf, isKnown, metaJsonOf } from './repeated-requests.ts'
import { ofUnsaidLength } from './unsaid-length.ts'

/** How the answer is to be written. */
export interface AskedFormat {
  readonly format: AnswerFormat
  /** CSV: begins with a byte order mark */
  readonly bom: boolean
}

/**
 * @param extension of the path, without its dot
 * @throws ProblemError 'not-acceptable', 'not-found'
 */
export function askedFormat(
  request: FastifyRequest,
  { extension, bom }: { readonly extension?: string | undefined; readonly bom?: string | undefined },
): AskedFormat {
  return { format: formatOf(request.headers.accept, extension), bom: bom === 'true' }
}

/** The answer's bytes, or 304 where the client has it in this format. */
export async function sendAnswer(
  parts: AskParts,
  question: Question,
  given: GivenAnswer,
  { format, bom }: AskedFormat,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  reply.header('vary', 'Accept')
  if (format.name === 'json') return sendJson(parts, question, given, request, reply)
  reply.headers(answerHeaders(given))
  reply.headers(formatHeaders(question.query, format))
  if (given.kind === 'kept') {
    const etag = etagOf(given.kept, format.name)
    reply.headers({ etag, 'cache-control': 'private, no-cache' })
    if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
  }
  if (request.method === 'HEAD') return reply.send(ofUnsaidLength())
  const { engine } = question.target
  const { columns, rowsJson } = given.kind === 'kept' ? given.kept : given.answer
  const metaJson = given.kind === 'kept' ? metaJsonOf(given.live, given.kept) : JSON.stringify(shownMeta(given.answer))
  const { scratchFolder } = parts
  return reply.send(await format.encode({ columns, rowsJson, metaJson }, { bom, engine, scratchFolder }))
}

/** What a client is told of the format. Names of views need no quoting. */
export function formatHeaders(
  { view }: Pick<ViewQuery, 'view'>,
  { name, extension, contentType }: AnswerFormat,
): Readonly<Record<string, string>> {
  const isShown = name === 'json' || name === 'ndjson'
  return {
    vary: 'Accept',
    'content-type': contentType,
    ...(isShown ? {} : { 'content-disposition': `attachment; filename="${view}.${extension}"` }),
  }
}
