/** One Trino for all test files: it costs 15 s of processor time and 900 MB to start one. It belongs to vitest's main process, which ends it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startTrino, TRINO_VARIABLE, type TrinoServer } from './trino-server.ts'

/** vitest's global setup: returns what ends the server, which is started when the first test asks for it. */
export default async function openPool(): Promise<() => Promise<void>> {
  // Somebody who runs one file again and again can keep a server.
  if (process.env[TRINO_VARIABLE] !== undefined) return async () => {}
  let server: Promise<TrinoServer> | null = null
  const door = createServer((_request, response) => {
    server ??= startTrino()
    server.then(
      ({ url }) => response.end(url),
      (error: Error) => response.writeHead(500).end(error.message),
    )
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  process.env[TRINO_VARIABLE] = `http://127.0.0.1:${(door.address() as AddressInfo).port}`
  return async () => {
    door.close()
    door.closeAllConnections()
    await (await server?.catch(() => null))?.stop()
  }
}
