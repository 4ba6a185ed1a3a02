import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { dashboardsCommand } from './dashboards-command.ts'
import { CommandError } from './exit-codes.ts'

/** of a definition file */
const FOREIGN = fileURLToPath(new URL('../../tests/page/visits.ts', import.meta.url))

afterEach(() => vi.unstubAllEnvs())

test('install imports with the credentials of the environment; a Kibana that refuses is said', async () => {
  const seen: (string | undefined)[] = []
  let body = ''
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const known = request.headers.authorization !== undefined
      response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' })
      response.end(JSON.stringify(known ? { success: true, successCount: 3 } : {}))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const install = () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const datasets = ['--dataset', 'flights', '--dataset', FOREIGN]
    return dashboardsCommand().parseAsync(['install', '--kibana', url, ...datasets], { from: 'user' })
  }
  try {
    await expect(install()).rejects.toThrow(/refuses the user \(401\)/)
    await expect(install()).rejects.toBeInstanceOf(CommandError)
    vi.stubEnv('KIBANA_USERNAME', 'elastic')
    vi.stubEnv('KIBANA_PASSWORD', 'secret')
    await install()
    expect(body).toContain('"id":"watershed-flights-airlines"')
    expect(body).toContain('"id":"watershed-visits-pages"')
    expect(body).not.toContain('meetup_rsvps')
    expect(seen.at(-1)).toBe(`Basic ${Buffer.from('elastic:secret').toString('base64')}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
