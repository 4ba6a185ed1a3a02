/**
 * The web page of the batch jobs (bull-board): what waits, runs and failed, with its progress, and buttons that retry or remove. Off unless an
 * admin key is set; every request must carry it, as the password of a browser's log-in (any user name) or as Authorization: Bearer <key>.
 * A Fastify plugin to be registered under the prefix that it is given; its check is its own, beside the one for API keys.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { Queue } from 'bullmq'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { connectRedis } from '#storage/redis/redis-connection.ts'
import { problemOf } from './problems.ts'

export const ADMIN_KEY_CHARACTERS_MIN = 16
export const JOB_BOARD_PATH = '/admin/jobs'
const REALM = 'watershed jobs'
/** The page gets nothing from other hosts (it would load fonts), and no other page may frame its buttons. */
const CONTENT_POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

export interface JobBoardOptions {
  /** at least ADMIN_KEY_CHARACTERS_MIN characters */
  readonly adminKey: string
  /** address of the Redis that holds the queues */
  readonly url: string
  /** what all keys of the queues begin with */
  readonly prefix: string
  /** BullMQ names of the queues to show */
  readonly queues: readonly string[]
  /** where it is mounted; default JOB_BOARD_PATH */
  readonly path?: string
}

/**
 * The plugin: `app.register(jobBoard(options), { prefix: JOB_BOARD_PATH })`. Closing the application closes its connection.
 * @throws RangeError when the key is too short; RedisFault 'refused' when the URL is none
 */
export function jobBoard(options: JobBoardOptions): FastifyPluginAsync {
  const { adminKey, url, prefix, path = JOB_BOARD_PATH } = options
  if (adminKey.length < ADMIN_KEY_CHARACTERS_MIN)
    throw new RangeError(`the admin key needs at least ${ADMIN_KEY_CHARACTERS_MIN} characters`)
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

/** Why a request may not go on; null when it may. */
function refusal(request: FastifyRequest, adminKey: string): string | null {
  if (!isSame(givenKey(request.headers.authorization ?? ''), adminKey))
    return 'log in with any user name and the admin key as password, or send the header Authorization: Bearer <admin key>'
  // A browser sends a remembered log-in along with requests that other sites make; those may look, and change nothing.
  const site = request.headers['sec-fetch-site'] ?? 'same-origin'
  const changes = request.method !== 'GET' && request.method !== 'HEAD'
  if (changes && site !== 'same-origin') return 'jobs can only be changed from the page itself'
  return null
}

function givenKey(authorization: string): string {
  const [, scheme, value] = /^(Basic|Bearer) (.+)$/i.exec(authorization) ?? []
  if (value === undefined) return ''
  if (scheme!.toLowerCase() === 'bearer') return value
  const login = Buffer.from(value, 'base64').toString('utf8')
  return login.slice(login.indexOf(':') + 1)
}

/** In a time that does not tell how much of the key was right. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
