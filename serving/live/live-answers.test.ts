/** When resident answers are computed, kept and waited for. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parsePosition } from '#core/log-position.ts'
import { type Given, LiveVisits, START, visits, WHEN_TOLD } from '#tests/live-visits-fixture.ts'
import { until } from '#tests/until.ts'
import { ClientGoneError } from '../answers/query-error.ts'
import { LiveAnswers } from './live-answers.ts'
import { TallyKeeper } from './tally-keeper.ts'

let own: LiveVisits
beforeEach(async () => {
  own = await LiveVisits.open()
})
afterEach(() => own.end())

test('an answer is kept: asked again, neither files nor the engine are touched, and many at once are computed once', async () => {
  await own.append(100)
  const first = await own.ask({ view: 'by_page' })
  expect(visits(first)).toBe(100)
  const [usedConnections, usedFiles] = [own.connections, own.filesRead.length]
  const again = await Promise.all(Array.from({ length: 20 }, () => own.ask({ view: 'by_page' })))
  expect(again.every((answer) => visits(answer) === 100)).toBe(true)
  expect([own.connections, own.filesRead.length]).toEqual([usedConnections, usedFiles])
  const others = Array.from({ length: 20 }, () => own.ask({ view: 'by_page', dimensions: [] }))
  expect((await Promise.all(others)).map(visits)).toEqual(new Array(20).fill(100))
  expect(own.connections).toBe(usedConnections + 1)
  expect(own.answers.counts).toEqual({ kept: 20, joined: 19, computed: 2 })
})

test('views that are expected are up to date before they are asked for, and what is wrong with them is said then', async () => {
  await own.append(100)
  expect(own.live.isFollowed('by_page')).toBe(false)
  await own.answers.expect(['by_page', 'trending'])
  expect(['by_page', 'trending'].filter((name) => own.live.isFollowed(name))).toEqual(['by_page', 'trending'])
  const used = own.connections
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(100)
  expect(own.connections).toBe(used + 1)
  await own.answers.expect(['absent'])
})

test('an answer at another position is computed anew: a kept one is never given for it', async () => {
  await own.append(10)
  const first = await own.ask({ view: 'by_page' })
  await own.append(10)
  await own.live.refresh()
  const second = await own.ask({ view: 'by_page' })
  expect([visits(first), first.position]).toEqual([10, [5, 5]])
  expect([visits(second), second.position]).toEqual([20, [10, 10]])
})

test('the tag of an answer changes with its rows, also where only the window moved on', async () => {
  await own.append(100)
  const tagAt = async (nowMs: number): Promise<string> => {
    const asked = own.answers.asked({ dataset: 'visits', view: 'trending' })
    return (await own.answers.answer(asked, { nowMs })).tag
  }
  const first = await tagAt(START + 60_000)
  expect(await tagAt(START + 60_000)).toBe(first)
  expect(await tagAt(START + 90_000)).not.toBe(first)
})

/** Whoever computes does so at once. */
const atOnce = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => work(new AbortController().signal)

async function askAtLeast(text: string, waitMsMax = 60_000, signal = new AbortController().signal): Promise<Given> {
  const asked = own.answers.asked({ dataset: 'visits', view: 'by_page' })
  const atLeast = { position: parsePosition(text)!, waitMsMax }
  const { rowsJson, meta } = await own.answers.answerAtLeast(asked, atLeast, { signal, run: atOnce })
  return { rows: JSON.parse(rowsJson) as Given['rows'], position: meta.position }
}

test('an answer that must count a position waits for it, and for nothing else', async () => {
  await own.append(10)
  expect(visits(await askAtLeast('0:5,1:5'))).toBe(10)
  expect(visits(await askAtLeast('1:3'))).toBe(10)
  expect(own.answers.counts).toEqual({ kept: 1, joined: 0, computed: 1 })
  const waiting = Promise.all(['0:10,1:5', '1:6', '1:12'].map((text) => askAtLeast(text)))
  await own.append(10)
  await own.live.refresh()
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(20)
  await own.append(10)
  await own.live.refresh()
  const all = await waiting
  expect(all.every(({ position: [first, second] }) => first! >= 10 && second! >= 10)).toBe(true)
  expect(all[2]!.position).toEqual([15, 15])
  expect(visits(all[2]!)).toBe(30)
})

test('who waits for a position does not wait for the share of a processor that following views has used up', async () => {
  const share = 1e-9
  const limits = { refreshPauseMs: 1, followShareMin: share, followShareMax: share, followPauseMsMax: 3_600_000 }
  await own.end()
  own = await LiveVisits.open(undefined, limits)
  own.live.start()
  // Some 300 ms may be used at first.
  for (let events = 10; events <= 1_000; events += 10) {
    await own.append(10)
    expect(visits(await askAtLeast(`0:${events / 2},1:${events / 2}`, 20_000))).toBe(events)
  }
})

test('a position that is not reached in time is refused with how far answers count', async () => {
  await own.append(10)
  await expect(askAtLeast('0:5,1:6', 1)).rejects.toMatchObject({
    name: 'PositionNotReachedError',
    message: expect.stringMatching(/waitMsMax = 1 ms .* up to 1:5, but not yet up to 1:6/),
    position: [5, 5],
  })
  const gone = new AbortController()
  const waiting = askAtLeast('0:6', 60_000, gone.signal)
  gone.abort()
  await expect(waiting).rejects.toThrow(ClientGoneError)
})

test('a speed store that hangs holds up one refresh; answers go on counting everything', async () => {
  await own.append(10)
  let asked = 0
  own.markers = () => {
    asked++
    return new Promise(() => {})
  }
  for (let events = 10; events <= 50; events += 10) {
    await own.live.refresh()
    expect(visits(await own.ask({ view: 'by_page' }))).toBe(events)
    await own.close()
    await own.live.refresh()
    await own.append(10)
  }
  expect(asked).toBe(1)
})

test('an answer says while the log cannot be read that events may be missing, and keeps its position', async () => {
  await own.append(10)
  await own.live.refresh()
  const asked = own.answers.asked({ dataset: 'visits', view: 'by_page' })
  const kept = await own.answers.answer(asked)
  expect(JSON.parse(own.answers.ageJson(kept, Date.now()))).toMatchObject({ behind: 0, liveMissing: null })
  await own.append(10)
  own.rangeOf = () => Promise.reject(new Error('down'))
  await own.live.refresh()
  const later = await own.answers.answer(asked)
  const why = 'the log cannot be read, or ends before what is counted'
  expect(later.meta.position).toEqual([5, 5])
  expect(JSON.parse(own.answers.ageJson(later, Date.now()))).toMatchObject({ behind: null, liveMissing: why })
  expect(own.answers.whyMissing(later)).toBe(why)
  own.rangeOf = (partition) => own.log.range(partition)
  await own.live.refresh()
  const whole = await own.answers.answer(asked)
  expect(whole.meta).toMatchObject({ position: [10, 10] })
  expect(own.answers.whyMissing(whole)).toBeNull()
})

test('a view that was left alone follows again as soon as it is asked for', async () => {
  await own.append(10)
  await own.live.refresh()
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(10)
  for (let events = 20; events <= 60; events += 10) {
    await own.append(10)
    await own.live.refresh()
    expect(visits(await own.ask({ view: 'by_page' }))).toBe(events)
  }
})

/** Tables of tails' states: what does not change is in tables that are kept compressed. */
async function tailTables(visits: LiveVisits): Promise<number> {
  const connection = await visits.engine.connect()
  const [row] = await connection.rows<{ n: number }>(
    "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name LIKE 'resident_%' AND database_name = 'memory'",
  )
  connection.close()
  return row!.n
}

test('a view that nobody asks for keeps no states of a short tail, and all of it is there for the next query', async () => {
  const unasked = { hotMs: 0, coldEveryMs: 0, coldPauses: 0, restAfterMs: 0, restRecordsMax: 30 }
  const resting = await LiveVisits.open(undefined, unasked)
  try {
    await resting.append(100)
    await resting.close()
    for (const [events, tables] of [
      [20, 0],
      [10, 0],
      // More than the next query should have left to fold.
      [10, 2],
    ] as const) {
      await resting.append(events)
      await resting.live.refresh()
      expect(await tailTables(resting)).toBe(tables)
    }
    const read = resting.filesRead.length
    expect(visits(await resting.ask({ view: 'by_page' }))).toBe(140)
    expect(await tailTables(resting)).toBe(2)
    await resting.close()
    await resting.append(10)
    await resting.live.refresh()
    expect(await tailTables(resting)).toBe(0)
    expect(visits(await resting.ask({ view: 'by_page' }))).toBe(150)
    expect(await tailTables(resting)).toBe(1)
    // Those of the two segments that closed meanwhile, by both views.
    expect(resting.filesRead.slice(read)).toHaveLength(4)
  } finally {
    await resting.end()
  }
})

test('a view is brought up to date although segments close faster than it takes them in', async () => {
  await own.append(100)
  await own.close()
  let closes = 0
  const underWay: Promise<void>[] = []
  own.beforeCheck = async () => {
    if (++closes > 20) return
    const closing = own.append(2).then(() => own.close())
    underWay.push(closing)
    await closing
    underWay.push(own.live.refresh())
  }
  expect(visits(await own.ask({ view: 'by_page' }))).toBeGreaterThan(100)
  expect(closes).toBeLessThanOrEqual(6)
  own.beforeCheck = async () => {}
  // A stream role that is still at work would look for the engine after its end.
  while (underWay.length > 0) await underWay.pop()
})

test('while a tally is being made, answers are of the head that there is, however old', async () => {
  await own.append(100)
  const limits = { ...WHEN_TOLD, followWaitMsMax: 1, headAgeMsMax: 0, tallyAfterAnswers: 1 }
  const live = own.follow(limits)
  const answers = new LiveAnswers(live)
  const gate = Promise.withResolvers<void>()
  const make = TallyKeeper.prototype.make
  const making = vi.spyOn(TallyKeeper.prototype, 'make').mockImplementation(async function (
    this: TallyKeeper,
    settled,
  ) {
    await gate.promise
    return make.call(this, settled)
  })
  try {
    const visitsNow = async (query: { readonly dimensions?: string[] }): Promise<[number, number]> => {
      const { rowsJson, meta } = await answers.answer(
        answers.asked({ dataset: 'visits', view: 'by_page', measures: ['visits'], ...query }),
      )
      const rows = JSON.parse(rowsJson) as Given['rows']
      return [visits({ rows, position: meta.position }), meta.position.reduce((sum, position) => sum + position, 0)]
    }
    // The first one wants a tally, which is not made before the gate opens.
    expect(await visitsNow({})).toEqual([100, 100])
    await until('a tally is being made', () => making.mock.calls.length > 0)
    await own.append(100)
    // It goes on when the tally is made.
    const refreshed = live.refresh()
    await until('more is known of', () => live.counted.reduce((sum, end) => sum + end, 0) === 200)
    expect(await visitsNow({ dimensions: [] })).toEqual([100, 100])
    gate.resolve()
    await refreshed
    await live.refresh()
    expect(await visitsNow({})).toEqual([200, 200])
  } finally {
    gate.resolve()
    making.mockRestore()
    await live.stop()
  }
})
