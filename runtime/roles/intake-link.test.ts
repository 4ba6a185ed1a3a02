import { once } from 'node:events'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { DEFAULT_INGEST_LIMITS } from '#ingest/ingest-limits.ts'
import type { IntakeResult } from '#ingest/intake.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { IntakeLink, LinkedIntake } from './intake-link.ts'
import type { FromIntake, OfferRequest } from './intake-messages.ts'

const RESULT: IntakeResult = {
  verdicts: [],
  accepted: 1,
  rejected: 0,
  unusable: 0,
  warnings: [],
  appended: [],
  repeated: false,
}

const thread: MessagePort[] = []
afterEach(() => {
  for (const port of thread.splice(0)) port.close()
})

/** A link, and the end of it that the thread has. */
function linked(inFlightBytesMax = 1_000) {
  const events: PlatformEvent[] = []
  const emit = (event: PlatformEvent) => void events.push(event)
  const link = new IntakeLink(emit)
  const connect = (): MessagePort => {
    const { port1, port2 } = new MessageChannel()
    thread.push(port2)
    link.connect(port1)
    return port2
  }
  const intake = new LinkedIntake('visits', link, { ...DEFAULT_INGEST_LIMITS, inFlightBytesMax }, emit)
  return { intake, events, connect }
}

async function received(port: MessagePort): Promise<OfferRequest> {
  const [request] = (await once(port, 'message')) as [OfferRequest]
  return request
}

const reply = (port: MessagePort, message: FromIntake): void => port.postMessage(message)

test('hands a body over with its memory, or copies it out of memory that is shared', async () => {
  const { intake, connect } = linked()
  const port = connect()
  for (const body of [Buffer.from(new ArrayBuffer(8)).fill('a'), Buffer.from('b'.repeat(8))]) {
    const owned = body.buffer.byteLength === 8
    const text = String(body)
    const taking = intake.offerBody(body, 'ndjson', 'all')
    const { id, dataset, content, options } = await received(port)
    expect([dataset, options]).toEqual(['visits', { verdicts: 'all' }])
    expect('body' in content && [String(Buffer.from(content.body)), content.body.buffer.byteLength]).toEqual([text, 8])
    expect(body.length).toBe(owned ? 0 : 8)
    reply(port, { type: 'taken', id, result: RESULT })
    expect(await taking).toEqual(RESULT)
  }
})

test('an event of the thread comes before the reply it is about, a refusal under the name of its error', async () => {
  const { intake, events, connect } = linked()
  const port = connect()
  const offering = intake.offer(['{}'], { acceptUnusable: true })
  const { id, content, options } = await received(port)
  expect([content, options]).toEqual([{ rows: ['{}'] }, { acceptUnusable: true }])
  reply(port, { type: 'event', event: { name: 'append-failed', level: 'error', message: 'no luck' } })
  reply(port, { type: 'refused', id, name: 'StorageFileError', message: 'the disk is full' })
  await expect(offering).rejects.toMatchObject({ name: 'StorageFileError', message: 'the disk is full' })
  expect(events.map(({ name }) => name)).toEqual(['append-failed'])
})

test('replies may come in any order', async () => {
  const { intake, connect } = linked()
  const port = connect()
  const [first, second] = [intake.offer(['1']), intake.offer(['2'])]
  const ids = [(await received(port)).id, (await received(port)).id] as const
  reply(port, { type: 'taken', id: ids[1], result: { ...RESULT, accepted: 2 } })
  reply(port, { type: 'taken', id: ids[0], result: RESULT })
  expect([(await first).accepted, (await second).accepted]).toEqual([1, 2])
})

test('above inFlightBytesMax an offer is refused until others are answered', async () => {
  const { intake, events, connect } = linked(100)
  const port = connect()
  const first = intake.offerBody(Buffer.alloc(80, 'x'), 'ndjson', 'rejected')
  await expect(intake.offerBody(Buffer.alloc(80, 'x'), 'ndjson', 'rejected')).rejects.toThrow(/inFlightBytesMax is 100/)
  await expect(intake.offerBody(Buffer.alloc(101), 'json', 'all')).rejects.toMatchObject({ name: 'OfferTooLargeError' })
  expect(events.map(({ name }) => name)).toEqual(['intake-busy'])
  reply(port, { type: 'taken', id: (await received(port)).id, result: RESULT })
  await first
  const second = intake.offerBody(Buffer.alloc(80, 'x'), 'ndjson', 'rejected')
  reply(port, { type: 'taken', id: (await received(port)).id, result: RESULT })
  expect(await second).toEqual(RESULT)
})

test('a thread that ends leaves no offer unanswered, and the next one is used', async () => {
  const { intake, connect } = linked()
  await expect(intake.offer(['1'])).rejects.toMatchObject({ name: 'LogThreadError' })
  const first = connect()
  const lost = intake.offer(['1'])
  await received(first)
  first.close()
  await expect(lost).rejects.toThrow(/ended before it acknowledged/)
  await expect(intake.offer(['1'])).rejects.toThrow(/being restarted, nothing was taken/)
  const second = connect()
  const taking = intake.offer(['1'])
  reply(second, { type: 'taken', id: (await received(second)).id, result: RESULT })
  expect(await taking).toEqual(RESULT)
})
