/** Runs the queries of clients in turn, within the time limit of queries, for as long as the client is there. */
import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { limited } from '#serving/answers/time-limit.ts'
import type { QueryGate } from './query-gate.ts'

export interface TurnParts {
  readonly gate: QueryGate
  readonly limits: { readonly queryMsMax: number }
}

/** Waits for the client's turn, then works; both within `queryMsMax`. @throws TooManyQueriesError, QueryTimeoutError, ClientGoneError */
export function inTurn<T>(
  { gate, limits }: TurnParts,
  request: FastifyRequest,
  gone: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return limited(limits.queryMsMax, gone, (signal) => gate.run(clientOf(request), signal, () => work(signal)))
}

/** Whose request it is: its key, or where there are none its address. */
export function clientOf({ headers, ip }: FastifyRequest): string {
  return headers.authorization ?? ip
}

/** Calls back once when the response is over, which it can be already: a client may leave while its request is looked at. */
export function whenOver({ raw }: FastifyReply, over: () => void): void {
  if (raw.destroyed) over()
  else raw.once('close', over)
}

/** A client that takes nothing of a stream for this long is disconnected. */
const STALLED_MS_MAX = 60_000

/** Disconnects a client that takes nothing of what waits for it, so that it does not keep its turn. What is slow to come is no fault of its. */
export function endWhenStalled(raw: ServerResponse, stalledMsMax = STALLED_MS_MAX): void {
  raw.setTimeout(stalledMsMax, () => {
    if (raw.writableNeedDrain) raw.destroy()
  })
}

/** Aborted when the client closes the connection before the answer was sent. */
export function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort()
  })
  if (raw.destroyed) gone.abort()
  return gone.signal
}
