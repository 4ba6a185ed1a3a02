/** What a connection makes of versions that it cannot talk to, and of servers that are none; answers as real ones gave them. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { ElasticsearchConnection } from './elasticsearch-connection.ts'
import { reasonText } from './elasticsearch-error.ts'

let server: Server | undefined
let connection: ElasticsearchConnection | undefined
afterEach(async () => {
  await connection?.close()
  if (server === undefined) return
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  server = undefined
})

async function connect(
  answers: Readonly<Record<string, { readonly status: number; readonly body: object }>>,
  product = 'Elasticsearch',
  requestMsMax = 30_000,
  onRetry?: (message: string) => void,
): Promise<ElasticsearchConnection> {
  server = createServer((request, response) => {
    const { status, body } = answers[request.url!.split('?')[0]!] ?? { status: 404, body: {} }
    response.writeHead(status, { 'content-type': 'application/json', 'x-elastic-product': product })
    response.end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const node = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  connection = new ElasticsearchConnection({ node, requestMsMax, onRetry, retry: { retryMsMax: 200, waitMsFirst: 5 } })
  return connection
}

const at = (number: string) => ({ status: 200, body: { version: { number } } })
const noRoot = {
  status: 405,
  body: { error: 'Incorrect HTTP method for uri [/] and method [GET], allowed: [DELETE]', status: 405 },
}
const nodes = (version: string) => ({ status: 200, body: { nodes: { a: { version } } } })
const mediaType = {
  status: 400,
  body: {
    error: {
      type: 'media_type_header_exception',
      reason: 'Invalid media-type value on headers [Accept, Content-Type]',
      caused_by: { type: 'status_exception', reason: 'Accept version must be either version 8 or 7, but found 9.' },
    },
  },
}

test.each([
  ['9', { '/': at('9.4.1') }],
  ['9 without its root', { '/': noRoot, '/_nodes/http': nodes('9.5.0') }],
])('a server of major %s is taken', async (_, answers) => {
  await expect((await connect(answers)).checkVersion()).resolves.toBeUndefined()
})

test.each([
  [{ '/': at('8.19.21') }, /has version 8\.19\.21, but 9\.x is required: run a server of major version 9/],
  [{ '/': noRoot, '/_nodes/http': nodes('10.0.0') }, /has version 10\.0\.0, but 9\.x is required/],
  [{ '/': mediaType }, /has another major version, but 9\.x is required/],
])('a server of another major version is refused with a clear message: %j', async (answers, message) => {
  const refused = (await connect(answers)).checkVersion()
  await expect(refused).rejects.toMatchObject({ reason: 'version', message: expect.stringMatching(message) })
})

test('a server that is not Elasticsearch is reported as such', async () => {
  await expect((await connect({ '/': at('9.5.0') }, 'Other')).checkVersion()).rejects.toThrow(/is not Elasticsearch/)
})

test('a request without privileges is not retried; the message says what to check', async () => {
  const body = { error: { type: 'security_exception', reason: 'unable to authenticate user [x]' }, status: 401 }
  const refused = (await connect({ '/': { status: 401, body } })).checkVersion()
  await expect(refused).rejects.toThrow(
    /responded 401, security_exception: unable to authenticate.*check the user and its privileges/,
  )
})

test.each([
  ['hangs', 0],
  ['hangs in the middle of its answer', 5],
])('a server that %s is reported as too slow', async (_, bytes) => {
  const slow = await connect({}, 'Elasticsearch', 100)
  server!.removeAllListeners('request')
  server!.on('request', (_request, response) => {
    const headers = { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch', 'content-length': 20 }
    response.writeHead(200, headers)
    if (bytes > 0) response.write('{'.padEnd(bytes))
  })
  const asked = slow.request({ doing: 'asking', method: 'GET', path: '/x' })
  await expect(asked).rejects.toThrow(/: asking: the server did not respond in time$/)
})

test('closing ends a request that waits for its next try', async () => {
  const busy = await connect({ '/x': { status: 503, body: {} } })
  const waiting = busy.request({ doing: 'waiting', method: 'GET', path: '/x', retryMsMax: 600_000 })
  const ended = expect(waiting).rejects.toMatchObject({ reason: 'closed' })
  await busy.close()
  await ended
})

test('a reason is one line without the document that the server repeats', () => {
  const error = {
    type: 'document_parsing_exception',
    reason: 'Duplicate field \'a\'\n at [Source: (byte[])"{secret}"]',
  }
  expect(reasonText({ error })).toBe("document_parsing_exception: Duplicate field 'a'")
  expect(reasonText('bad gateway')).toBe('bad gateway')
})

test('the password of an address is in no message', async () => {
  const { node } = await connect({ '/': { status: 401, body: { error: 'no' } } })
  await connection!.close()
  for (const [address, status] of [
    [node.replace('//', '//elastic:hush-%41@'), 401],
    ['http://elastic:hush-%41@127.0.0.1:9', null],
  ] as const) {
    connection = new ElasticsearchConnection({ node: address, retry: { retryMsMax: 10, waitMsFirst: 5 } })
    const fault = await connection.checkVersion().catch((error: Error) => error)
    expect(fault).toMatchObject({ status })
    expect(connection.node).not.toMatch(/hush|elastic/)
    expect((fault as Error).message).toContain(`Elasticsearch at ${connection.node}: `)
    expect((fault as Error).message).not.toMatch(/hush/)
    await connection.close()
    await expect(connection.checkVersion()).rejects.toThrow(/^(?!.*hush).*the connection was closed/)
  }
})

test.each([
  ['Search rejected due to missing shards [[clicks-p0][0]]', 0],
  ['rejected execution of a task', 1],
])('a retry is reported, except while the shards of a new index start: %s', async (reason, times) => {
  const told: string[] = []
  const busy = { status: 503, body: { error: { type: 'search_phase_execution_exception', reason } } }
  const asking = (await connect({ '/': busy }, undefined, undefined, (text) => told.push(text))).checkVersion()
  await expect(asking).rejects.toThrow(reason)
  expect(told).toHaveLength(times)
})
