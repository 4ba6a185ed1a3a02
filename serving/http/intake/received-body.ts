/** Reads request bodies. */
import { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { errorCodes } from 'fastify'
import { releaseMemory } from '#core/release-memory.ts'
import { ProblemError } from '#serving/http/problems.ts'
import type { BodyRoom } from './body-room.ts'

const { FST_ERR_CTP_BODY_TOO_LARGE, FST_ERR_CTP_INVALID_CONTENT_LENGTH } = errorCodes

/**
 * The whole body, in memory of its own.
 * @param contentLength as the request's headers give it
 * @param bytesMax limit on the body's size
 * @param room takes what has arrived so far
 * @throws Fastify's errors for bodies that are too large or do not have the given length; ProblemError 'bad-request' if the connection broke;
 * what the room throws
 */
export function receivedBody(
  payload: Readable,
  contentLength: string | undefined,
  bytesMax: number,
  room?: Pick<BodyRoom, 'take'>,
): Promise<Buffer> {
  const announced = contentLength === undefined ? null : Number(contentLength)
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let bytes = 0
  const take = (chunk: Buffer): void => {
    bytes += chunk.length
    try {
      if (bytes > bytesMax) throw new FST_ERR_CTP_BODY_TOO_LARGE()
      room?.take(bytes)
      chunks.push(chunk)
    } catch (error) {
      fail(error as Error)
    }
  }
  /** Nothing is kept of the body. What is left of it stays unread; behind a body that is too large Fastify closes the connection. */
  const fail = (error: Error): void => {
    payload.off('data', take)
    chunks.length = 0
    reject(error)
  }
  if (announced !== null && announced > bytesMax) {
    fail(new FST_ERR_CTP_BODY_TOO_LARGE())
    return promise
  }
  payload.on('data', take)
  payload.once('error', (error) =>
    fail(new ProblemError('bad-request', `the body was not received completely: ${error.message}`)),
  )
  payload.once('end', () => {
    if (announced !== null && announced !== bytes) fail(new FST_ERR_CTP_INVALID_CONTENT_LENGTH())
    else resolve(joined(chunks, bytes, payload instanceof IncomingMessage))
  })
  return promise
}

/** @param owned nothing else refers to the chunks: Node's HTTP parser makes them for us */
function joined(chunks: readonly Buffer[], bytes: number, owned: boolean): Buffer {
  const body = Buffer.allocUnsafeSlow(bytes)
  let at = 0
  for (const chunk of chunks) {
    at += chunk.copy(body, at)
    if (owned) releaseMemory(chunk)
  }
  return body
}
