import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { receivedBody } from './received-body.ts'

let server: Server
let received: PromiseWithResolvers<Buffer>
beforeEach(async () => {
  received = Promise.withResolvers()
  server = createServer((message, response) => {
    receivedBody(message, message.headers['content-length'], 200_000)
      .then(received.resolve, received.reject)
      .finally(() => response.end('seen'))
  })
  received.promise.catch(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

function post(headers: Record<string, number> = {}) {
  const { port } = server.address() as AddressInfo
  const sent = request({ port, host: '127.0.0.1', method: 'POST', headers })
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  answered.catch(() => {})
  return { sent, answered }
}

test.each([0, 10, 199_999])('a body of %i bytes is read completely, with and without its length', async (bytes) => {
  const body = Buffer.from(Array.from({ length: bytes }, (_, at) => at % 251))
  const withAndWithout: Record<string, number>[] = [{}, { 'content-length': bytes }]
  for (const headers of withAndWithout) {
    received = Promise.withResolvers()
    const { sent, answered } = post(headers)
    sent.write(body.subarray(0, bytes / 2))
    sent.end(body.subarray(bytes / 2))
    const [answer] = await answered
    answer.resume()
    const read = await received.promise
    expect(read.equals(body)).toBe(true)
    expect(read.buffer.byteLength).toBe(bytes)
  }
})

test('more than the limit is refused by its length, and without one as soon as it is exceeded', async () => {
  const withAndWithout: Record<string, number>[] = [{ 'content-length': 200_001 }, {}]
  for (const headers of withAndWithout) {
    received = Promise.withResolvers()
    const { sent, answered } = post(headers)
    sent.write(Buffer.alloc(200_001))
    await expect(received.promise).rejects.toMatchObject({ code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 })
    expect((await answered)[0].statusCode).toBe(200)
    sent.destroy()
  }
})

test('a connection that breaks is the fault of the request', async () => {
  const { sent } = post({ 'content-length': 10 })
  sent.on('error', () => {})
  sent.write('half')
  await once(server, 'request')
  sent.destroy()
  await expect(received.promise).rejects.toThrow(/not received completely: aborted/)
})

test('chunks of other streams stay as they are, and must have the announced length', async () => {
  const chunk = Buffer.allocUnsafeSlow(5).fill('a')
  const read = await receivedBody(Readable.from([chunk, chunk]), '10', 100)
  expect([String(read), String(chunk)]).toEqual(['aaaaaaaaaa', 'aaaaa'])
  await expect(receivedBody(Readable.from([chunk]), '10', 100)).rejects.toMatchObject({ statusCode: 400 })
})
