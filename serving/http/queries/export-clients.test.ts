/** Clients of exports that leave, stall, or come all at once: over sockets, with more bytes than the system buffers. */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { count, defineDataset } from '#core/definition.ts'
import type { ServeAppParts } from '#serving/http/serve-app.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type GeneratedPlatform, openGenerated } from '#tests/generated-definitions/generated-platform.ts'
import { until } from '#tests/until.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    keys: { type: 'BIGINT[]', path: '$.keys[*]', default: [] },
  },
  views: {
    by_key: {
      unnest: { key: 'keys' },
      dimensions: { key: 'key', filler: "repeat('x', 1000)" },
      measures: { n: count() },
    },
  },
})
const [EVENTS, KEYS] = [20, 1_000]
const ALL = '/v1/datasets/shop/views/by_key.ndjson?limit=all'

let folder: string
let engine: DuckDbEngine
let platform: GeneratedPlatform
let clients: Socket[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-exports-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  await platform.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

/** Serves 20,000 rows, 20 MB, with one turn for exports and no place to wait. */
async function serve(limits: ServeAppParts['limits'] = {}): Promise<void> {
  const serveLimits = { exportsMax: 1, queriesWaitingMax: 0, ...limits }
  platform = await openGenerated({ folder, engine, definition, segmentRecordsMax: 100, resident: true, serveLimits })
  const events = Array.from({ length: EVENTS }, (_, id) => {
    const keys = Array.from({ length: KEYS }, (_, index) => id * KEYS + index)
    return `{"id":${id},"at":1700000000000,"keys":[${keys.join(',')}]}`
  })
  const { appended } = await platform.intake.offer(events, {})
  const position = appended.map(({ partition, end }) => `${partition}:${end}`).join(',')
  const { body } = await platform.app.inject(`/v1/datasets/shop/views/by_key?atLeast=${position}&dimensions=`)
  expect(JSON.parse(body)).toMatchObject({ data: [{ n: EVENTS * KEYS }] })
  await platform.app.listen({ port: 0, host: '127.0.0.1' })
}

/** Asks, and reads nothing until it is told to. */
async function ask(path = ALL, more = ''): Promise<Socket> {
  const client = connect((platform.app.server.address() as AddressInfo).port, '127.0.0.1')
  clients.push(client.on('error', () => {}))
  await once(client, 'connect')
  client.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`)
  return client
}

/** Another export gets the turn. */
function whenFree(): Promise<boolean> {
  return until('the turn is free', async () => {
    const { statusCode, body } = await platform.app.inject(`${ALL}&filter=key:eq:7&dimensions=key`)
    return statusCode === 200 && body === '{"key":7,"n":1}\n'
  })
}

/** Folders of exports, and their files that are still open. */
function leftovers(): string[] {
  const open = readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return []
    }
  })
  const named = readdirSync(platform.folder).filter((name) => name.startsWith('export-'))
  return [...named, ...open.filter((path) => path.startsWith(platform.folder) && path.includes('/export-'))]
}

test('who leaves while the rows are computed ends the work, and leaves its turn and no file', async () => {
  await serve()
  const client = await ask()
  await until('the export is being computed', () => leftovers().length > 0)
  client.destroy()
  await until('nothing of it is left', () => leftovers().length === 0)
  await whenFree()
  await until('nothing of it is left', () => leftovers().length === 0)
})

test('beyond the limit exports are refused by name; who leaves in the middle of the file leaves its turn and no file', async () => {
  await serve()
  const client = await ask()
  const [piece] = (await once(client, 'data')) as [Buffer]
  client.pause()
  expect(piece.toString('latin1', 0, 15)).toBe('HTTP/1.1 200 OK')
  const refused = await platform.app.inject(ALL)
  expect(refused.json()).toMatchObject({ status: 429, detail: expect.stringContaining('exportsMax = 1') })
  expect(refused.headers['retry-after']).toBe('1')
  const short = await platform.app.inject('/v1/datasets/shop/views/by_key?filter=key:eq:7&dimensions=key')
  expect(short.json()).toMatchObject({ data: [{ key: 7, n: 1 }] })
  client.destroy()
  await whenFree()
  await until('nothing of it is left', () => leftovers().length === 0)
  expect(platform.emitted.filter(({ name }) => name === 'export-given-up')).toEqual([])
})

test('clients that read slowly take neither the turn of another client nor more than their own places', async () => {
  await serve({ exportsMax: 1, queriesWaitingMax: 0 })
  for (const key of ['one', 'two']) {
    const slow = await ask(ALL, `Authorization: Bearer ${key}\r\n`)
    await once(slow, 'data')
    slow.pause()
  }
  const again = await platform.app.inject({ url: ALL, headers: { authorization: 'Bearer one' } })
  expect(again.json()).toMatchObject({ status: 429, detail: expect.stringContaining('or 1 of this client') })
  await whenFree()
})

test.each(['exportStalledMsMax', 'exportSendMsMax'] as const)('who stalls is disconnected after %s', async (limit) => {
  await serve({ [limit]: 300 })
  const client = await ask()
  client.pause()
  const given = await until(
    'it is disconnected',
    () => platform.emitted.find(({ name }) => name === 'export-given-up') ?? null,
  )
  expect(given.message).toContain(`${limit} = 300 ms`)
  await whenFree()
  await until('nothing of it is left', () => leftovers().length === 0)
})
