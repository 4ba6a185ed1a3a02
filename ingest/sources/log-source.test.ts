import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { until } from '#tests/until.ts'
import { visit, visits } from '../ingest-fixture.ts'
import { Intake } from '../intake.ts'
import type { SourceCursor } from './event-source.ts'
import { LogSource, type LogSourceOptions } from './log-source.ts'
import { SourceRunner } from './source-runner.ts'

const runners: SourceRunner[] = []
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.stop()
})

type Records = ReturnType<typeof memoryLogRecords>

function started(
  from: Records,
  into: Records,
  more: Partial<LogSourceOptions> = {},
  step?: (name: string) => void,
): SourceRunner {
  const log = new MemoryLog({ records: into, step })
  const runner = new SourceRunner({
    ...{ dataset: 'visits', name: 'theirs', kind: 'kafka', ledger: log.sources, emit: () => {} },
    source: new LogSource({ name: "topic 'theirs'", open: async () => new MemoryLog({ records: from }), ...more }),
    intake: new Intake({ dataset: visits, log }),
    tryLock: async () => ({ release: async () => {} }),
    timing: { lingerMs: 1, lookEveryMs: 5, retryMsFirst: 1, retryMsMax: 5 },
  })
  runners.push(runner)
  runner.start()
  return runner
}

async function write(records: Records, partition: number, texts: readonly string[]): Promise<void> {
  const lines = Buffer.from(texts.map((text) => `${text}\n`).join(''))
  await new MemoryLog({ records }).append([{ partition, lines, count: texts.length, keys: [...texts] }])
}

const linesIn = (records: Records): string[] =>
  records.partitions.flatMap((partition) => partition.records.map(({ line }) => String(line).trimEnd())).sort()

const has = (records: Records, count: number) =>
  until(`${count} are in the log`, () => linesIn(records).length >= count)

test('every record of the other log is in ours once, whatever is stopped and whichever append fails', async () => {
  const fault = fc.constantFrom('none', 'none', 'append:before-commit', 'append:committed')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 6 }),
      fc.array(fault, { maxLength: 6 }),
      async (parts, faults) => {
        const [from, into] = [memoryLogRecords({ partitions: 2 }), memoryLogRecords({ partitions: 3 })]
        let append = 0
        const step = (name: string): void => {
          const wanted = faults[append]
          if (name === 'append:committed' || wanted === name) append++
          if (wanted === name) throw new Error(`fault at ${name}`)
        }
        const texts: string[] = []
        for (const [partition, count] of parts) {
          const some = Array.from({ length: count }, (_, at) => visit(texts.length + at + 1_000))
          texts.push(...some)
          await write(from, partition, some)
          const runner = started(from, into, {}, step)
          if (partition === 1) await has(into, texts.length)
          await runner.stop()
        }
        const last = started(from, into)
        await has(into, texts.length)
        await last.stop()
        expect(linesIn(into)).toEqual(texts.toSorted())
      },
    ),
    { numRuns: 30 },
  )
})

test('begins at the end where it is to, and remembers that', async () => {
  const [from, into] = [memoryLogRecords({ partitions: 1 }), memoryLogRecords({ partitions: 1 })]
  await write(from, 0, [visit(1)])
  let caughtUp = 0
  const runner = started(from, into, { begin: 'latest', onCaughtUp: () => void caughtUp++ })
  await until('it has caught up', () => caughtUp > 0)
  await runner.stop()
  await write(from, 0, [visit(2)])
  started(from, into, { begin: 'latest' })
  await has(into, 1)
  expect(linesIn(into)).toEqual([visit(2)])
})

test('what was removed before it was read is a dead letter that says so', async () => {
  const [from, into] = [memoryLogRecords({ partitions: 1 }), memoryLogRecords({ partitions: 1 })]
  await write(from, 0, [visit(1)])
  const runner = started(from, into)
  await has(into, 1)
  await runner.stop()
  await write(from, 0, [visit(2), visit(3)])
  await write(from, 0, [visit(4)])
  await new MemoryLog({ records: from }).trim(0, 3, Date.now() + 1_000)
  started(from, into)
  await has(into, 3)
  expect(linesIn(into)).toEqual([
    expect.stringContaining("topic 'theirs', partition 0: the offsets 1 to 2 were removed before they were read"),
    visit(1),
    visit(4),
  ])
})

test('another log of the same name is refused', async () => {
  const from = memoryLogRecords({ partitions: 1 })
  const source = new LogSource({ name: "topic 'theirs'", open: async () => new MemoryLog({ records: from }) })
  const read = (cursor: SourceCursor) =>
    source.read(cursor, {
      signal: AbortSignal.timeout(10_000),
      limits: { recordBytesMax: 1_000, batchRecordsMax: 10 },
      watch: { connected: () => {}, waiting: () => {} },
    })
  await expect(read({ log: 'old', next: [0] }).next()).rejects.toThrow(/deleted and created again; reset the source/)
  const { identity } = new MemoryLog({ records: from })
  const ahead = read({ log: identity, next: [7] })
  await ahead.next()
  await expect(ahead.next()).rejects.toThrow(/it ends at offset 0, but was read up to 7 before/)
})
