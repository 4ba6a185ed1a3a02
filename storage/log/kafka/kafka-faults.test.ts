/** What a log on a real Kafka has to survive: brokers that die, and topics that are not what they were. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KafkaLogs, recordsOf } from '#tests/kafka-logs-fixture.ts'
import { freeze, thaw } from '#tests/servers/freeze.ts'
import { kafkaSkipReason } from '#tests/servers/kafka-server.ts'
import { LogRangeError } from '../event-log.ts'
import { LIMITS, lines, readAll, textOf } from '../log-contract.ts'
import type { KafkaLogOptions } from './kafka-log.ts'

const skip = await kafkaSkipReason()
const DEADLINE = { timeout: 60_000, interval: 20 }

describe.skipIf(skip !== null)('on a real Kafka', () => {
  const own = new KafkaLogs('faults')
  beforeAll(() => own.start())
  afterAll(() => own.stop())
  beforeEach(() => own.begin())
  afterEach(() => own.end())
  const open = (more?: Partial<KafkaLogOptions>) => own.open(more)

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

  describe('topics that change', () => {
    test('a topic that was deleted and created again is another log, and the open one refuses', async () => {
      const log = await open({ topicEveryMs: 50 })
      await log.append([lines(0, '1', '2', '3')])
      await own.admin.deleteTopics({ topics: [own.topic] })
      // A client that repeats its request is told that the topic exists: what is in it tells whether it is the new one.
      await vi.waitFor(async () => {
        await own.admin.createTopics({ topics: [{ topic: own.topic, numPartitions: 2 }] })
        expect((await own.admin.fetchTopicOffsets(own.topic)).map(({ high }) => high)).toEqual(['0', '0'])
      }, DEADLINE)
      await vi.waitFor(() => own.write(['a', 'b', 'c', 'd'].map((value) => ({ value }))), DEADLINE)
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
      await own.admin.createPartitions({ topicPartitions: [{ topic: own.topic, count: 4 }] })
      await vi.waitFor(() => expect(log.partitions).toBe(4), DEADLINE)
      await log.append([lines(3, '1')])
      expect(textOf(await readAll(log, 3))).toBe('1\n')
    })

    test('a partition that is asked for before the next look is looked for', async () => {
      const log = await open({ topicEveryMs: 3_600_000 })
      await own.admin.createPartitions({ topicPartitions: [{ topic: own.topic, count: 4 }] })
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
      await own.admin.fetchTopicOffsets(own.topic)
      await own.admin.deleteTopicRecords({ topic: own.topic, partitions: [{ partition: 0, offset: '20' }] })
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
        await own.kafka.kill9()
        await own.kafka.restart()
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
      await freeze(own.kafka.pid)
      try {
        await expect(log.append([lines(0, '"unknown"')])).rejects.toThrow(
          /they may or may not be in the log; none is acknowledged/,
        )
      } finally {
        thaw(own.kafka.pid)
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
      await freeze(own.kafka.pid)
      const ends: (string | Error)[] = []
      const sent = ['"a"', '"b"', '"c"'].map(async (text) => {
        await log.append([lines(0, text)]).then(
          () => ends.push(text),
          (error: Error) => ends.push(error),
        )
      })
      await log.close()
      const endedBefore = ends.length
      thaw(own.kafka.pid)
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
      await own.kafka.kill9()
      await expect(hasty.read(0, 0, LIMITS)).rejects.toThrow(/reading partition 0 from offset 0 failed/)
      const waiting = patient.read(0, 0, LIMITS)
      await own.kafka.restart()
      expect((await waiting)!.lines.toString()).toBe('1\n')
      expect((await hasty.read(0, 0, LIMITS))!.lines.toString()).toBe('1\n')
    })
  })
})
