import { createServer, type Server } from 'node:http'
import avro from 'avsc'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type RecordDecoder, Unreadable } from '../record-format.ts'
import { confluentRecords } from './confluent-records.ts'
import { SchemaRegistry } from './schema-registry.ts'

/** A registry of the test's own: answers as Confluent's does. */
const schemas = new Map<number, object>()
const subjects = new Map<string, object>()
let asked: string[] = []
let down = false
let server: Server
let decoder: RecordDecoder
beforeEach(async () => {
  schemas.clear()
  subjects.clear()
  asked = []
  down = false
  server = createServer((request, response) => {
    asked.push(request.url!)
    const [, id] = /^\/schemas\/ids\/(\d+)$/.exec(request.url!) ?? []
    const found = id === undefined ? subjects.get(decodeURIComponent(request.url!)) : schemas.get(Number(id))
    if (request.headers.authorization !== `Basic ${btoa('me:secret')}`) response.writeHead(401)
    else if (down) response.writeHead(503)
    else if (found === undefined) response.writeHead(404)
    else response.writeHead(200, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
    response.end(JSON.stringify(found ?? { error_code: 40_403 }))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  decoder = confluentRecords({ url, username: 'me', password: 'secret' })
})
afterEach(() => server.close())

const framed = (id: number, data: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(id, 1)
  return Buffer.concat([head, data])
}
const lineOf = async (value: Buffer): Promise<string | Unreadable> => {
  await decoder.prepare([value])
  const line = decoder.line(value)
  return line instanceof Unreadable ? line : line.toString()
}

test('framed JSON loses its frame, unframed JSON is taken as it is', async () => {
  schemas.set(7, { schema: '{"type":"object"}', schemaType: 'JSON' })
  expect(await lineOf(framed(7, Buffer.from('{"a":1}')))).toBe('{"a":1}')
  expect(await lineOf(Buffer.from('{"b":2}'))).toBe('{"b":2}')
  expect(await lineOf(framed(7, Buffer.from('broken {')))).toBe('broken {')
})

test('Avro becomes JSON with every digit', async () => {
  const schema = {
    type: 'record',
    name: 'Order',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'big', type: ['null', 'long'] },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 2 } },
      { name: 'raw', type: 'bytes' },
      { name: 'tags', type: { type: 'array', items: { type: 'enum', name: 'Tag', symbols: ['A', 'B'] } } },
      { name: 'more', type: { type: 'map', values: 'double' } },
    ],
  } as const
  schemas.set(1, { schema: JSON.stringify(schema) })
  const long = avro.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64LE(value)
      return bytes
    },
    fromJSON: BigInt,
    toJSON: String,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
  const record = {
    id: 9_007_199_254_740_993n,
    at: 1_700_000_000_000,
    note: { string: 'Zoë\n' },
    big: { long: -9_223_372_036_854_775_808n },
    price: Buffer.from([0xff, 0x38]),
    raw: Buffer.from([0, 0xff, 0x41]),
    tags: ['A', 'B'],
    more: { x: 0.5 },
  }
  const writer = avro.Type.forSchema(schema as unknown as avro.Schema, { registry: { long }, wrapUnions: true })
  expect(await lineOf(framed(1, writer.toBuffer(record)))).toBe(
    '{"id":9007199254740993,"at":1700000000000,"note":"Zoë\\n","big":-9223372036854775808,"price":-2.00,"raw":"\\u0000ÿA","tags":["A","B"],"more":{"x":0.5}}',
  )
})

test('schemas may refer to others', async () => {
  subjects.set('/subjects/place/versions/3', {
    schema: JSON.stringify({ type: 'record', name: 'Place', fields: [{ name: 'city', type: 'string' }] }),
  })
  const schema = { type: 'record', name: 'Visit', fields: [{ name: 'at', type: 'Place' }] }
  schemas.set(2, { schema: JSON.stringify(schema), references: [{ name: 'Place', subject: 'place', version: 3 }] })
  expect(await lineOf(framed(2, Buffer.from([6, 65, 66, 67])))).toBe('{"at":{"city":"ABC"}}')
})

test('what cannot be read says why', async () => {
  schemas.set(3, { schema: '{"type":"record","name":"R","fields":[{"name":"n","type":"string"}]}' })
  schemas.set(4, { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' })
  schemas.set(5, { schema: '{"type":"nothing"}' })
  const why = async (value: Buffer) => ((await lineOf(value)) as Unreadable).reason
  expect(await why(framed(3, Buffer.from([200, 1])))).toMatch(/does not match schema 3: /)
  expect(await why(framed(4, Buffer.from([1])))).toMatch(/schema 4 is Protobuf/)
  expect(await why(framed(5, Buffer.from([1])))).toMatch(/schema 5 is unusable: /)
  expect(await why(framed(99, Buffer.from([1])))).toMatch(/has no schema 99/)
})

test('messages do not tell the login that an address has', async () => {
  const { port } = server.address() as { port: number }
  const registry = new SchemaRegistry({ url: `http://me:secret@127.0.0.1:${port}/` })
  down = true
  await expect(registry.schema(8)).rejects.toThrow(
    `schema registry http://127.0.0.1:${port}: GET /schemas/ids/8 failed (status 503)`,
  )
  down = false
})

test('each schema is asked for once; a registry that is down is a fault that passes, not a dead letter', async () => {
  schemas.set(7, { schema: '{}', schemaType: 'JSON' })
  const value = framed(7, Buffer.from('{}'))
  down = true
  await expect(decoder.prepare([value])).rejects.toThrow(
    /schema registry .*GET \/schemas\/ids\/7 failed \(status 503\)/,
  )
  down = false
  expect(await lineOf(value)).toBe('{}')
  expect(await lineOf(value)).toBe('{}')
  await decoder.prepare([value, value])
  expect(asked).toEqual(['/schemas/ids/7', '/schemas/ids/7'])
})
