/**
 * Elasticsearch servers that test files use one after the other: a start costs 14 s of processor time, emptying one a fraction of a
 * second. A file has its server for itself, and may kill and freeze it. The servers belong to vitest's main process, which ends them.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ElasticsearchServer, POOL_VARIABLE, startOwnElasticsearch } from './elasticsearch-server.ts'
import { emptyElasticsearch } from './empty-elasticsearch.ts'

/** What a test asks of its server; beside them are `/take` and `/<id>/give-back`. */
const ACTIONS = ['kill9', 'restart'] as const

/** vitest's global setup: opens the pool, and returns what closes it. Servers are started when the first test asks for one. */
export default async function openPool(): Promise<() => Promise<void>> {
  // Each of vitest's projects opens it.
  if (process.env[POOL_VARIABLE] !== undefined) return async () => {}
  const pool = new ElasticsearchPool()
  const door = createServer((request, response) => void reply(pool, request, response))
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  process.env[POOL_VARIABLE] = `http://127.0.0.1:${(door.address() as AddressInfo).port}`
  return async () => {
    door.close()
    door.closeAllConnections()
    await pool.close()
  }
}

async function reply(pool: ElasticsearchPool, { url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const [first = '', action = ''] = url.slice(1).split('/')
  try {
    const found = await (first === 'take' ? pool.take() : pool.act(first, action))
    response.end(JSON.stringify(found))
  } catch (error) {
    response.writeHead(500).end((error as Error).message)
  }
}

export interface Taken {
  readonly id: string
  readonly node: string
  readonly pid: number
}

class ElasticsearchPool {
  readonly #idle: ElasticsearchServer[] = []
  readonly #taken = new Map<string, ElasticsearchServer>()
  #lastId = 0

  async take(): Promise<Taken> {
    const server = this.#idle.pop() ?? (await startOwnElasticsearch())
    const id = String(++this.#lastId)
    this.#taken.set(id, server)
    return { id, node: server.node, pid: server.pid }
  }

  async act(id: string, action: string): Promise<{ readonly pid: number }> {
    const server = this.#taken.get(id)
    if (server === undefined) throw new Error(`no test has the server ${id}`)
    const named = ACTIONS.find((name) => name === action)
    if (named !== undefined) await server[named]()
    else if (action === 'give-back') await this.#giveBack(id, server)
    else throw new Error(`a server cannot '${action}'`)
    return { pid: server.pid }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#idle, ...this.#taken.values()].map((server) => server.stop()))
  }

  /** One that cannot be emptied, for example because it was killed, is of no more use. */
  async #giveBack(id: string, server: ElasticsearchServer): Promise<void> {
    this.#taken.delete(id)
    server.resume()
    const isEmpty = await emptyElasticsearch(server.node).then(
      () => true,
      () => false,
    )
    if (isEmpty) this.#idle.push(server)
    else await server.stop()
  }
}
