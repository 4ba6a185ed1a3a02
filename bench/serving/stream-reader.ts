/** One reader of a stream of server-sent events on a bare socket: it looks for ids and counts bytes, and parses nothing else. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const EVENT_END = '\n\n\r\n'
const ID = '\nid: '

export interface Received {
  /** of the last complete event */
  readonly id: string
  readonly bytes: Buffer
}

export class StreamReader {
  readonly #socket: Socket
  readonly #take: (received: Received) => void
  #pending: Buffer | null = null

  /** @param take told of each complete event with an id */
  static async open(url: string, path: string, take: (received: Received) => void): Promise<StreamReader> {
    const { hostname, port, host } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\n\r\n`)
    const reader = new StreamReader(socket, take)
    const [head] = (await once(socket, 'data')) as [Buffer]
    if (!head.toString('latin1', 0, 15).includes(' 200 ')) throw new Error(`${path} was answered with ${head}`)
    socket.on('data', (chunk) => reader.#read(chunk))
    reader.#read(head)
    return reader
  }

  private constructor(socket: Socket, take: (received: Received) => void) {
    this.#socket = socket
    this.#take = take
    socket.on('error', () => {})
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk])
    const isWhole = bytes.toString('latin1', bytes.length - EVENT_END.length) === EVENT_END
    this.#pending = isWhole ? null : bytes
    if (!isWhole) return
    for (let at = bytes.indexOf(ID); at !== -1; ) {
      const next = bytes.indexOf(ID, at + 1)
      const id = bytes.toString('latin1', at + ID.length, bytes.indexOf('\n', at + 1))
      this.#take({ id, bytes: bytes.subarray(at + 1, next === -1 ? bytes.length : next) })
      at = next
    }
  }
}
