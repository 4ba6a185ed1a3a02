/**
 * What one bad client can send, each within or beyond a limit that has a name. An attack counts the statuses of its answers; 0: the
 * connection was closed without one, or the client left.
 */
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { DATASET, EVENT_MS } from './definition.ts'

export type Statuses = Map<number, number>

interface Asked {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** the client leaves then */
  readonly leavesAfterMs?: number
}

const EVENTS = `/v1/datasets/${DATASET}/events`
const VIEWS = `/v1/datasets/${DATASET}/views`
const MIB = 1024 * 1024
/** an attacker does not take part in keeping connections */
const agent = new Agent({ keepAlive: false })

export class Attacker {
  readonly #port: number
  readonly #stopped: AbortSignal
  readonly #sockets = new Set<Socket>()
  /** attacks that got an answer */
  readonly answered = new Set<Statuses>()

  constructor(address: string, stopped: AbortSignal) {
    this.#port = Number(new URL(address).port)
    this.#stopped = stopped
  }

  /** Closes what is left open. */
  leave(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** All of them at once, each again and again until the signal is aborted. @returns statuses by attack */
  async all(): Promise<ReadonlyMap<string, Statuses>> {
    const attacks = {
      brackets: () => this.#again(4, () => this.#post(BRACKETS, 'application/json', 'gzip')),
      'wide dimensions': () => this.#again(2, () => this.#post(WIDE, NDJSON)),
      'wide values': () => this.#again(1, () => this.#post(LARGE_VALUES, NDJSON)),
      'kept values': () => this.#again(1, () => this.#post(keptValues(), NDJSON)),
      'gzip bombs': () => this.#again(2, () => this.#post(BOMB, NDJSON, 'gzip')),
      'quotes without end': () => this.#again(1, () => this.#post(QUOTES, 'text/csv')),
      'large answers': () => this.#again(4, () => this.#get('by_place?limit=10000')),
      exports: () => this.#again(2, () => this.#get('by_place.csv?limit=all')),
      'clients that leave': () => this.#again(20, () => this.#get('by_place?limit=10000&order=-n', 30)),
      'clients that leave exports': () => this.#again(4, () => this.#get('by_place.parquet?limit=all', 30)),
      'slow bodies': () => this.#slowBodies(100),
      'idle connections': () => this.#idleConnections(700),
    }
    const found = await Promise.all(
      Object.entries(attacks).map(async ([name, attack]) => [name, await attack()] as const),
    )
    return new Map(found)
  }

  async #again(atOnce: number, ask: () => Promise<number>): Promise<Statuses> {
    const statuses: Statuses = new Map()
    const one = async (): Promise<void> => {
      while (!this.#stopped.aborted) {
        const status = await ask()
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        if (status !== 0) this.answered.add(statuses)
        // Refused connections must not become a busy loop of this process, which would keep its other attacks from being made.
        if (status === 0 || status === 429) await sleep(200)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, one))
    return statuses
  }

  #post(body: Buffer, type: string, encoding?: string): Promise<number> {
    const headers = { 'content-type': type, ...(encoding === undefined ? {} : { 'content-encoding': encoding }) }
    return this.#ask({ method: 'POST', path: EVENTS, headers, body })
  }

  #get(view: string, leavesAfterMs?: number): Promise<number> {
    return this.#ask({ method: 'GET', path: `${VIEWS}/${view}`, leavesAfterMs })
  }

  #ask({ method, path, headers = {}, body, leavesAfterMs }: Asked): Promise<number> {
    return new Promise((resolve) => {
      const signal =
        leavesAfterMs === undefined
          ? this.#stopped
          : AbortSignal.any([this.#stopped, AbortSignal.timeout(leavesAfterMs)])
      const where = { port: this.#port, host: '127.0.0.1', agent, signal }
      const length = body === undefined ? {} : { 'content-length': String(body.length) }
      const sent = request({ ...where, method, path, headers: { ...headers, ...length } }, (reply) => {
        reply.on('error', () => resolve(0))
        reply.on('end', () => resolve(reply.statusCode!))
        reply.on('close', () => resolve(reply.complete ? reply.statusCode! : 0))
        reply.resume()
      })
      sent.on('error', () => resolve(0))
      sent.end(body)
    })
  }

  /** Bodies that are announced and hardly come. */
  async #slowBodies(atOnce: number): Promise<Statuses> {
    const head = `POST ${EVENTS} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${NDJSON}\r\ncontent-length: ${8 * MIB}\r\n\r\n`
    const sockets = Array.from({ length: atOnce }, () => this.#open(head))
    while (!this.#stopped.aborted) {
      for (const socket of sockets) if (socket.writable) socket.write(' '.repeat(1_024))
      await sleep(200)
    }
    return new Map()
  }

  /** Most of connectionsMax, which say nothing; those that are closed come again. */
  async #idleConnections(atOnce: number): Promise<Statuses> {
    const sockets: Socket[] = []
    while (!this.#stopped.aborted) {
      for (const [index, socket] of sockets.entries()) if (socket.closed) sockets.splice(index, 1)
      while (sockets.length < atOnce) sockets.push(this.#open(''))
      await sleep(1_000)
    }
    return new Map()
  }

  #open(said: string): Socket {
    const socket = connect(this.#port, '127.0.0.1')
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.resume()
    if (said !== '') socket.write(said)
    return socket
  }
}

const NDJSON = 'application/x-ndjson'

/** 16 KB that become 16 MiB of brackets */
const BRACKETS = gzipSync(brackets(8 * MIB - 50))
/** 2 MB that would become 2 GiB */
const BOMB = gzipSync(Buffer.alloc(256 * MIB, ' '))
/** never a record */
const QUOTES = Buffer.alloc(8 * MIB, 'a,"b\n')
/** a dimension of 900 KB in each event */
const WIDE = lines(15, (id) => ({ place: `${id}${'x'.repeat(900_000)}` }))
/** a value that no view keeps, of 900 KB */
const LARGE_VALUES = lines(15, (id) => ({ place: `${id}`, body: 'x'.repeat(900_000) }))

let kept = 0
/** as large as a dimension may be, and each another one */
function keptValues(): Buffer {
  const from = kept
  kept += 500
  return lines(500, (id) => ({ place: `${from + id}`.padEnd(8_000, 'y') }))
}

function brackets(levels: number): Buffer {
  return Buffer.alloc(2 * levels, '[').fill(']', levels)
}

function lines(count: number, more: (id: number) => object): Buffer {
  const event = (_: unknown, id: number): string => JSON.stringify({ id, at: EVENT_MS, who: 'hostile', ...more(id) })
  return Buffer.from(Array.from({ length: count }, event).join('\n'))
}
