/** For tests: a client over a real socket that takes nothing of its response until it is told to. */
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface WaitingClient {
  /** paused; `resume` lets it take what waits */
  readonly socket: Socket
  /** what the server has for it */
  readonly response: ServerResponse
  close(): void
}

export async function waitingClient(): Promise<WaitingClient> {
  const answering = Promise.withResolvers<ServerResponse>()
  const server = createServer((_request, answer) => answering.resolve(answer)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const response = await answering.promise
  return {
    socket,
    response,
    close: () => {
      socket.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}
