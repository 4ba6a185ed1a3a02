import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CommandError } from './exit-codes.ts'
import { readSample } from './read-sample.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-sample-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

async function faultOf(source: string): Promise<[exit: string, message: string]> {
  const error = await readSample(source, {}).then(
    () => null,
    (error: CommandError) => error,
  )
  return [error!.exit, error!.message]
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listening(server)
  await once(server.close(), 'close')
  return port
}

test('an address that cannot be fetched: the message gives the cause', async () => {
  const refused = `http://127.0.0.1:${await freePort()}/x.csv`
  expect(await faultOf(refused)).toEqual(['storage', expect.stringMatching(/fetch failed: .*ECONNREFUSED/)])
  const unknown = await faultOf('http://nowhere.invalid/x.csv')
  expect(unknown).toEqual(['storage', expect.stringMatching(/fetch failed: .*(ENOTFOUND|EAI_AGAIN)/)])
  expect(await faultOf('http://127.0.0.1:1/x')).toEqual(['storage', expect.stringMatching(/fetch failed: bad port/)])
})

test('a reply that is not what was asked for: the message gives the cause', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/none') return response.writeHead(404).end()
    response.writeHead(200, { 'content-length': 1_000 })
    return response.write('{"id":1}\n', () => response.destroy())
  })
  const address = `127.0.0.1:${await listening(server)}`
  expect(await faultOf(`https://${address}/x`)).toEqual([
    'storage',
    expect.stringMatching(/fetch failed: .*(SSL|TLS)/i),
  ])
  expect(await faultOf(`http://${address}/none`)).toEqual(['storage', expect.stringMatching(/it answers 404/)])
  expect(await faultOf(`http://${address}/cut`)).toEqual(['storage', expect.stringMatching(/: other side closed$/)])
  server.close()
})

test.each([
  ['a repeated name in the header', 'x.csv', Buffer.from('id,at,id\n1,2026-01-01,2\n')],
  ['an array that is not closed', 'x.json', Buffer.from('[{"id":1},')],
  ['a gzip file that ends too early', 'x.csv.gz', gzipSync('id,at\n1,2026-01-01\n').subarray(0, 25)],
  ['a damaged Parquet file', 'x.parquet', Buffer.from('PAR1 and nothing else')],
])('%s is a fault of the input, a missing file is one of the storage', async (_what, name, bytes) => {
  const file = join(folder, name)
  await expect(readSample(file, {})).rejects.toHaveProperty('exit', 'storage')
  await writeFile(file, bytes)
  await expect(readSample(file, {})).rejects.toHaveProperty('exit', 'definition')
})
