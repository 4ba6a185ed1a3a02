/** What waits for one reader, over real sockets. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { LiveReader } from './live-reader.ts'

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

const EVENT = Buffer.alloc(256 * 1024, '.')

function fill(reader: LiveReader): void {
  for (let events = 0; !reader.isFull && events < 1_000; events++) reader.send(EVENT)
}

test('is full while more than the limit waits, and says when it takes more', async () => {
  let drains = 0
  const reader = new LiveReader(response, { readerBytesMax: 1024 * 1024, readerStalledMsMax: 60_000 }, () => drains++)
  await until('the system takes no more', () => {
    fill(reader)
    return response.writableLength > reader.bytesMax
  })
  expect([reader.isFull, drains]).toEqual([true, 0])
  reader.beat()
  expect(response.destroyed).toBe(false)
  socket.resume()
  await until('it takes more', () => drains > 0)
  expect(reader.isFull).toBe(false)
})

test('a reader that takes nothing for too long is disconnected', async () => {
  const reader = new LiveReader(response, { readerBytesMax: 1, readerStalledMsMax: 20 }, () => {})
  await until('it is disconnected', () => {
    fill(reader)
    reader.beat()
    return response.destroyed
  })
  expect(reader.isFull).toBe(true)
})

test('a reader that has taken everything gets a comment', async () => {
  const reader = new LiveReader(response, { readerBytesMax: 1, readerStalledMsMax: 0 }, () => {})
  const texts: string[] = []
  socket.on('data', (part) => texts.push(String(part)))
  reader.beat()
  socket.resume()
  await until('the comment', () => texts.join('').includes(':\n\n'))
  reader.end()
  await until('the end', () => texts.join('').endsWith('0\r\n\r\n'))
  expect(response.writableEnded).toBe(true)
})
