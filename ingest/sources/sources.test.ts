/** The same tests for every kind of source, against a local server that misbehaves: each event is in the log once. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { until } from '#tests/until.ts'
import { visit, visits } from '../ingest-fixture.ts'
import { Intake } from '../intake.ts'
import type { EventSource } from './event-source.ts'
import { HttpStreamSource } from './http-stream-source.ts'
import { GARBAGE, MisbehavingSite } from './misbehaving-site-fixture.ts'
import { PollingSource } from './polling-source.ts'
import { ServerSentEventsSource } from './server-sent-events-source.ts'
import { SourceRunner } from './source-runner.ts'
import { WebSocketSource } from './websocket-source.ts'

const RECORDS = Array.from({ length: 40 }, (_, index) => visit(index + 1))
const SILENCE_MS = 300
const TIMING = { lingerMs: 2, lookEveryMs: 20, retryMsFirst: 1, retryMsMax: 20 }
const RESUME = { parameter: 'cursor', from: '$.id', overlap: 3 } as const

interface Kind {
  readonly kind: string
  readonly make: (address: string, headers?: Record<string, string>) => EventSource
  readonly takesGarbage: boolean
  readonly followsRedirects: boolean
}

const common = (url: string, headers: Record<string, string> = {}) => ({
  target: { url: new URL(url), headers, hasCredentials: Object.keys(headers).length > 0 },
  silenceMsMax: SILENCE_MS,
})

const KINDS: readonly Kind[] = [
  {
    kind: 'http-stream',
    make: (address, headers) => new HttpStreamSource({ ...common(`${address}/lines`, headers), resume: RESUME }),
    takesGarbage: true,
    followsRedirects: true,
  },
  {
    kind: 'server-sent-events',
    make: (address, headers) => new ServerSentEventsSource(common(`${address}/events`, headers)),
    takesGarbage: true,
    followsRedirects: true,
  },
  {
    kind: 'websocket',
    make: (address, headers) =>
      new WebSocketSource({ ...common(`${address.replace('http', 'ws')}/socket`, headers), resume: RESUME }),
    takesGarbage: true,
    followsRedirects: false,
  },
  {
    kind: 'polling',
    make: (address, headers) =>
      new PollingSource({
        ...common(`${address}/poll`, headers),
        everyMs: 20,
        records: '$.data',
        page: { parameter: 'next_token', from: '$.meta.next_token' },
        resume: { parameter: 'cursor', from: '$.meta.newest_id' },
      }),
    takesGarbage: false,
    followsRedirects: true,
  },
]

describe.each(KINDS)('$kind', ({ kind, make, takesGarbage, followsRedirects }) => {
  let site: MisbehavingSite
  let address: string
  const records = { current: memoryLogRecords({ partitions: 2 }) }
  const runners: SourceRunner[] = []
  beforeEach(async () => {
    site = new MisbehavingSite(RECORDS)
    address = await site.listen()
    records.current = memoryLogRecords({ partitions: 2 })
  })
  afterEach(async () => {
    for (const runner of runners.splice(0)) await runner.stop()
    site.close()
  })

  const run = (source: EventSource = make(address)): SourceRunner => {
    const log = new MemoryLog({ records: records.current })
    const runner = new SourceRunner({
      ...{ dataset: 'visits', name: 'live', kind, source, ledger: log.sources, timing: TIMING },
      intake: new Intake({ dataset: visits, log, limits: { recordBytesMax: 2_000 } }),
      tryLock: async () => ({ release: async () => {} }),
      emit: () => {},
    })
    runners.push(runner)
    runner.start()
    return runner
  }
  const lines = async (): Promise<string[]> => {
    const log = new MemoryLog({ records: records.current })
    const found: string[] = []
    for (let partition = 0; partition < log.partitions; partition++)
      found.push(
        ...((await log.read(partition, 0, { bytesMax: 1e6, recordsMax: 1e4 }))?.lines.toString().split('\n') ?? []),
      )
    return found.filter((line) => line !== '')
  }
  const events = async (): Promise<string[]> => (await lines()).filter((line) => line.startsWith('{"id"')).sort()
  const complete = () => until('every event is there', async () => (await events()).length >= RECORDS.length)
  const exact = async (): Promise<void> => {
    await complete()
    expect(await events()).toEqual([...RECORDS].sort())
  }

  test('reads everything, and says where it is', async () => {
    const runner = run()
    await exact()
    await until('it says so', () => runner.status().events === RECORDS.length)
    expect(runner.status()).toMatchObject({ rejected: 0, resumption: 'exact' })
  })

  test.each([['cut', 'cut', 'cut'], ['silence'], ['busy', 'busy'], ['slow'], ['cut', 'again']] as const)(
    'connections that are %s, %s, %s: each event is there once',
    async (...misbehaviours) => {
      site.misbehaviours.push(...misbehaviours.filter((each) => each !== undefined))
      run()
      await exact()
      await until('all have misbehaved', () => site.misbehaviours.length === 0)
    },
  )

  test('stopped and started again at any moment, each event is there once', async () => {
    for (let round = 0; round < 4; round++) {
      site.misbehaviours.push('cut')
      const runner = run()
      const enough = (round + 1) * 4
      await until('some are there', async () => (await events()).length >= Math.min(enough, RECORDS.length))
      await runner.stop()
    }
    site.misbehaviours.length = 0
    run()
    await exact()
  })

  test('garbage does not keep the others from being read', async () => {
    site.misbehaviours.push('garbage')
    run()
    await exact()
    const others = (await lines()).filter((line) => !line.startsWith('{"id"'))
    expect(others).toEqual(takesGarbage ? [GARBAGE] : [])
  })

  test('a record over the limit becomes a dead letter with its beginning', async () => {
    site.misbehaviours.push('huge')
    run()
    await exact()
    const [other, ...more] = (await lines()).filter((line) => !line.startsWith('{"id"'))
    expect(more).toEqual([])
    const [, reason, first] = JSON.parse(other!) as string[]
    expect(reason).toMatch(
      /^the record has 50\d\d bytes or more, but the limit recordBytesMax is 2000; its first 1024 bytes are kept$/,
    )
    expect(Buffer.from(first!, 'base64').toString()).toContain('{"id":1,"note":"xxxx')
  })

  test.runIf(followsRedirects)('a redirect is followed; to another origin only without credentials', async () => {
    const other = new MisbehavingSite(RECORDS)
    try {
      const away = await other.listen()
      const own = kind === 'polling' ? '/poll' : kind === 'server-sent-events' ? '/events' : '/lines'
      site.misbehaviours.push({ redirect: `${away}${own}` })
      const runner = run(make(address, { authorization: 'Bearer s3cret' }))
      await until('it is refused', () => runner.status().state === 'refused' || site.misbehaviours.length === 0)
      await until('it is read at its own place', async () => (await events()).length === RECORDS.length)
      expect(other.asked).toEqual([])
      await runner.stop()
      records.current = memoryLogRecords({ partitions: 2 })
      site.misbehaviours.push({ redirect: `${away}${own}` })
      run()
      await exact()
      expect(other.asked.length).toBeGreaterThan(0)
      expect(other.headers.every(({ authorization }) => authorization === undefined)).toBe(true)
    } finally {
      other.close()
    }
  })

  test('headers are sent', async () => {
    run(make(address, { authorization: 'Bearer s3cret' }))
    await exact()
    expect(site.headers.every(({ authorization }) => authorization === 'Bearer s3cret')).toBe(true)
  })

  test('without the other side it is failing, with the reason', async () => {
    const runner = run(make('http://127.0.0.1:1'))
    await until('it fails', () => runner.status().state === 'failing')
    expect(runner.status().reason).toMatch(/127\.0\.0\.1(:1)?: .*(ECONNREFUSED|bad port)/)
  })
})
