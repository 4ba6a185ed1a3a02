/** The import, against a small HTTP server that answers as Kibana's documented API does. A real Kibana is not run here. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { installDashboards } from './install-dashboards.ts'

const OBJECTS = '{"type":"dashboard","id":"a"}\n{"type":"dashboard","id":"b"}\n'

let server: Server
let url: string
let asked: { path: string; method: string; headers: IncomingHttpHeaders; body: string }[]
let answer: { status: number; body: object }
beforeEach(async () => {
  asked = []
  answer = { status: 200, body: { success: true, successCount: 39 } }
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked.push({
      path: request.url!,
      method: request.method!,
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    })
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

test('sends the file as a form, over what was there, and says where the dashboards are', async () => {
  const done = await installDashboards({ url: `${url}/base/`, space: 'team a', auth: { apiKey: 'k' } }, OBJECTS)
  expect(done).toEqual({ installed: 39, address: `${url}/base/s/team%20a/app/dashboards` })
  const [{ path, method, headers, body }] = asked as [(typeof asked)[0]]
  expect([method, path]).toEqual(['POST', '/base/s/team%20a/api/saved_objects/_import?overwrite=true'])
  expect(headers).toMatchObject({ 'kbn-xsrf': 'watershed', authorization: 'ApiKey k' })
  expect(headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
  expect(body).toContain('name="file"; filename="kibana.ndjson"')
  expect(body).toContain(OBJECTS)
})

test.each([
  [
    {
      status: 200,
      body: { success: false, errors: [{ type: 'lens', id: 'x', error: { type: 'missing_references' } }] },
    },
    /the import failed \(200\); lens x: missing_references/,
  ],
  [{ status: 401, body: { message: 'no' } }, /refuses the user \(401\)/],
  [
    { status: 400, body: { message: 'Document belongs to a more recent version of Kibana' } },
    /\(400\); Document belongs to a more recent version/,
  ],
])('says what Kibana did not take: %j', async (given, message) => {
  answer = given
  await expect(installDashboards({ url, auth: { username: 'u', password: 'p' } }, OBJECTS)).rejects.toThrow(message)
})

test('says that nothing answers there', async () => {
  await expect(installDashboards({ url: 'http://127.0.0.1:9' }, OBJECTS)).rejects.toThrow(
    /Kibana at http:\/\/127.0.0.1:9: it is not reachable/,
  )
})
