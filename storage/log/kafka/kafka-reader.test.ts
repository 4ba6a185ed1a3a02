/** The limits of a read, on record batches as a broker sends them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OriginalRecord } from '../event-log.ts'
import { jsonRecords } from '../record-format.ts'
import { crc32c } from './crc32c.ts'
import { KafkaPartitionReader, OutOfRange } from './kafka-reader.ts'
import type { Fetched } from './kafka-requests.ts'

/** Kafka's varint: zigzag, seven bits a byte. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value >= 0 ? value * 2 : -value * 2 - 1
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 128)
  return Buffer.from([...bytes, left])
}

/** One uncompressed record batch from offset 0 on. */
function batchOf(values: readonly (Buffer | null)[]): Buffer {
  const records = values.map((value, delta) => {
    const body = Buffer.concat([
      Buffer.of(0),
      varint(0),
      varint(delta),
      varint(-1),
      varint(value?.length ?? -1),
      value ?? Buffer.alloc(0),
      varint(0),
    ])
    return Buffer.concat([varint(body.length), body])
  })
  const head = Buffer.alloc(61)
  const all = Buffer.concat([head, ...records])
  all.writeInt32BE(all.length - 12, 8)
  all.writeInt8(2, 16)
  all.writeInt32BE(values.length - 1, 23)
  all.writeBigInt64BE(-1n, 43)
  all.writeInt32BE(values.length, 57)
  return sealed(all)
}

/** With the checksum that its producer gave it. */
function sealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

function reader(
  values: readonly (Buffer | null)[],
  recordBytesMax: number,
  damage: (batch: Buffer) => void = () => {},
): KafkaPartitionReader {
  const records = batchOf(values)
  damage(records)
  const whole: Fetched = {
    errorCode: 0,
    highWatermark: -1,
    lastStableOffset: values.length,
    logStartOffset: 0,
    aborted: [],
    records,
  }
  return new KafkaPartitionReader({
    partition: 0,
    fetch: async (from) => (from < values.length ? whole : { ...whole, records: Buffer.alloc(0) }),
    decoder: jsonRecords,
    fetchBytesMax: 1_000_000,
    recordBytesMax,
  })
}

test('records that cannot become lines count with their own bytes', async () => {
  const large = Buffer.from(`"${'x'.repeat(998)}"`)
  const read = reader([large, Buffer.from('{"a":1}'), large, large, large], 100)
  const counts: [number, number][] = []
  for (let from = 0; from < 5; ) {
    const batch = await read.read(from, { bytesMax: 2_100, recordsMax: 100 })
    if (batch === null || batch instanceof OutOfRange) throw new Error(`nothing at offset ${from}`)
    counts.push([batch.count, batch.bytes ?? batch.lines.length])
    from = batch.end
  }
  expect(counts).toEqual([
    [3, 2_018],
    [2, 2_010],
  ])
})

test('lines, originals and offsets are the records, whatever they are and wherever a read ends', async () => {
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.json().map((text) => Buffer.from(text)) },
    fc.constant(null),
    fc.constantFrom('', ' ', '\n', '{"a":\n1}', 'no\njson', 'x'.repeat(200)).map((text) => Buffer.from(text)),
  )
  const limits = fc.record({ bytesMax: fc.integer({ min: 1, max: 400 }), recordsMax: fc.integer({ min: 1, max: 9 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 40 }), limits, async (values, most) => {
      const read = reader(values, 150)
      let at = 0
      while (at < values.length) {
        const batch = await read.read(at, most)
        if (batch === null || batch instanceof OutOfRange) throw new Error(`nothing at offset ${at}`)
        const lines = batch.lines.toString('utf8').split('\n')
        expect(lines.pop()).toBe('')
        expect([batch.start, batch.end, batch.offsets, lines.length]).toEqual([at, at + batch.count, null, batch.count])
        expect(batch.arrivals.reduce((sum, { count }) => sum + count, 0)).toBe(batch.count)
        for (const [index, line] of lines.entries())
          expectRecord(values[at + index]!, line, batch.originals?.get(index))
        at = batch.end
      }
    }),
  )
})

test('a record that goes on behind its own end is refused: it would lie over the next one', async () => {
  const shorter = (batch: Buffer): void => {
    batch[61]! -= 4
    sealed(batch)
  }
  const read = reader([Buffer.from('{"a":1}'), Buffer.from('{"a":2}')], 100, shorter)
  await expect(read.read(0, { bytesMax: 1_000, recordsMax: 10 })).rejects.toThrow(
    /offset 0 is longer than its length field says/,
  )
})

test.each([-12, 0, 48])('a batch whose length field says %i is refused: it would never end', async (length) => {
  const read = reader([Buffer.from('{"a":1}'), Buffer.from('{"a":2}')], 100, (batch) => {
    batch.writeInt32BE(length, 8)
  })
  await expect(read.read(1, { bytesMax: 1_000, recordsMax: 10 })).rejects.toThrow(
    `batch at offset 0: it is damaged: its length field says ${length} bytes`,
  )
})

test('a batch that differs from its checksum is refused, and read again', async () => {
  const values = [Buffer.from('{"a":1}'), Buffer.from('{"a":2}')]
  let damaged: Buffer | null = null
  const read = reader(values, 100, (batch) => {
    batch[70]! ^= 1
    damaged = batch
  })
  const limits = { bytesMax: 1_000, recordsMax: 10 }
  await expect(read.read(0, limits)).rejects.toMatchObject({
    name: 'KafkaBatchError',
    message: expect.stringMatching(/batch at offset 0: its checksum differs/),
  })
  damaged![70]! ^= 1
  expect(await read.read(0, limits)).toMatchObject({ start: 0, end: 2, count: 2 })
})

function expectRecord(value: Buffer | null, line: string, original: OriginalRecord | undefined): void {
  const text = value?.toString('utf8') ?? ''
  const plain = text.trim() !== '' && (value?.length ?? 0) <= 150 && !text.includes('\n')
  if (plain) {
    expect([line, original]).toEqual([text, undefined])
    return
  }
  expect(original?.bytes).toEqual(value ?? Buffer.alloc(0))
  const joined = text === '{"a":\n1}'
  expect([line, original?.reason === null]).toEqual([joined ? '{"a": 1}' : 'null', joined])
}

test('the epoch of what was read goes with the next fetch; a leader of another history is an error, and then it begins afresh', async () => {
  const records = batchOf([Buffer.from('1'), Buffer.from('2')])
  records.writeInt32BE(7, 12)
  const asked: [from: number, lastEpoch: number][] = []
  const answer: Fetched = {
    errorCode: 0,
    highWatermark: -1,
    lastStableOffset: 5,
    logStartOffset: 0,
    aborted: [],
    records,
  }
  const read = new KafkaPartitionReader({
    partition: 3,
    fetch: async (from, _, lastEpoch) => {
      asked.push([from, lastEpoch])
      return from === 0 ? answer : { ...answer, records: Buffer.alloc(0), isDiverging: lastEpoch !== -1 }
    },
    decoder: jsonRecords,
    fetchBytesMax: 1_000_000,
    recordBytesMax: 1_000,
  })
  const limits = { bytesMax: 1_000, recordsMax: 2 }
  expect(await read.read(0, limits)).toMatchObject({ start: 0, end: 2 })
  await expect(read.read(2, limits)).rejects.toMatchObject({ name: 'LogDivergedError', at: 2 })
  expect(await read.read(2, limits)).toBeNull()
  expect(asked).toEqual([
    [0, -1],
    [2, 7],
    [2, -1],
  ])
})
