/** A bare node:http server that sends the same bytes again and again: what no answer over HTTP can beat. Its argument says which (JSON). */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const { type, body } = JSON.parse(process.argv[2]!) as { type: string; body: string }
const bytes = Buffer.from(body, 'base64')
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': type, 'content-length': bytes.length })
  response.end(bytes)
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
process.stdin.resume().on('end', () => process.exit(0))
