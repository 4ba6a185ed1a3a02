/** The HTTP application: event ingestion, queries, and routes for operators. All dependencies are passed in. */
import { timingSafeEqual } from 'node:crypto'
import { tmpdir } from 'node:os'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { WAIT_MS_MAX } from '#serving/answers/at-least.ts'
import { ANSWER_BYTES_MAX } from '#serving/answers/bounded-rows.ts'
import { describeApi } from '#serving/http/contract/openapi.ts'
import { EventBodies } from '#serving/http/intake/event-bodies.ts'
import { eventRoute } from '#serving/http/intake/event-route.ts'
import type { IntakePort } from '#serving/http/intake/intake-port.ts'
import { webhookPath, webhookRoute } from '#serving/http/intake/webhook-route.ts'
import { datasetHealthRoute } from '#serving/http/operations/dataset-health-route.ts'
import { deadLetterRoutes } from '#serving/http/operations/dead-letter-routes.ts'
import { operationRoutes } from '#serving/http/operations/operation-routes.ts'
import type { OperationsPort } from '#serving/http/operations/operations-port.ts'
import { bearerOf } from '#serving/http/operations/operator-key.ts'
import { replayRoute } from '#serving/http/operations/replay-route.ts'
import { type ServedSink, sinkRoutes } from '#serving/http/operations/sink-routes.ts'
import { type ServedSource, sourceRoutes } from '#serving/http/operations/source-routes.ts'
import { datasetRoutes } from '#serving/http/queries/dataset-routes.ts'
import { eventsReadRoute } from '#serving/http/queries/events-read-route.ts'
import { type ExportLimits, exportGates } from '#serving/http/queries/export-gate.ts'
import { liveManyRoute } from '#serving/http/queries/live-many-route.ts'
import { isFollowed, liveRoute } from '#serving/http/queries/live-route.ts'
import { QueryGate } from '#serving/http/queries/query-gate.ts'
import { RepeatedRequests } from '#serving/http/queries/repeated-requests.ts'
import { carrySession, learnSession } from '#serving/http/sessions/carry-session.ts'
import { SESSION_PATH, sessionRoutes } from '#serving/http/sessions/session-routes.ts'
import { DOCS_PATH, docsPage } from '#serving/http/site/docs-page.ts'
import { firstViews } from '#serving/http/site/first-views.ts'
import { healthRoutes, type ServedPart } from '#serving/http/site/health-routes.ts'
import { isPagePath, type PageFiles, pageRoutes, wantsPage } from '#serving/http/site/page-routes.ts'
import { savedViewRoutes } from '#serving/http/site/saved-view-routes.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { LiveSubscriptions } from '#serving/subscriptions/live-subscriptions.ts'
import { DEFAULT_SUBSCRIPTION_LIMITS, type SubscriptionLimits } from '#serving/subscriptions/subscription-limits.ts'
import type { SavedViewLedger } from '#storage/saved-views/saved-view-ledger.ts'
import type { SessionLedger } from '#storage/sessions/session-ledger.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Metrics } from '#telemetry/metrics.ts'
import { watchMethods } from './allowed-methods.ts'
import { httpServer, refuseUnreadable, type TlsFiles } from './http-server.ts'
import { problemOfInvalid } from './invalid-request.ts'
import { whyForeign } from './local-request.ts'
import { ProblemError, problemOf, problemOfError } from './problems.ts'

export interface ServeLimits extends ExportLimits {
  readonly requestBytesMax: number
  /** of a webhook, whose sender is not known until all of it was received */
  readonly webhookBytesMax: number
  readonly requestMsMax: number
  readonly headerBytesMax: number
  readonly connectionsMax: number
  readonly queryMsMax: number
  /** for the position that a query asks for */
  readonly waitMsMax: number
  readonly answerBytesMax: number
  readonly queriesMax: number
  readonly queriesPerClientMax: number
  readonly queriesWaitingMax: number
}

export const DEFAULT_SERVE_LIMITS: ServeLimits = {
  requestBytesMax: 16 * 1024 * 1024,
  webhookBytesMax: 1024 * 1024,
  requestMsMax: 60_000,
  headerBytesMax: 16 * 1024,
  connectionsMax: 1_000,
  queryMsMax: 10_000,
  waitMsMax: WAIT_MS_MAX,
  answerBytesMax: ANSWER_BYTES_MAX,
  queriesMax: 4,
  queriesPerClientMax: 3,
  queriesWaitingMax: 64,
  exportsMax: 2,
  exportMsMax: 600_000,
  exportBytesMax: 4 * 1024 ** 3,
  exportMemoryMb: 128,
  exportThreads: 1,
  exportStalledMsMax: 60_000,
  exportSendMsMax: 3_600_000,
}

export interface ServeAppParts {
  /** datasets to query; null: this process serves no queries */
  readonly datasets: ReadonlyMap<string, AnsweredDataset> | null
  /** event intakes; null: this process accepts no events */
  readonly intakes: ReadonlyMap<string, IntakePort> | null
  /** for temporary files of answers, which the engines of the datasets write; default: the system's */
  readonly scratchFolder?: string
  readonly metrics: Metrics
  readonly emit: Emit
  readonly limits?: Partial<ServeLimits & SubscriptionLimits>
  /** null or absent: the server does not speak TLS */
  readonly tls?: TlsFiles | null
  /** if given, every request except health checks must carry one as `Authorization: Bearer <key>`; otherwise it must come from this machine */
  readonly keys?: readonly string[]
  /** what operations must carry in place of an API key; it can do all that an API key can */
  readonly adminKey?: string
  /** where people who sign in with a key are remembered; null or absent: nobody can */
  readonly sessions?: SessionLedger | null
  /** by dataset: views of the page that people save; null or absent: none can be saved */
  readonly savedViews?: ReadonlyMap<string, SavedViewLedger> | null
  /** how jobs, generations and sources are operated; null or absent: not from this process */
  readonly operations?: OperationsPort | null
  /** by dataset: what signs its webhooks, which need no key */
  readonly webhookSecrets?: ReadonlyMap<string, readonly string[]>
  /** path prefixes that check a key of their own */
  readonly ownKeyPaths?: readonly string[]
  /** the sources of all datasets; default: there are none */
  readonly sources?: () => Promise<readonly ServedSource[]>
  /** dataset → how many events a second its demo sends; default: there are none. Read when health is asked for. */
  readonly demos?: ReadonlyMap<string, number>
  /** the live page; null or absent: there is none */
  readonly page?: PageFiles | null
  /** the sinks of all datasets; default: there are none */
  readonly sinks?: () => Promise<readonly ServedSink[]>
  /** state of the components of this process, for /readyz */
  readonly parts: () => Promise<readonly ServedPart[]>
}

/** Length limit of a dataset or view name in a path. */
const NAME_CHARS_MAX = 128
const OPEN_ROUTES = new Set(['/livez', '/readyz'])

/** Builds the application; the caller listens and closes. */
export function buildServeApp(parts: ServeAppParts): FastifyInstance {
  const limits = { ...DEFAULT_SERVE_LIMITS, ...DEFAULT_SUBSCRIPTION_LIMITS, ...parts.limits }
  const subscriptions = new LiveSubscriptions(limits, (readers) => parts.metrics.liveReaders(readers))
  const repeated = new RepeatedRequests(parts.metrics)
  const secrets = parts.webhookSecrets ?? new Map<string, readonly string[]>()
  const { keys = [], adminKey, sessions = null } = parts
  const allKeys = adminKey === undefined ? keys : [...keys, adminKey]
  const ownKeyPaths = [...(parts.ownKeyPaths ?? []), ...[...secrets.keys()].map(webhookPath)]
  /** A page cannot send a key before somebody has entered it there. */
  const isOpen = (request: FastifyRequest, path: string): boolean =>
    isUnder(path, [DOCS_PATH, ...(sessions === null ? [] : [SESSION_PATH])]) ||
    (parts.page != null && (isPagePath(path) || (path === '/' && wantsPage(request))))
  const app = Fastify({
    serverFactory: (application) =>
      httpServer(
        limits,
        parts.emit,
        (request, response) => {
          if (sessions !== null) carrySession(request, sessions, allKeys)
          if (!repeated.answer(request, response)) application(request, response)
        },
        parts.tls,
      ),
    clientErrorHandler: refuseUnreadable,
    bodyLimit: limits.requestBytesMax,
    routerOptions: { maxParamLength: NAME_CHARS_MAX },
    frameworkErrors: (error, request, reply) => {
      const long = error.code === 'FST_ERR_MAX_PARAM_LENGTH'
      const why = long
        ? `a name in the path is longer than ${NAME_CHARS_MAX} characters`
        : 'the path is not a valid URL'
      const problem = problemOf('bad-request', `${request.method}: ${why}; GET / lists all datasets and routes`)
      secured(reply).code(problem.status).type('application/problem+json').send(problem)
    },
    forceCloseConnections: true,
  })
  app.addHook('onRequest', async (request) => {
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      throw new ProblemError('bad-request', 'the request has no Host header, which HTTP/1.1 requires')
    if (sessions !== null) await learnSession(request.raw, sessions, allKeys)
    const path = request.url.split('?')[0]!
    if (OPEN_ROUTES.has(path) || isUnder(path, ownKeyPaths)) return
    if (keys.length > 0) return isOpen(request, path) ? undefined : checkKey(request, allKeys)
    const why = whyForeign(request)
    if (why !== null) throw new ProblemError('forbidden', why)
  })
  app.addHook('onSend', async (_request, reply) => {
    secured(reply)
  })
  // Before connections are closed, so that what was sent arrives.
  app.addHook('preClose', () => subscriptions.stop())
  app.addHook('onResponse', async (request, reply) => {
    if (isFollowed(reply)) return
    parts.metrics.httpAnswered(request.method, request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime)
  })
  const methodsOf = watchMethods(app)
  const answerUnrouted = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = request.url.split('?')[0]!
    const methods = methodsOf(path)
    const problem =
      methods.length === 0
        ? problemOf('not-found', `no route for ${request.method} ${path}; GET / lists all routes`)
        : problemOf('wrong-method', `${path} supports ${methods.join(', ')}, not ${request.method}`, {
            allowed: methods,
          })
    if (methods.length > 0) reply.header('allow', methods.join(', '))
    return reply.code(problem.status).type('application/problem+json').send(problem)
  }
  app.setErrorHandler((error, request, reply) => {
    // What is wrong with the body of a request for no route does not matter.
    if (request.is404) return answerUnrouted(request, reply)
    const problem = problemOfInvalid(error, request) ?? problemOfError(error)
    if (problem.status >= 500) {
      parts.emit({
        name: 'request-failed',
        // A position that is not reached may be one that no event will ever have.
        level: problem.status === 504 ? 'info' : 'error',
        message: `${request.method} ${request.routeOptions.url}: ${(error as Error).message}`,
      })
    }
    if (problem.status === 429 && !reply.hasHeader('retry-after')) reply.header('retry-after', '1')
    if (problem.status === 401) reply.header('www-authenticate', challengeOf(request))
    return reply.code(problem.status).type('application/problem+json').send(problem)
  })
  app.setNotFoundHandler(answerUnrouted)
  const gate = new QueryGate(limits)
  const exports = { gates: exportGates(limits), limits }
  const following = { subscriptions, limits }
  describeApi(app, keys.length > 0)
  docsPage(app)
  app.register(async (routes) => {
    healthRoutes(routes, parts)
    const { datasets, intakes, metrics, emit, operations = null } = parts
    const { scratchFolder = tmpdir(), sources = async () => [] } = parts
    if (datasets !== null || intakes !== null) sourceRoutes(routes, sources)
    if (datasets !== null) sinkRoutes(routes, parts.sinks ?? (async () => []))
    if (intakes !== null) {
      const bodies = new EventBodies(routes)
      eventRoute(routes, intakes, bodies)
      webhookRoute(routes, bodies, { intakes, secrets, bytesMax: limits.webhookBytesMax })
    }
    if (operations !== null) operationRoutes(routes, { operations, sources, keys, adminKey })
    if (datasets !== null && intakes !== null && operations !== null)
      replayRoute(routes, { datasets, intakes, operations, limits, keys, adminKey })
    if (datasets !== null) deadLetterRoutes(routes, { datasets, gate, limits, replays: operations?.replays })
    if (datasets !== null) datasetHealthRoute(routes, { datasets, sources, demos: parts.demos ?? new Map() })
    if (datasets !== null)
      datasetRoutes(routes, { datasets, gate, limits, exports, scratchFolder, metrics, emit, repeated, following })
    if (sessions !== null) sessionRoutes(routes, { sessions, keys, adminKey, emit: parts.emit })
    if (parts.savedViews) savedViewRoutes(routes, parts.savedViews)
    if (parts.page)
      pageRoutes(routes, parts.page, (name, request) => {
        const dataset = parts.datasets?.get(name)
        // Anybody may have the shell; work is done for those only who may have answers.
        if (dataset?.live !== undefined && (keys.length === 0 || hasKey(request, allKeys)))
          void dataset.live.expect(firstViews(dataset.dataset))
      })
    if (datasets !== null) liveRoute(routes, { datasets, ...following })
    if (datasets !== null) liveManyRoute(routes, { datasets, ...following })
    if (datasets !== null) eventsReadRoute(routes, { datasets, gate, limits })
  })
  return app
}

function secured(reply: FastifyReply): FastifyReply {
  reply.header('x-content-type-options', 'nosniff')
  return reply.hasHeader('cache-control') ? reply : reply.header('cache-control', 'no-store')
}

function isUnder(path: string, parents: readonly string[]): boolean {
  return parents.some((parent) => path === parent || path.startsWith(`${parent}/`))
}

/** RFC 6750, 3: says how to authenticate, and whether a given key was refused. */
function challengeOf({ headers }: FastifyRequest): string {
  const refused = headers.authorization === undefined ? '' : ', error="invalid_token"'
  return `Bearer realm="watershed"${refused}`
}

function checkKey(request: FastifyRequest, keys: readonly string[]): void {
  if (!hasKey(request, keys)) throw new ProblemError('unauthorized', 'send the header Authorization: Bearer <API key>')
}

/** Compares with every key, each in constant time. */
function hasKey(request: FastifyRequest, keys: readonly string[]): boolean {
  const given = Buffer.from(bearerOf(request))
  let known = false
  for (const key of keys) {
    const wanted = Buffer.from(key)
    if (wanted.length === given.length && timingSafeEqual(wanted, given)) known = true
  }
  return known
}
