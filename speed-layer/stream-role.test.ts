import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { until } from '#tests/until.ts'
import { append, line, StreamRoleFixture } from './stream-role-fixture.ts'

let fixture: StreamRoleFixture
beforeEach(async () => {
  fixture = await StreamRoleFixture.open()
})
afterEach(() => fixture.close())

const MINUTE = 60_000

test('what is folded is flushed, what closes is in the lake, what cannot be used is a dead letter with its bytes', async () => {
  const { lake, log, store, role, seen, events } = await fixture.parts({ segmentRecordsMax: 100, batchRecordsMax: 33 })
  const texts = Array.from({ length: 250 }, (_, id) =>
    id % 50 === 7 ? `{"id":${id},"at":"soon é` : line(id, id % 3 === 0 ? null : `/p${id % 5}`),
  )
  const flushed = seen('flush-written', 1, 250)
  await append(log, 1, texts)
  await role.start()
  await flushed
  await role.stop()
  expect(events.filter((event) => event.level === 'error')).toEqual([])

  const [, chain] = await lake.chains(2)
  expect(chain!.segments.map(({ start, end, rows, deadLetters }) => [start, end, rows, deadLetters])).toEqual([
    [0, 100, 98, 2],
    [100, 200, 98, 2],
  ])
  const letters = await fixture.connection.columns(
    `SELECT _offset, reason, bytes FROM read_parquet(${quoteText(lake.resolve(chain!.segments[0]!.deadLetterFile!))}) ORDER BY 1`,
  )
  expect(letters[0]!.map(Number)).toEqual([7, 57])
  expect(letters[1]![0]).toMatch(/not valid JSON/)
  expect(Buffer.from((letters[2]![0] as { bytes: Uint8Array }).bytes ?? letters[2]![0]).toString()).toBe(texts[7])

  const open = await store.read([fixture.dataset.views.get('pages')!.hash], new Map([[1, 200]]))
  expect(open.markers.get(1)).toMatchObject({ segmentStart: 200, through: 250, rows: 49, deadLetters: 1 })
  const rows = open.rows.get(fixture.dataset.views.get('pages')!.hash)!.map((text) => JSON.parse(text))
  const naive = Map.groupBy(
    texts.flatMap((text, id) => (id >= 200 && id % 50 !== 7 ? [JSON.parse(text)] : [])),
    (event) => JSON.stringify([Math.floor(event.at / MINUTE) * MINUTE, event.page]),
  )
  expect(rows.map((row) => [JSON.stringify([row.pane, row.page]), row.clicks__n]).sort()).toEqual(
    [...naive].map(([key, group]) => [key, group.length]).sort(),
  )
})

test('what comes slowly is left to gather, and read as soon as there is enough of it', async () => {
  const reads: number[] = []
  const parts = await fixture.parts(
    { flushEveryMs: 60_000, segmentRecordsMax: 5_010 },
    {
      log: {
        read: async (partition, from, limits) => {
          const batch = await parts.log.read(partition, from, limits)
          if (batch !== null) reads.push(batch.count)
          return batch
        },
      },
    },
  )
  const { log, role, seen } = parts
  const texts = Array.from({ length: 5_010 }, (_, id) => line(id, 'a'))
  await append(log, 0, texts.slice(0, 10))
  await role.start()
  await until('the first are read', () => reads.length > 0)
  const closed = seen('segment-closed')
  await append(log, 0, texts.slice(10, 4_000))
  await append(log, 0, texts.slice(4_000))
  // The next flush is a minute away.
  await closed
  await role.stop()
  expect(reads).toEqual([10, 5_000])
})

test('a new owner starts at the last manifest and replays what was open', async () => {
  const first = await fixture.parts({ segmentRecordsMax: 40 })
  await append(
    first.log,
    0,
    Array.from({ length: 90 }, (_, id) => line(id, 'a')),
  )
  const closed = first.seen('segment-closed', 2)
  await first.role.start()
  await closed
  await first.role.stop()
  const second = await fixture.parts({ segmentRecordsMax: 40 })
  await append(
    second.log,
    0,
    Array.from({ length: 30 }, (_, id) => line(90 + id, 'a')),
  )
  const again = second.seen('segment-closed')
  await second.role.start()
  await again
  await second.role.stop()
  const [chain] = await second.lake.chains(2)
  expect(chain!.segments.map(({ start, end }) => [start, end])).toEqual([
    [0, 40],
    [40, 80],
    [80, 120],
  ])
})

test('two owners at once: every offset is in the lake once, and the loser goes on behind the winner', async () => {
  const [a, b] = [
    await fixture.parts({ segmentRecordsMax: 30, batchRecordsMax: 10 }),
    await fixture.parts({ segmentRecordsMax: 50, batchRecordsMax: 10 }),
  ]
  for (let i = 0; i < 10; i++)
    await append(
      a.log,
      0,
      Array.from({ length: 100 }, (_, id) => line(i * 100 + id, 'a')),
    )
  const done = new Promise<void>((resolve) => {
    const look = async (): Promise<void> => {
      const [chain] = await a.lake.chains(2)
      if (chain!.end >= 950) resolve()
      else setImmediate(() => void look())
    }
    void look()
  })
  await Promise.all([a.role.start(), b.role.start()])
  await done
  await Promise.all([a.role.stop(), b.role.stop()])
  const [chain] = await a.lake.chains(2)
  const files = chain!.segments.map((segment) => quoteText(a.lake.resolve(segment.events!)))
  const [total] = await fixture.connection.rows<{ n: number; distinct: number }>(
    `SELECT count(*) AS n, count(DISTINCT _offset) AS distinct FROM read_parquet([${files.join(', ')}])`,
  )
  expect(total).toEqual({ n: chain!.end, distinct: chain!.end })
})

test('a clean-up that fails is told once, and neither ends the fold nor keeps the other one from being made', async () => {
  const tried: string[] = []
  const fails = (what: string) => async () => {
    tried.push(what)
    throw new Error(`no right to ${what}`)
  }
  const { role, log, seen, events } = await fixture.parts(
    { segmentRecordsMax: 10, readerGraceMs: 0 },
    { log: { trim: fails('trim') }, store: { deleteClosed: fails('delete') } },
  )
  await role.start()
  for (const end of [12, 24, 36]) {
    const flushed = seen('flush-written', 1, end)
    await append(
      log,
      0,
      Array.from({ length: 12 }, (_, i) => line(end - 12 + i, 'a')),
    )
    await flushed
  }
  await role.stop()
  expect(tried.toSorted()).toEqual(['delete', 'trim'])
  const told = events.filter(({ level }) => level === 'warn' || level === 'error')
  expect(told.map(({ name }) => name)).toEqual(['clean-up-failed', 'clean-up-failed'])
  expect(told[0]!.message).toMatch(/partition 0: dropping the log's records.*no right to trim; trying again/)
})

test('an owner that only closes segments, catching up, tells where it is and cleans up', async () => {
  let trims = 0
  const trim = async (): Promise<number> => ++trims
  const limits = { segmentRecordsMax: 10, batchRecordsMax: 10, flushEveryMs: 600_000, flushBehindEveryMs: 600_000 }
  const { role, log } = await fixture.parts(limits, { log: { trim } })
  const lines = Array.from({ length: 60 }, (_, id) => line(id, 'a'))
  await append(log, 0, lines)
  await role.start()
  await vi.waitFor(
    () => expect(role.status()[0]).toMatchObject({ state: 'running', position: 60, segmentStart: 60, logEnd: 60 }),
    { timeout: 60_000 },
  )
  expect(trims).toBeGreaterThan(0)
  await role.stop()
})

test('a stop flushes what came since the last read, too', async () => {
  const read = Promise.withResolvers<void>()
  const { role, log, store } = await fixture.parts(
    { flushEveryMs: 60_000 },
    {
      log: {
        read: async (...asked) => {
          const batch = await log.read(...asked)
          if (batch !== null) read.resolve()
          return batch
        },
      },
    },
  )
  await role.start()
  await append(log, 0, [line(1, 'a')])
  await read.promise
  await append(log, 0, [line(2, 'a'), line(3, 'b')])
  await role.stop()
  expect((await store.markers()).get(0)).toMatchObject({ through: 3, rows: 3 })
  await log.close()
  await store.close()
})

test('an owner that gets no connection to the engine says so and tries again', async () => {
  let left = 3
  const connect = async (): Promise<EngineConnection> => {
    if (left-- > 0) throw new Error('no connection now')
    return fixture.engine.connect()
  }
  const { role, log, store, seen, events } = await fixture.parts({ retryMsFirst: 1 }, { engine: { connect } })
  const flushed = seen('flush-written')
  await append(log, 0, [line(1, 'a')])
  await role.start()
  await flushed
  await role.stop()
  const faults = events.filter(({ name }) => name === 'stream-fault').map(({ message }) => message)
  expect(faults).toHaveLength(3)
  expect(faults[0]).toMatch(/no connection now; trying again in 1 ms/)
  await log.close()
  await store.close()
})

test('a stop waits for a part that is away for so long only; closing the parts ends what waits', async () => {
  const closed = Promise.withResolvers<never>()
  const waits = Promise.withResolvers<void>()
  const flush = (): Promise<never> => {
    waits.resolve()
    return closed.promise
  }
  const { role, log, store, lake, events } = await fixture.parts({ stopMsMax: 20 }, { store: { flush } })
  await append(log, 0, [line(1, 'a')])
  await role.start()
  await waits.promise
  const ended = { yes: false }
  const all = role.ended().then(() => {
    ended.yes = true
  })
  await role.stop()
  expect(ended.yes).toBe(false)
  closed.reject(new Error('the connection was closed'))
  await all
  expect(events.filter(({ level }) => level !== 'info').map(({ name }) => name)).toContain('stream-unflushed')
  expect(events.filter(({ name }) => name === 'stream-fault')).toEqual([])
  expect((await lake.chains(2))[0]!.end).toBe(0)
  await log.close()
  await store.close()
})

test('while the speed store is away a segment still closes at its age', async () => {
  const away = async (): Promise<never> => {
    throw new Error('away')
  }
  const limits = { segmentAgeMsMax: 300, retryMsFirst: 1, retryMsMax: 20 }
  const { role, log, lake, seen, events } = await fixture.parts(limits, { store: { flush: away, markers: away } })
  const closed = seen('segment-closed')
  await role.start()
  await append(log, 0, [line(1, 'a')])
  await closed
  await role.stop()
  expect((await lake.chains(2))[0]!.end).toBe(1)
  expect(events.filter(({ name }) => name === 'stream-fault').length).toBeGreaterThan(2)
})

test('decoding keeps what real records say', async (context) => {
  const file = join(import.meta.dirname, '../../shared/data/meetup-rsvps-2017.ndjson')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    console.log('skipped: ../shared/data/meetup-rsvps-2017.ndjson is not in this checkout')
    return context.skip()
  }
  const rsvps = await compileDataset((await import('#datasets/meetup-rsvps/definition.ts')).default, fixture.connection)
  const refused = text
    .trim()
    .split('\n')
    .map((row) => rsvps.explain(row, Date.UTC(2017, 5, 1)))
    .filter((reason) => reason !== null)
  expect(refused).toEqual([])
})

test('an owner that catches up lands a large segment when a flush is due', async () => {
  // Only that can close it: it is far from its limits, and no flush is slow.
  const catchingUp = { batchRecordsMax: 10, slowSegmentRecordsMin: 30, flushBehindEveryMs: 0, flushEveryMs: 60_000 }
  const { lake, log, store, role, seen } = await fixture.parts(catchingUp)
  const closed = seen('segment-closed')
  const texts = Array.from({ length: 2_000 }, (_, id) => line(id, '/p'))
  await append(log, 0, texts)
  await role.start()
  await closed
  await role.stop()
  const [chain] = await lake.chains(2)
  expect(chain!.segments[0]).toMatchObject({ start: 0, deadLetters: 0 })
  expect(chain!.segments[0]!.rows).toBeGreaterThanOrEqual(30)
  await store.close()
  await log.close()
})
