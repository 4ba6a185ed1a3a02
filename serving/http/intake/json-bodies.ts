/** A scope of routes whose bodies are small JSON documents, which their schemas check. */
import type { FastifyInstance } from 'fastify'
import { ProblemError } from '#serving/http/problems.ts'

export const JSON_BODY_BYTES_MAX = 64 * 1024

export function jsonBodies(app: FastifyInstance, routes: (app: FastifyInstance) => void): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: JSON_BODY_BYTES_MAX },
      async (_request: unknown, text: string | Buffer) => parsed(text.toString()),
    )
    scope.addContentTypeParser('*', async () => {
      throw new ProblemError('unsupported-type', 'send application/json')
    })
    routes(scope)
  })
}

/** An empty body is one that is missing: its schema says whether it may be. */
function parsed(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProblemError('bad-request', `the body is not valid JSON: ${(error as Error).message}`)
  }
}
