/** Clients that do not take what they asked for, over real sockets. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { type WaitingClient, waitingClient } from '#tests/waiting-client.ts'
import { endWhenStalled } from './in-turn.ts'

let client: WaitingClient
let socket: Socket
let response: ServerResponse
beforeEach(async () => {
  client = await waitingClient()
  ;({ socket, response } = client)
})
afterEach(() => client.close())

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
