import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { MemoryLog, type MemoryLogRecords, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { until } from '#tests/until.ts'
import { visit, visits } from '../ingest-fixture.ts'
import { Intake } from '../intake.ts'
import { type EventSource, type ReadOptions, type SourceBatch, type SourceCursor, SourceFault } from './event-source.ts'
import { SourceRunner, type SourceRunnerParts } from './source-runner.ts'

const QUICK = { lingerMs: 1, lookEveryMs: 5, retryMsFirst: 1, retryMsMax: 5 }

/** Gives the texts of a list from the cursor on, which is an index; where `cuts` says so, it fails behind a record. */
class ListedSource implements EventSource {
  readonly resumption = 'exact'
  readonly texts: readonly string[]
  readonly cuts: Set<number>
  begun: SourceCursor[] = []
  given = 0

  constructor(texts: readonly string[], cuts: readonly number[] = []) {
    this.texts = texts
    this.cuts = new Set(cuts)
  }

  async *read(from: SourceCursor | null, { signal, watch }: ReadOptions): AsyncIterable<SourceBatch> {
    this.begun.push(from)
    watch.connected()
    for (let index = Number(from ?? 0); index < this.texts.length; index++) {
      if (this.cuts.delete(index)) throw new SourceFault(`cut behind ${index}`)
      this.given++
      yield { records: [Buffer.from(this.texts[index]!)], cursor: index + 1 }
    }
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  }
}

const runners: SourceRunner[] = []
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.stop()
})

function started(source: EventSource, log: MemoryLog, more: Partial<SourceRunnerParts> = {}): SourceRunner {
  const runner = new SourceRunner({
    ...{ dataset: 'visits', name: 'live', kind: 'listed', source, ledger: log.sources, timing: QUICK },
    intake: new Intake({ dataset: visits, log }),
    tryLock: async () => ({ release: async () => {} }),
    emit: () => {},
    ...more,
  })
  runners.push(runner)
  runner.start()
  return runner
}

/** The lines of both partitions, sorted. */
async function linesIn(records: MemoryLogRecords): Promise<string[]> {
  const log = new MemoryLog({ records })
  const lines: string[] = []
  for (let partition = 0; partition < log.partitions; partition++) {
    const { start, end } = await log.range(partition)
    for (let at = start; at < end; ) {
      const batch = (await log.read(partition, at, { bytesMax: 1e6, recordsMax: 1e4 }))!
      lines.push(...batch.lines.toString().split('\n').slice(0, -1))
      at = batch.end
    }
  }
  return lines.sort()
}

const texts = (count: number): string[] => Array.from({ length: count }, (_, id) => visit(id + 1000))
const isRead = (runner: SourceRunner, events: number) => until('it is read', () => runner.status().events === events)

test('reads everything, stores the cursor with it, and goes on there after a restart', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const first = new ListedSource(texts(300))
  const runner = started(first, new MemoryLog({ records }))
  await isRead(runner, 300)
  expect(runner.status()).toMatchObject({ state: 'running', cursor: '300', rejected: 0, resumption: 'exact' })
  await runner.stop()
  expect(runner.status().state).toBe('stopped')
  const later = new ListedSource(texts(450))
  await isRead(started(later, new MemoryLog({ records })), 450)
  expect([later.begun, later.given]).toEqual([[300], 150])
  expect(await linesIn(records)).toEqual(texts(450))
})

test('whatever is cut and whichever append fails, before or behind its commit: each event is in the log once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat(60), { maxLength: 4 }),
      fc.array(fc.constantFrom('none', 'append:before-commit', 'append:committed'), { maxLength: 12 }),
      async (count, cuts, faults) => {
        const records = memoryLogRecords({ partitions: 2 })
        let append = 0
        const step = (name: string): void => {
          const fault = faults[append]
          if (name === 'append:committed' || fault === name) append++
          if (fault === name) throw new Error(`fault at ${name}`)
        }
        const runner = started(new ListedSource(texts(count), cuts), new MemoryLog({ records, step }))
        await until('all are in the log', async () => (await linesIn(records)).length >= count)
        await runner.stop()
        expect(await linesIn(records)).toEqual(texts(count))
        expect(runner.status().events).toBe(count)
      },
    ),
    { numRuns: 40 },
  )
})

test('a frozen owner appends nothing more once another process has claimed the source', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const frozen = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  let appends = 0
  const step = async (name: string): Promise<void> => {
    if (name !== 'append:before-commit' || ++appends !== 1) return
    reached.resolve()
    await frozen.promise
  }
  const source = new ListedSource(texts(2_000))
  started(source, new MemoryLog({ records, step }), { timing: { ...QUICK, lookEveryMs: 60_000 } })
  await reached.promise
  await isRead(started(new ListedSource(texts(2_000)), new MemoryLog({ records })), 2_000)
  frozen.resolve()
  await until('it reads anew, behind what is in the log', () => source.begun.length === 2)
  expect(source.begun[1]).toBe(2_000)
  expect(await linesIn(records)).toEqual(texts(2_000))
})

test('while another process has the lock nothing is read; it is when the lock is free', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const source = new ListedSource(texts(3))
  let free = false
  const runner = started(source, new MemoryLog({ records }), {
    tryLock: async () => (free ? { release: async () => {} } : null),
  })
  await until('it waits', () => runner.status().state === 'elsewhere')
  expect(source.begun).toEqual([])
  free = true
  await isRead(runner, 3)
})

test('whoever has lost the lock does not claim the source again from its next holder', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const lost = new AbortController()
  let free = true
  const runner = started(new ListedSource(texts(3)), new MemoryLog({ records }), {
    tryLock: async () => (free ? { release: async () => {}, lost: lost.signal } : null),
  })
  await isRead(runner, 3)
  free = false
  lost.abort()
  const { sources } = new MemoryLog({ records })
  const next = await sources.claim('live')
  await until('it waits', () => runner.status().state === 'elsewhere')
  expect((await sources.list())[0]!.epoch).toBe(next.epoch)
})

test('a person pauses, resumes and resets it while it runs, from another process', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const source = new ListedSource(texts(5))
  const runner = started(source, new MemoryLog({ records }))
  await isRead(runner, 5)
  const { sources: person } = new MemoryLog({ records })
  await person.change('live', { paused: true })
  await until('it is paused', () => runner.status().state === 'paused')
  await person.change('live', { paused: false })
  await until('it runs', () => runner.status().state === 'running')
  expect(source.begun).toEqual([null, 5])
  await person.change('live', { cursor: null })
  await isRead(runner, 10)
  expect(source.begun).toEqual([null, 5, null])
})

test('a source that begins paused waits for a person', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const runner = started(new ListedSource(texts(2)), new MemoryLog({ records }), { startsPaused: true })
  await until('it is paused', () => runner.status().state === 'paused')
  await new MemoryLog({ records }).sources.change('live', { paused: false })
  await isRead(runner, 2)
})

test('a slow log slows the reading: no more than the limit waits in memory', async () => {
  const records = memoryLogRecords({ partitions: 2 })
  const gate = Promise.withResolvers<void>()
  const source = new ListedSource(texts(50_000))
  const runner = started(source, new MemoryLog({ records, step: () => gate.promise }))
  let given = -1
  await until(
    'it stops reading',
    async () => {
      const before = given
      given = source.given
      return given > 0 && given === before
    },
    { everyMs: 100 },
  )
  expect(given).toBeLessThanOrEqual(10_001)
  gate.resolve()
  await isRead(runner, 50_000)
})

test('garbage, blank lines, line breaks and records over the limit: dead letters, in their place', async () => {
  const records = memoryLogRecords({ partitions: 1 })
  const given: SourceBatch = {
    records: [
      Buffer.from('gar\nbage'),
      Buffer.from('  '),
      { first: Buffer.from('{"id":'), bytes: 5_000_000 },
      Buffer.from(visit(1)),
    ],
    cursor: 1,
  }
  const source: EventSource = {
    resumption: 'exact',
    async *read(from) {
      if (from === null) yield given
    },
  }
  const runner = started(source, new MemoryLog({ records }))
  await isRead(runner, 3)
  expect(await linesIn(records)).toEqual([
    '["watershed:unusable","the record has 5000000 bytes or more, but the limit recordBytesMax is 1048576; its first 6 bytes are kept","eyJpZCI6"]',
    'gar bage',
    visit(1),
  ])
})

test('a fault is its reason, without secrets; one that only a person can mend is a refusal', async () => {
  const records = memoryLogRecords({ partitions: 1 })
  const source: EventSource = {
    resumption: 'exact',
    // biome-ignore lint/correctness/useYield: it fails before it gives anything
    async *read() {
      throw new SourceFault('the key s3cret is wrong', { isRefusal: true })
    },
  }
  const told: string[] = []
  const runner = started(source, new MemoryLog({ records }), {
    mask: (text) => text.replaceAll('s3cret', '***'),
    emit: ({ message }) => told.push(message),
  })
  await until('it is refused', () => runner.status().state === 'refused')
  expect(runner.status().reason).toBe('the key *** is wrong')
  expect(told[0]).toMatch(/dataset 'visits', source 'live': the key \*\*\* is wrong; it is read again in \d+ ms/)
})
