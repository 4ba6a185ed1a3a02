/** Records in a topic on a real Kafka that other producers have written. */
import { randomBytes } from 'node:crypto'
import { Producer } from '@platformatic/kafka'
import { CompressionCodecs, CompressionTypes, type Producer as KafkaProducer } from 'kafkajs'
import { compressFrame } from 'lz4-napi'
import { compress as snappy } from 'snappy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KafkaLogs, recordsOf } from '#tests/kafka-logs-fixture.ts'
import { kafkaSkipReason } from '#tests/servers/kafka-server.ts'
import { LIMITS, readAll, textOf } from '../log-contract.ts'
import type { KafkaLogOptions } from './kafka-log.ts'

const skip = await kafkaSkipReason()
const DEADLINE = { timeout: 60_000, interval: 20 }

describe.skipIf(skip !== null)('records written by others', () => {
  const own = new KafkaLogs('others')
  beforeAll(() => own.start())
  afterAll(() => own.stop())
  beforeEach(() => own.begin())
  afterEach(() => own.end())
  const open = (more?: Partial<KafkaLogOptions>) => own.open(more)

  test('each one is a line or a dead letter with its bytes, none is lost and no line breaks', async () => {
    const log = await open({ recordBytesMax: 1_000 })
    const pretty = '{\n  "a": "x\\ny",\r\n  "b": [1,\n2]\n}\n'
    const binary = Buffer.concat([randomBytes(20), Buffer.from('\n'), randomBytes(20)])
    const large = Buffer.from(`"${'x'.repeat(1_000)}"`)
    await own.write([
      { value: '{"plain":1}' },
      { value: pretty },
      { value: binary },
      { value: null },
      { value: '' },
      { value: ' \t\r\n' },
      { value: large },
      { key: Buffer.from([0, 0, 0, 0]), value: '{"plain":2}' },
    ])
    const batch = (await log.read(0, 0, LIMITS))!
    expect(batch.count).toBe(8)
    const texts = batch.lines.toString().split('\n')
    expect(texts).toHaveLength(9)
    expect(texts[0]).toBe('{"plain":1}')
    expect(JSON.parse(texts[1]!)).toEqual({ a: 'x\ny', b: [1, 2] })
    expect([...texts.slice(2, 7)]).toEqual(Array(5).fill('null'))
    expect(texts[7]).toBe('{"plain":2}')
    const letters = [...batch.originals!].map(([line, { bytes, reason }]) => [line, bytes, reason] as const)
    expect(letters.map(([line]) => line)).toEqual([1, 2, 3, 4, 5, 6])
    expect(letters.map(([, bytes]) => bytes.toString('latin1'))).toEqual(
      [Buffer.from(pretty), binary, '', '', Buffer.from(' \t\r\n'), large].map((bytes) =>
        Buffer.from(bytes).toString('latin1'),
      ),
    )
    const reasons = [null, /not valid JSON/, /tombstone/, /blank/, /blank/, /1002 bytes.*recordBytesMax is 1000/]
    for (const [index, reason] of reasons.entries()) {
      if (reason === null) expect(letters[index]![2]).toBeNull()
      else expect(letters[index]![2]).toMatch(reason)
    }
  })

  test('every compression of Kafka is read', async () => {
    const log = await open()
    CompressionCodecs[CompressionTypes.Snappy] = () => ({
      compress: (encoder: { buffer: Buffer }) => snappy(encoder.buffer),
      decompress: async (bytes: Buffer) => bytes,
    })
    CompressionCodecs[CompressionTypes.LZ4] = () => ({
      compress: (encoder: { buffer: Buffer }) => compressFrame(encoder.buffer),
      decompress: async (bytes: Buffer) => bytes,
    })
    const value = (codec: string, i: number) => JSON.stringify({ codec, i, text: 'again and again '.repeat(20) })
    const wanted: string[] = []
    for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const) {
      const values = Array.from({ length: 50 }, (_, i) => value(codec, i))
      wanted.push(...values)
      await own.write(
        values.map((text) => ({ value: text })),
        CompressionTypes[codec],
      )
    }
    expect(textOf(await readAll(log, 0))).toBe(`${wanted.join('\n')}\n`)
  })

  test('many tiny records in one batch, more than the library can take apart', async () => {
    const log = await open()
    const count = 150_000
    const producer = new Producer({ clientId: 'others', bootstrapBrokers: [...own.kafka.brokers] })
    const messages = Array.from({ length: count }, () => ({ topic: own.topic, partition: 0, value: Buffer.from('1') }))
    await producer.send({ messages, compression: 'zstd' })
    await producer.close()
    const batch = (await log.read(0, 0, { bytesMax: 10_000_000, recordsMax: count }))!
    expect([batch.count, batch.end]).toEqual([count, count])
  })

  test('transactions: the committed ones are there, the aborted ones and the markers are holes, to the very end', async () => {
    const log = await open()
    const wanted: [number, string][] = []
    const [one, two] = [0, 1].map((id) =>
      own.client.producer({
        transactionalId: `${own.topic}-${id}`,
        maxInFlightRequests: 1,
        createPartitioner: () => () => 0,
      }),
    )
    await Promise.all([one!.connect(), two!.connect()])
    let at = 0
    const send = async (to: Pick<KafkaProducer, 'send'>, text: string, kept: boolean) => {
      const [sent] = await to.send({ topic: own.topic, messages: [{ key: Buffer.from([0, 0, 0, 0]), value: text }] })
      if (kept) wanted.push([Number(sent!.baseOffset), text])
      at++
    }
    // interleaved: an aborted one and a committed one; then one of each alone; markers take an offset each
    const [first, second] = [await one!.transaction(), await two!.transaction()]
    await send(first, '"a1"', false)
    await send(second, '"c1"', true)
    await send(first, '"a2"', false)
    await first.abort()
    at++
    await send(second, '"c2"', true)
    // the first offset that is not decided yet
    await vi.waitFor(async () => expect((await log.range(0)).end).toBe(1), DEADLINE)
    await second.commit()
    at++
    const third = await one!.transaction()
    await send(third, '"c3"', true)
    await third.commit()
    at++
    await vi.waitFor(async () => expect((await log.range(0)).end).toBe(at), DEADLINE)
    await own.write([{ value: '"plain"' }])
    wanted.push([at++, '"plain"'])
    const fourth = await one!.transaction()
    await send(fourth, '"a3"', false)
    await fourth.abort()
    at++
    await Promise.all([one!.disconnect(), two!.disconnect()])

    await vi.waitFor(async () => expect((await log.range(0)).end).toBe(at), DEADLINE)
    // One record batch per fetch: an aborted batch then comes without its marker, and a marker without its batches.
    const byBatch = await open({ fetchBytesMax: 1 })
    const readings = [
      [log, LIMITS],
      [log, { bytesMax: 1, recordsMax: 1 }],
      [byBatch, LIMITS],
    ] as const
    for (const [from, limits] of readings) {
      const batches = await readAll(from, 0, limits)
      const found = batches.flatMap((batch) => recordsOf(batch))
      expect(found).toEqual(wanted)
      expect(batches.at(-1)!.end).toBe(at)
    }
    const begun = (await log.read(0, 0, { ...LIMITS, before: 2 }))!
    expect([begun.end, begun.lines.toString()]).toEqual([2, '"c1"\n'])
    // only holes: a range without records, so that a reader comes to the end
    expect(await log.read(0, at - 2, LIMITS)).toMatchObject({ start: at - 2, end: at, count: 0 })
  })

  test('without the append time of the broker, arrivals are the times of the records', async () => {
    await own.admin.createTopics({ topics: [{ topic: own.topic, numPartitions: 1 }] })
    const log = await open()
    await own.write([
      { value: '1', timestamp: '1000' },
      { value: '2', timestamp: '1000' },
      { value: '3', timestamp: '5000' },
    ])
    expect((await log.read(0, 0, LIMITS))!.arrivals).toEqual([
      { count: 2, atMs: 1_000 },
      { count: 1, atMs: 5_000 },
    ])
    expect(log.partitions).toBe(1)
  })
})
