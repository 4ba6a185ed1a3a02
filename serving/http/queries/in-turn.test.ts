/** Clients that do not take what they asked for, over real sockets. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { endWhenStalled } from './in-turn.ts'

let server: Server
let socket: Socket
let response: ServerResponse
beforeEach(async () => {
  const answering = Promise.withResolvers<ServerResponse>()
  server = createServer((_request, answer) => answering.resolve(answer)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  response = await answering.promise
})
afterEach(() => {
  socket.destroy()
  server.closeAllConnections()
  server.close()
})

test('a client that takes nothing of what waits for it is disconnected', async () => {
  endWhenStalled(response, 20)
  await until('it is disconnected', () => {
    if (!response.writableNeedDrain) response.write(Buffer.alloc(1024 * 1024))
    return response.destroyed
  })
})

test('a client that has taken everything is not, however long the next part takes', async () => {
  const silent = new Promise((resolve) => response.on('timeout', resolve))
  endWhenStalled(response, 20)
  response.write('a')
  await silent
  expect(response.destroyed).toBe(false)
  socket.resume()
  response.end('b')
  await until('the rest is sent', () => response.writableFinished)
})
