import pLimit, { type LimitFunction } from 'p-limit'
import type { EngineConnection } from './engine-connection.ts'

/** What runs single statements, one that is not followed by others on the same connection. */
export type Statements = Pick<EngineConnection, 'run' | 'rows'>

/** Several statements at a time, each on a connection that is idle: none may need what another one left in temporary tables or settings. */
export class IdleConnections implements Statements {
  readonly #idle: EngineConnection[]
  readonly #turns: LimitFunction

  /** @param connections at least one; whoever opened them closes them */
  constructor(connections: readonly EngineConnection[]) {
    this.#idle = [...connections]
    this.#turns = pLimit(connections.length)
  }

  run(...statement: Parameters<EngineConnection['run']>): Promise<number> {
    return this.#onIdle((connection) => connection.run(...statement))
  }

  rows<T = Record<string, unknown>>(...statement: Parameters<EngineConnection['rows']>): Promise<T[]> {
    return this.#onIdle((connection) => connection.rows<T>(...statement))
  }

  #onIdle<T>(statement: (connection: EngineConnection) => Promise<T>): Promise<T> {
    return this.#turns(async () => {
      const connection = this.#idle.pop()!
      try {
        return await statement(connection)
      } finally {
        this.#idle.push(connection)
      }
    })
  }
}
