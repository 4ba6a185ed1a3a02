/** What waits for one reader, over real sockets. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { type WaitingClient, waitingClient } from '#tests/waiting-client.ts'
import { LiveReader } from './live-reader.ts'

let client: WaitingClient
let socket: Socket
let response: ServerResponse
beforeEach(async () => {
  client = await waitingClient()
  ;({ socket, response } = client)
})
afterEach(() => client.close())

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
