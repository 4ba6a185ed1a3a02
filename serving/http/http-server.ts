/**
 * The server under the application: bounds connections and the time that a request may take to arrive, and answers as problem
 * documents what never becomes a request.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Emit } from '#telemetry/emit.ts'
import { type Problem, type ProblemType, problemOf } from './problems.ts'

export interface ConnectionLimits {
  /** a request must arrive completely within this time, from its first byte to the last of its body */
  readonly requestMsMax: number
  /** of the request line and the headers together */
  readonly headerBytesMax: number
  /** open at the same time */
  readonly connectionsMax: number
}

/** how long an idle connection stays open: longer than the idle timeouts of common proxies */
const KEEP_ALIVE_MS = 72_000
/** connections are looked through this often for requests that take too long */
const LOOK_MS_MAX = 1_000
/** how long a client has to read why its connection is closed */
const LINGER_MS = 1_000
const REFUSALS_EVERY_MS = 10_000

/** Certificate and private key, PEM. */
export interface TlsFiles {
  readonly cert: Buffer
  readonly key: Buffer
}

/** @param emit receives connections-refused, once in a while */
export function httpServer(
  limits: ConnectionLimits,
  emit: Emit,
  listener: RequestListener,
  tls: TlsFiles | null = null,
): Server {
  const { requestMsMax, headerBytesMax, connectionsMax } = limits
  const options = {
    requestTimeout: requestMsMax,
    headersTimeout: requestMsMax,
    connectionsCheckingInterval: Math.min(requestMsMax, LOOK_MS_MAX),
    maxHeaderSize: headerBytesMax,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // The application refuses requests without a host, as a problem document.
    requireHostHeader: false,
  }
  const server =
    tls === null
      ? createServer(options, listener)
      : createTlsServer({ ...options, ...tls, handshakeTimeout: requestMsMax }, listener)
  server.maxConnections = connectionsMax
  let toldAtMs = Number.NEGATIVE_INFINITY
  server.on('drop', () => {
    if (performance.now() - toldAtMs < REFUSALS_EVERY_MS) return
    toldAtMs = performance.now()
    const message = `connections are refused: connectionsMax = ${connectionsMax} are open`
    emit({ name: 'connections-refused', level: 'warn', message })
  })
  server.on('checkExpectation', (request: IncomingMessage, response) => {
    const problem = problemOf('expectation-failed', `the expectation '${request.headers.expect}' is not supported`)
    const body = JSON.stringify(problem)
    response.writeHead(problem.status, lastHeaders(body)).end(body)
  })
  return server
}

/** Of a problem document that ends its connection: whether the rest of the request follows is not known. */
function lastHeaders(body: string): Readonly<Record<string, string | number>> {
  return {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  }
}

/** Answers what the parser could not read as a request, and closes the connection. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  // Further errors of a connection that is being closed are ignored.
  if (socket.destroyed || socket.writableEnded) return
  if (!socket.writable || error.code === 'ECONNRESET' || isAnswering(socket)) return void socket.destroy()
  socket.end(responseText(unreadableProblem(error.code)))
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

/** Whether part of a response was sent already, which another one would corrupt. Node has no public name for it. */
function isAnswering(socket: Socket & { readonly _httpMessage?: { readonly headersSent: boolean } | null }): boolean {
  return socket._httpMessage?.headersSent === true
}

function unreadableProblem(code = 'unknown'): Problem {
  const known = UNREADABLE[code]
  return known === undefined
    ? problemOf('bad-request', `the request is not valid HTTP/1.1 (${code})`)
    : problemOf(...known)
}

const UNREADABLE: Readonly<Record<string, readonly [type: ProblemType, detail: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    'request-timeout',
    'the request did not arrive completely within the limit requestMsMax; send smaller bodies, or raise the limit',
  ],
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'the request line and headers exceed the limit headerBytesMax'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['too-large', 'the chunk extensions of the body exceed 16 KiB; send it without them'],
}

function responseText(problem: Problem): string {
  const body = JSON.stringify(problem)
  const lines = Object.entries(lastHeaders(body)).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`
}
