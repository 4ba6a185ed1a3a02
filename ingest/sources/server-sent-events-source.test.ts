/** Server-sent events byte by byte: what is kept of data, ids and types, wherever the connection cuts the text. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ReadOptions, SourceBatch, SourceCursor } from './event-source.ts'
import { ServerSentEventsSource } from './server-sent-events-source.ts'

const NOT_TEXT = Buffer.from([0x7b, 0xff, 0xc3, 0x28, 0x7d])
const TEXT = Buffer.concat([
  Buffer.from('\ufeffid: a1\ndata: {"city":"Zürich"}\n\n: a comment\r\n\r\n'),
  Buffer.from('id: ключ\r\nevent: größe\r\ndata: {"n":\r\ndata: 1}\r\n\r\ndata: '),
  NOT_TEXT,
  Buffer.from('\n\nevent: other\ndata: {"n":2}\n\ndata: 日本\n\n'),
])
const ZURICH = '{"city":"Zürich"}'

let server: Server
let chunks: readonly Buffer[]
let lastEventId: string | undefined
beforeAll(async () => {
  server = createServer(async ({ headers }, response) => {
    const id = headers['last-event-id'] as string | undefined
    lastEventId = id && Buffer.from(id, 'latin1').toString()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const chunk of chunks) await new Promise((sent) => response.write(chunk, sent))
    response.end()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
})
afterAll(() => void server.close())

function sourceOf(events?: readonly string[]): ServerSentEventsSource {
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const target = { url, headers: {}, hasCredentials: false }
  return new ServerSentEventsSource({ target, silenceMsMax: 10_000, ...(events && { events }) })
}

async function read(
  events?: readonly string[],
  from: SourceCursor | null = null,
  source = sourceOf(events),
): Promise<SourceBatch[]> {
  const watch = { connected: () => {}, waiting: () => {} }
  const options: ReadOptions = {
    signal: new AbortController().signal,
    limits: { recordBytesMax: 1_000, batchRecordsMax: 100 },
    watch,
  }
  const batches: SourceBatch[] = []
  const reading = (async () => {
    for await (const batch of source.read(from, options)) batches.push(batch)
  })()
  await expect(reading).rejects.toThrow('the other side ended the stream')
  return batches
}

const records = (batches: readonly SourceBatch[]): Buffer[] =>
  batches.flatMap(({ records }) => records.map((record) => (Buffer.isBuffer(record) ? record : record.first)))

const cut = (text: Buffer, places: readonly number[]): Buffer[] => {
  const ends = [...places.toSorted((a, b) => a - b), text.length]
  return ends.map((end, index) => text.subarray(ends[index - 1] ?? 0, end))
}
const cutsOf = (text: Buffer) => fc.uniqueArray(fc.integer({ min: 1, max: text.length - 1 }), { maxLength: 6 })

test('data is kept as its bytes, also those that are no text, wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(cutsOf(TEXT), async (places) => {
      chunks = cut(TEXT, places)
      const batches = await read()
      expect(records(batches)).toEqual([
        ...[Buffer.from(ZURICH), Buffer.from('{"n":\n1}'), NOT_TEXT],
        ...[Buffer.from('{"n":2}'), Buffer.from('日本')],
      ])
      expect(batches.at(-1)!.cursor).toMatchObject({ id: 'ключ' })
    }),
    { numRuns: 30 },
  )
})

test('types are compared as texts', async () => {
  chunks = [TEXT]
  expect(records(await read(['größe'])).map(String)).toEqual(['{"n":\n1}'])
})

test('an id is sent back as its bytes', async () => {
  chunks = [TEXT]
  const { cursor } = (await read()).at(-1)!
  expect(lastEventId).toBeUndefined()
  await read(undefined, JSON.parse(JSON.stringify(cursor)))
  expect(lastEventId).toBe('ключ')
})

test.each([['\r'], ['\r\n'], ['\n']])(
  'an event over the limit takes no other one with it, lines end with %j',
  async (end) => {
    const event = (id: number, data: string) => `id: ${id}${end}data: ${data}${end}${end}`
    const [before, after] = [0, 100].map((first) => Array.from({ length: 40 }, (_, index) => first + index))
    const own = (ids: readonly number[]) => ids.map((id) => event(id, `{"n":${id}}`)).join('')
    const long = `{"long":"${'x'.repeat(1_000)}"}`
    const text = Buffer.from(own(before!) + event(50, long) + own(after!))
    await fc.assert(
      fc.asyncProperty(cutsOf(text), async (places) => {
        chunks = cut(text, places)
        const read50 = Buffer.from(event(50, long)).subarray(0, 1_024)
        const expected = [...before!, null, ...after!].map((id) => (id === null ? read50 : Buffer.from(`{"n":${id}}`)))
        const found = records(await read())
        expect(found.map((record) => record.toString().trim())).toEqual(
          expected.map((record) => record.toString().trim()),
        )
      }),
      { numRuns: 20 },
    )
  },
)

test('an event that carries only an id moves the resume position', async () => {
  chunks = [Buffer.from('id: 1\ndata: {}\n\nid: 2\n\ndata: {"n":2}\n\n')]
  expect((await read()).at(-1)!.cursor).toMatchObject({ id: '2' })
})

test('says that it resumes exactly when it has the id of an earlier connection', async () => {
  chunks = [Buffer.from(': nothing new\n\n')]
  const source = sourceOf()
  expect(source.resumption).toBe('from-now')
  await read(undefined, { id: '7', seen: '' }, source)
  expect(source.resumption).toBe('exact')
})
