/** What a log on a real Kafka has to survive: brokers that die, topics that are not what they were, records written by others. */
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { Producer } from '@platformatic/kafka'
import {
  type Admin,
  CompressionCodecs,
  CompressionTypes,
  type Kafka,
  type Producer as KafkaProducer,
  type Message,
} from 'kafkajs'
import { compressFrame } from 'lz4-napi'
import { compress as snappy } from 'snappy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { freeze, thaw } from '#tests/servers/freeze.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { LogRangeError, type RecordBatch } from '../event-log.ts'
import { LIMITS, lines, readAll, textOf } from '../log-contract.ts'
import { kafkaClient } from './kafka-client.ts'
import { KafkaLog, type KafkaLogOptions } from './kafka-log.ts'

const skip = await kafkaSkipReason()
const DEADLINE = { timeout: 60_000, interval: 20 }

describe.skipIf(skip !== null)('on a real Kafka', () => {
  let kafka: KafkaServer
  let client: Kafka
  let admin: Admin
  beforeAll(async () => {
    kafka = await startKafka()
    client = kafkaClient({ brokers: kafka.brokers }, 30_000)
    admin = client.admin()
    await admin.connect()
  })
  afterAll(async () => {
    await admin?.disconnect()
    await kafka?.stop()
  })

  let topic = ''
  let made = 0
  const opened: KafkaLog[] = []
  beforeEach(() => {
    topic = `faults-${++made}`
  })
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close()
  })
  const open = async (more: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> => {
    const log = await KafkaLog.open({ brokers: kafka.brokers, dataset: 'd', topic, partitions: 2, ...more })
    opened.push(log)
    return log
  }
  /** as somebody else would write */
  const write = async (messages: Message[], compression = CompressionTypes.None): Promise<void> => {
    const producer = client.producer({ createPartitioner: () => () => 0 })
    await producer.connect()
    await producer.send({ topic, messages, compression })
    await producer.disconnect()
  }

  test('trimming again and again keeps to one connection per broker, whatever the number of partitions', async () => {
    const log = await open({ partitions: 32, trim: 'delete-records' })
    await log.append(
      Array.from({ length: 32 }, (_, partition) => ({ partition, lines: Buffer.from('{}\n{}\n'), count: 2 })),
    )
    let connections = 0
    const count = (): void => void connections++
    subscribe('net.client.socket', count)
    try {
      for (const before of [1, 2]) {
        const all = Array.from({ length: 32 }, (_, partition) => log.trim(partition, before, Date.now() + 60_000))
        expect(await Promise.all(all)).toEqual(Array(32).fill(before))
      }
      for (let turn = 0; turn < 100; turn++) expect(await log.trim(turn % 32, 2, Date.now() + 60_000)).toBe(2)
    } finally {
      unsubscribe('net.client.socket', count)
    }
    expect(connections).toBeGreaterThan(0)
    expect(connections).toBeLessThanOrEqual(4)
  })

  describe('records written by others', () => {
    test('each one is a line or a dead letter with its bytes, none is lost and no line breaks', async () => {
      const log = await open({ recordBytesMax: 1_000 })
      const pretty = '{\n  "a": "x\\ny",\r\n  "b": [1,\n2]\n}\n'
      const binary = Buffer.concat([randomBytes(20), Buffer.from('\n'), randomBytes(20)])
      const large = Buffer.from(`"${'x'.repeat(1_000)}"`)
      await write([
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
        await write(
          values.map((text) => ({ value: text })),
          CompressionTypes[codec],
        )
      }
      expect(textOf(await readAll(log, 0))).toBe(`${wanted.join('\n')}\n`)
    })

    test('many tiny records in one batch, more than the library can take apart', async () => {
      const log = await open()
      const count = 150_000
      const producer = new Producer({ clientId: 'others', bootstrapBrokers: [...kafka.brokers] })
      const messages = Array.from({ length: count }, () => ({ topic, partition: 0, value: Buffer.from('1') }))
      await producer.send({ messages, compression: 'zstd' })
      await producer.close()
      const batch = (await log.read(0, 0, { bytesMax: 10_000_000, recordsMax: count }))!
      expect([batch.count, batch.end]).toEqual([count, count])
    })

    test('transactions: the committed ones are there, the aborted ones and the markers are holes, to the very end', async () => {
      const log = await open()
      const wanted: [number, string][] = []
      const [one, two] = [0, 1].map((id) =>
        client.producer({
          transactionalId: `${topic}-${id}`,
          maxInFlightRequests: 1,
          createPartitioner: () => () => 0,
        }),
      )
      await Promise.all([one!.connect(), two!.connect()])
      let at = 0
      const send = async (to: Pick<KafkaProducer, 'send'>, text: string, kept: boolean) => {
        const [sent] = await to.send({ topic, messages: [{ key: Buffer.from([0, 0, 0, 0]), value: text }] })
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
      await write([{ value: '"plain"' }])
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
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
      const log = await open()
      await write([
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

  describe('topics that change', () => {
    test('a topic that was deleted and created again is another log, and the open one refuses', async () => {
      const log = await open({ topicEveryMs: 50 })
      await log.append([lines(0, '1', '2', '3')])
      await admin.deleteTopics({ topics: [topic] })
      // A client that repeats its request is told that the topic exists: what is in it tells whether it is the new one.
      await vi.waitFor(async () => {
        await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })
        expect((await admin.fetchTopicOffsets(topic)).map(({ high }) => high)).toEqual(['0', '0'])
      }, DEADLINE)
      await vi.waitFor(() => write(['a', 'b', 'c', 'd'].map((value) => ({ value }))), DEADLINE)
      await expect(log.read(0, 0, LIMITS)).rejects.toThrow(/deleted and created again.*Start again/)
      await vi.waitFor(() => expect(log.append([lines(0, '4')])).rejects.toThrow(/deleted and created again/), DEADLINE)
      const again = await open()
      expect(again.identity).not.toBe(log.identity)
      expect(again.identity.split(':')[1]).toBe(log.identity.split(':')[1])
    })

    test('partitions that are added are seen, also by a producer that knew the topic without them', async () => {
      const log = await open({ topicEveryMs: 50, outageMsMax: 10_000 })
      await log.append([lines(0, '0')])
      await expect(log.append([lines(3, '1')])).rejects.toThrow(/partition 3 does not exist/)
      await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
      await vi.waitFor(() => expect(log.partitions).toBe(4), DEADLINE)
      await log.append([lines(3, '1')])
      expect(textOf(await readAll(log, 3))).toBe('1\n')
    })

    test('a partition that is asked for before the next look is looked for', async () => {
      const log = await open({ topicEveryMs: 3_600_000 })
      await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
      const found = () => log.range(3)
      await vi.waitFor(async () => expect(await found()).toEqual({ partition: 3, start: 0, end: 0 }), DEADLINE)
      expect(log.partitions).toBe(4)
      expect(await log.read(3, 0, LIMITS)).toBeNull()
      await expect(log.range(4)).rejects.toThrow(/partition 4 does not exist/)
    })

    test('retention that overtakes a reader is told as a range error, also with records fetched ahead', async () => {
      const log = await open({ fetchBytesMax: 200, compression: 'none' })
      for (let i = 0; i < 30; i++) await log.append([lines(0, `"${i}${'x'.repeat(100)}"`)])
      expect((await log.read(0, 0, { bytesMax: 1, recordsMax: 1 }))!.end).toBe(1)
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }] })
      const seen: number[] = []
      const readOn = async (): Promise<void> => {
        for (let from = 1; ; ) {
          const batch = await log.read(0, from, { bytesMax: 1, recordsMax: 1 })
          if (batch === null) return
          seen.push(...recordsOf(batch).map(([offset]) => offset))
          from = batch.end
        }
      }
      await expect(readOn()).rejects.toThrow(LogRangeError)
      expect(seen.every((offset, index) => offset === index + 1)).toBe(true)
      await expect(log.read(0, 3, LIMITS)).rejects.toMatchObject({ wanted: 3, range: { start: 20, end: 30 } })
      expect((await log.read(0, 20, LIMITS))!.start).toBe(20)
    })

    test('a missing topic, a missing registry and no broker are reported clearly', async () => {
      await expect(open({ createTopic: false })).rejects.toThrow(/topic does not exist, and createTopic is off/)
      await expect(open({ format: 'confluent' })).rejects.toThrow(/schema registry/)
      await expect(open({ brokers: ['127.0.0.1:1'], outageMsMax: 200 })).rejects.toThrow(
        /failed for \d+ ms.*check that the brokers run/,
      )
      await expect(open({ replication: 3 })).rejects.toThrow(/could not be created.*[Rr]eplication/)
    })
  })

  describe('brokers that die', () => {
    test('killed while records are appended and read: nothing acknowledged is missing or double, in the place that was told', async () => {
      const patient = { outageMsMax: 90_000 }
      const [log, reader] = [await open(patient), await open(patient)]
      const acked = new Map<string, string>()
      const refused: unknown[] = []
      let [appending, done] = [true, false]
      let next = 0
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        while (appending) {
          const [partition, id] = [writer % 2, next++]
          const texts = Array.from({ length: 1 + (id % 7) }, (_, i) => `{"id":${id},"i":${i}}`)
          try {
            const ranges = await log.append([lines(partition, ...texts)])
            const offsets = ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))
            for (const [i, text] of texts.entries()) acked.set(`${partition}/${offsets[i]}`, text)
          } catch (error) {
            refused.push(error)
          }
        }
      })
      const read: Map<string, string>[] = [new Map(), new Map()]
      const readOn = async (partition: number, until: () => Promise<number>): Promise<void> => {
        for (let from = 0; !(done && from >= (await until())); ) {
          const batch = await reader.read(partition, from, LIMITS)
          if (batch === null) {
            await sleep(5)
            continue
          }
          for (const [offset, text] of recordsOf(batch)) read[partition]!.set(`${partition}/${offset}`, text)
          from = batch.end
        }
      }
      const readers = [0, 1].map((partition) => readOn(partition, async () => (await log.range(partition)).end))
      for (let round = 0; round < 3; round++) {
        const before = acked.size
        await vi.waitFor(() => expect(acked.size).toBeGreaterThan(before + 300), DEADLINE)
        await kafka.kill9()
        await kafka.restart()
      }
      const before = acked.size
      await vi.waitFor(() => expect(acked.size).toBeGreaterThan(before + 300), DEADLINE)
      appending = false
      await Promise.all(writers)
      done = true
      await Promise.all(readers)

      const found = new Map([...read[0]!, ...read[1]!])
      for (const [place, text] of acked) expect(found.get(place)).toBe(text)
      // nothing that was acknowledged is there twice, though its sending was repeated
      const counts = Map.groupBy(found.values(), (text) => text)
      for (const text of acked.values()) expect(counts.get(text)).toHaveLength(1)
      expect(refused).toEqual([])
    })

    test('an append that was given up is never taken for the next one', async () => {
      const log = await open({ outageMsMax: 3_000, requestMsMax: 2_000 })
      await log.append([lines(0, '"before"')])
      // It accepts connections and answers nothing: the record may arrive later, and nobody knows.
      await freeze(kafka.pid)
      try {
        await expect(log.append([lines(0, '"unknown"')])).rejects.toThrow(
          /they may or may not be in the log; none is acknowledged/,
        )
      } finally {
        thaw(kafka.pid)
      }
      const [range] = await vi.waitFor(() => log.append([lines(0, '"after"')]), DEADLINE)
      const reader = await open()
      const found = recordsOf((await reader.read(0, 0, LIMITS))!)
      expect(found.find(([offset]) => offset === range!.start)?.[1]).toBe('"after"')
      expect(found.filter(([, text]) => text === '"unknown"').length).toBeLessThanOrEqual(1)
    })

    test('a close does not wait for a broker that takes nothing; what was sent before is in the log once, the rest says so', async () => {
      const log = await open({ outageMsMax: 120_000, requestMsMax: 60_000 })
      await log.append([lines(0, '"before"')])
      await freeze(kafka.pid)
      const ends: (string | Error)[] = []
      const sent = ['"a"', '"b"', '"c"'].map(async (text) => {
        await log.append([lines(0, text)]).then(
          () => ends.push(text),
          (error: Error) => ends.push(error),
        )
      })
      await log.close()
      const endedBefore = ends.length
      thaw(kafka.pid)
      await Promise.all(sent)
      expect(endedBefore).toBeLessThan(sent.length)
      const reader = await open()
      const texts = recordsOf((await vi.waitFor(() => reader.read(0, 0, LIMITS), DEADLINE))!).map(([, text]) => text)
      expect(new Set(texts).size).toBe(texts.length)
      for (const end of ends) {
        if (typeof end === 'string') expect(texts).toContain(end)
        else expect(end.message).toMatch(/they may or may not be in the log|closed before this was sent/)
      }
    })

    test('a read waits for a broker that comes back, and says so when it does not', async () => {
      const [patient, hasty] = [await open({ outageMsMax: 90_000 }), await open({ outageMsMax: 2_000 })]
      await patient.append([lines(0, '1')])
      await kafka.kill9()
      await expect(hasty.read(0, 0, LIMITS)).rejects.toThrow(/reading partition 0 from offset 0 failed/)
      const waiting = patient.read(0, 0, LIMITS)
      await kafka.restart()
      expect((await waiting)!.lines.toString()).toBe('1\n')
      expect((await hasty.read(0, 0, LIMITS))!.lines.toString()).toBe('1\n')
    })
  })
})

function recordsOf(batch: RecordBatch): [number, string][] {
  const texts = batch.lines.toString().split('\n').slice(0, -1)
  return texts.map((text, index) => [batch.offsets?.[index] ?? batch.start + index, text])
}
