/**
 * Sends recorded live streams again: once all readers are there, each gets the bytes of its path at the recorded moments, as stdin says
 * (Playing, JSON): by a bare node:http server that only writes, or by the classes that write for the platform.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { AnswerState } from '#serving/subscriptions/answer-events.ts'
import { EventHistory } from '#serving/subscriptions/event-history.ts'
import { LiveReader } from '#serving/subscriptions/live-reader.ts'
import { LiveSeats } from '#serving/subscriptions/live-seats.ts'
import { DEFAULT_SUBSCRIPTION_LIMITS } from '#serving/subscriptions/subscription-limits.ts'
import type { Recorded } from './following.ts'

export interface Playing {
  readonly by: 'bare' | 'platform'
  readonly readers: number
  /** by path */
  readonly streams: Readonly<Record<string, Recorded>>
  /** after the last reader came */
  readonly afterMs: number
}

/** The readers of one path. */
interface Followers {
  add(response: ServerResponse): void
  send(id: string, bytes: Buffer): void
}

const { by, readers, streams, afterMs } = (await json(process.stdin)) as Playing
const BEGIN = { id: 'begin', bytes: Buffer.from('id: 0:0/begin\n\n') }
/** of an answer, only its position is read: no reader has one from before */
const NEWEST = {
  state: { kept: { meta: { position: [] } } } as unknown as AnswerState,
  history: new EventHistory(BEGIN.id, DEFAULT_SUBSCRIPTION_LIMITS),
  answer: BEGIN,
}

function bareFollowers(): Followers {
  const responses: ServerResponse[] = []
  return {
    add: (response) => {
      response.write(BEGIN.bytes)
      responses.push(response)
    },
    send: (_id, bytes) => {
      for (const response of responses) response.write(bytes)
    },
  }
}

function seatedFollowers(): Followers {
  const seats = new LiveSeats()
  return {
    add: (response) => {
      const reader = new LiveReader(response, DEFAULT_SUBSCRIPTION_LIMITS, () => {})
      seats.add(reader, { lastId: null, atLeast: null })
      seats.bringUpToDate(NEWEST, () => 'wait')
    },
    send: (id, bytes) => seats.publish({ id, bytes }),
  }
}

const followers = new Map(
  Object.keys(streams).map((path) => [path, by === 'bare' ? bareFollowers() : seatedFollowers()]),
)
let opened = 0
const server = createServer(({ url }, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('retry: 1000\n\n')
  followers.get(url!)!.add(response)
  if (++opened === readers) for (const [path, events] of Object.entries(streams)) play(followers.get(path)!, events)
})

function play(to: Followers, events: Recorded): void {
  for (const [n, { atMs, base64 }] of events.entries()) {
    const bytes = Buffer.from(base64, 'base64')
    setTimeout(() => to.send(String(n), bytes), afterMs + atMs)
  }
}

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
