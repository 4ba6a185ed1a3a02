/**
 * One keep-alive connection that sends a request and reads its answer, with as little work as possible: a client that is
 * slower than the server would measure itself. Answers must have a content-length.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly head: string
  readonly body: Buffer
}

interface Waiting {
  readonly resolve: (answer: HttpAnswer) => void
  readonly reject: (error: Error) => void
}

const HEAD_END = '\r\n\r\n'

export class HttpConnection {
  readonly #socket: Socket
  readonly #host: string
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting | null = null

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port, host } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    return new HttpConnection(socket, host)
  }

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  get closed(): boolean {
    return this.#socket.destroyed
  }

  get(path: string): Promise<HttpAnswer> {
    return this.#send(`GET ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n\r\n`)
  }

  /** Sends events. */
  post(path: string, events: string | Buffer, contentType = 'application/x-ndjson'): Promise<HttpAnswer> {
    const type = `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(events)}`
    return this.#send(`POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${type}${HEAD_END}`, events)
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(head: string, body: string | Buffer = ''): Promise<HttpAnswer> {
    if (this.#waiting !== null) throw new Error('a connection carries one request at a time')
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.cork()
      this.#socket.write(head)
      if (body.length > 0) this.#socket.write(body)
      this.#socket.uncork()
    })
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const headEnd = this.#received.indexOf(HEAD_END)
    if (headEnd < 0) return
    const head = this.#received.toString('latin1', 0, headEnd)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      this.#fail(new Error(`an answer without content-length: ${head}`))
      return
    }
    const bodyStart = headEnd + HEAD_END.length
    const end = bodyStart + Number(length)
    if (this.#received.length < end) return
    const body = this.#received.subarray(bodyStart, end)
    this.#received = this.#received.subarray(end)
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.resolve({ status: Number(head.slice(9, 12)), head, body })
  }

  #fail(error: Error): void {
    this.#socket.destroy()
    this.#waiting?.reject(error)
    this.#waiting = null
  }
}

/** Connections that are free, and a new one whenever none is. */
export class ConnectionPool {
  readonly #url: string
  readonly #free: HttpConnection[] = []

  constructor(url: string) {
    this.#url = url
  }

  async use<T>(work: (connection: HttpConnection) => Promise<T>): Promise<T> {
    const connection = this.#open() ?? (await HttpConnection.open(this.#url))
    try {
      const done = await work(connection)
      this.#free.push(connection)
      return done
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** A free one that the server has not closed meanwhile. */
  #open(): HttpConnection | undefined {
    let connection = this.#free.pop()
    while (connection?.closed) connection = this.#free.pop()
    return connection
  }

  close(): void {
    for (const connection of this.#free) connection.close()
  }
}
