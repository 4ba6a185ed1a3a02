/**
 * The web page for batch jobs (bull-board): waiting, running and failed jobs with their progress, and buttons to retry or remove them.
 * Disabled unless an admin key is set. Every request must carry that key, as the password of HTTP Basic authentication (any user name) or as
 * Authorization: Bearer <key>. A Fastify plugin with its own key check, independent of the API keys.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { Queue } from 'bullmq'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { problemOf } from '#serving/http/problems.ts'
import { connectRedis } from '#storage/redis/redis-connection.ts'

export const ADMIN_KEY_CHARACTERS_MIN = 16
export const JOB_BOARD_PATH = '/admin/jobs'
const REALM = 'watershed jobs'
/** Prevents the page from loading anything from other hosts (it would load fonts), and other pages from framing it. */
const CONTENT_POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

export interface JobBoardOptions {
  /** at least ADMIN_KEY_CHARACTERS_MIN characters */
  readonly adminKey: string
  /** URL of the Redis that holds the queues */
  readonly url: string
  /** key prefix of the queues */
  readonly prefix: string
  /** BullMQ names of the queues to show */
  readonly queues: readonly string[]
  /** mount path; default JOB_BOARD_PATH */
  readonly path?: string
}

/**
 * Creates the plugin: `app.register(jobBoard(options), { prefix: JOB_BOARD_PATH })`. Closing the application closes its connection.
 * @throws RangeError if the key is too short; RedisFault 'refused' if the URL is invalid
 */
export function jobBoard(options: JobBoardOptions): FastifyPluginAsync {
  const { adminKey, url, prefix, path = JOB_BOARD_PATH } = options
  if (adminKey.length < ADMIN_KEY_CHARACTERS_MIN)
    throw new RangeError(`the admin key must have at least ${ADMIN_KEY_CHARACTERS_MIN} characters`)
  return async (app) => {
    const client = connectRedis({ url }, { connectionName: 'watershed-job-board' })
    const queues = options.queues.map((name) => new Queue(name, { connection: client, prefix }))
    for (const queue of queues) queue.on('error', () => {})
    app.addHook('onClose', async () => {
      client.disconnect()
      for (const queue of queues) await queue.close()
    })
    app.addHook('onSend', async (_request, reply) => {
      reply.header('content-security-policy', CONTENT_POLICY)
    })
    app.addHook('onRequest', async (request, reply) => {
      const why = refusal(request, adminKey)
      if (why === null) return
      reply.header('www-authenticate', `Basic realm="${REALM}", charset="UTF-8"`)
      return reply.code(401).type('application/problem+json').send(problemOf('unauthorized', why))
    })
    const adapter = new FastifyAdapter().setBasePath(path)
    createBullBoard({ queues: queues.map((queue) => new BullMQAdapter(queue)), serverAdapter: adapter })
    await app.register(adapter.registerPlugin())
  }
}

/** Why a request is refused; null if it is allowed. */
function refusal(request: FastifyRequest, adminKey: string): string | null {
  if (!isSame(givenKey(request.headers.authorization ?? ''), adminKey))
    return 'log in with any user name and the admin key as the password, or send the header Authorization: Bearer <admin key>'
  // A browser attaches remembered credentials to requests that other sites trigger; those may read, but must not change anything.
  const site = request.headers['sec-fetch-site'] ?? 'same-origin'
  const changes = request.method !== 'GET' && request.method !== 'HEAD'
  if (changes && site !== 'same-origin') return 'jobs can be changed only from this page, not from another site'
  return null
}

function givenKey(authorization: string): string {
  const [, scheme, value] = /^(Basic|Bearer) (.+)$/i.exec(authorization) ?? []
  if (value === undefined) return ''
  if (scheme!.toLowerCase() === 'bearer') return value
  const login = Buffer.from(value, 'base64').toString('utf8')
  return login.slice(login.indexOf(':') + 1)
}

/** Compares in constant time, so that the duration does not reveal how much of the key matched. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
