/**
 * Series through the real embedded parts: at every position, however the events are cut between the layers, and wherever a query begins,
 * an answer is what plain code calculates from the events.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type GeneratedPlatform, openGenerated } from '#tests/generated-definitions/generated-platform.ts'
import { type AskedGrain, bucketsOf } from './buckets.ts'
import { plainSeries, type Row, type Value } from './plain-series.ts'
import { DAYS, START_MS, TICKS, type Tick, textOf, ticks } from './ticks.ts'

const seed = Number(process.env.GENERATED_SEED ?? Date.now() % 2 ** 31)
const runs = Number(process.env.GENERATED_RUNS ?? 2)
const SEARCH_MS_MAX = 100_000

let folder: string
let engine: DuckDbEngine
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-series-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

interface Asked {
  readonly series: 'plain' | 'filled'
  readonly by: readonly ('symbol' | 'venue')[] | null
  readonly grain: AskedGrain | null
  readonly timezone: 'UTC' | 'Europe/Berlin' | 'America/St_Johns'
  /** quarters of an hour after the start */
  readonly from: number | null
  readonly to: number | null
  readonly filter: keyof typeof FILTERS | null
  readonly having: 'trades:gte:2' | 'total:lt:500' | 'place:eq:1' | null
  readonly measures: readonly string[] | null
  readonly newest: number | null
}

/** What a key's value must be. */
const FILTERS = {
  'symbol:eq:a': (value) => value === 'a',
  'venue:eq:x': (value) => value === 'x',
  'venue:in:["x",null]': (value) => value === 'x' || value === null,
  'venue:ne:x': (value) => value !== 'x',
} satisfies Record<string, (value: Value) => boolean>

const ROWS_MAX = 10_000
const QUARTERS = DAYS * 96
const asked: fc.Arbitrary<Asked> = fc
  .record({
    series: fc.constantFrom('plain', 'filled'),
    by: fc.constantFrom(null, ['symbol', 'venue'] as const, ['venue'] as const, [] as const),
    grain: fc.constantFrom(null, 'minute', 'hour', 'day', 'week', 'month'),
    timezone: fc.constantFrom('UTC', 'UTC', 'Europe/Berlin', 'America/St_Johns'),
    from: fc.option(fc.integer({ min: -100, max: QUARTERS })),
    to: fc.option(fc.integer({ min: -100, max: QUARTERS + 100 })),
    filter: fc.constantFrom(null, ...(Object.keys(FILTERS) as (keyof typeof FILTERS)[])),
    having: fc.constantFrom(null, null, 'trades:gte:2', 'total:lt:500', 'place:eq:1'),
    measures: fc.constantFrom(
      null,
      ['close'],
      ['upper', 'close'],
      ['strength'],
      ['smooth', 'true_range'],
      ['part', 'place'],
      ['usual_part'],
      ['best', 'recent'],
      ['trend', 'rising'],
      ['score', 'usual_volume'],
      ['usual_close', 'usual_recent'],
    ),
    newest: fc.option(fc.integer({ min: 1, max: 5 })),
  } as const)
  .map(({ from, to, grain, ...more }) => ({
    ...more,
    // Two weeks of minutes would be all of the test's work.
    grain: more.series === 'filled' && grain === 'minute' ? null : grain,
    // Weeks and months have no earlier time that is a day ago.
    measures: grain === 'week' || grain === 'month' ? withoutEarlier(more.measures) : more.measures,
    from: from !== null && to !== null ? Math.min(from, to) : from,
    to: from !== null && to !== null ? Math.max(from, to) + 1 : to,
  }))

const EARLIER = ['usual_volume', 'usual_close', 'usual_recent', 'score']

function withoutEarlier(measures: readonly string[] | null): readonly string[] {
  const { views, series } = TICKS
  const all = [...Object.keys(views.bars!.measures), ...Object.keys(series!.plain!.columns)]
  const some = (measures ?? all).filter((name) => !EARLIER.includes(name))
  return some.length === 0 ? ['close'] : some
}

interface Recorded {
  readonly partition: number
  readonly offset: number
  readonly tick: Tick
}

class Run {
  readonly #platform: GeneratedPlatform
  readonly #recorded: Recorded[] = []

  constructor(platform: GeneratedPlatform) {
    this.#platform = platform
  }

  async append(some: readonly Tick[]): Promise<void> {
    if (some.length === 0) return
    const { verdicts } = await this.#platform.intake.offer(some.map(textOf))
    for (const verdict of verdicts) {
      if (verdict.status === 'rejected') throw new Error(verdict.reason)
      this.#recorded.push({ partition: verdict.partition, offset: verdict.offset, tick: some[verdict.index]! })
    }
  }

  async ask(one: Asked, atLeast: string | null = null): Promise<void> {
    const reply = await this.#platform.app.inject(
      `/v1/datasets/ticks/views/${one.series}?${parametersOf(one, atLeast)}`,
    )
    expect(reply.statusCode, reply.body).toBe(200)
    const { data, meta } = reply.json() as { data: Row[]; meta: { position: number[]; exact: boolean; view: string } }
    expect(meta).toMatchObject({ view: one.series, exact: true })
    const counted = this.#recorded.filter(({ partition, offset }) => offset < meta.position[partition]!)
    if (atLeast !== null) expect(counted.length).toBe(this.#recorded.length)
    expectRows(
      JSON.stringify(one),
      data,
      plainAnswer(
        counted.map(({ tick }) => tick),
        one,
      ),
    )
  }

  get end(): string {
    const ends = new Map<number, number>()
    for (const { partition, offset } of this.#recorded)
      ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
    return [...ends].map(([partition, end]) => `${partition}:${end}`).join(',')
  }
}

const timeOf = (quarters: number): number => START_MS + quarters * 900_000

function parametersOf(one: Asked, atLeast: string | null): URLSearchParams {
  const given = {
    dimensions: one.by?.join(','),
    grain: one.grain,
    timezone: one.timezone,
    from: one.from === null ? null : timeOf(one.from),
    to: one.to === null ? null : timeOf(one.to),
    filter: one.filter,
    having: one.having,
    measures: one.measures?.join(','),
    order: one.newest === null ? null : '-time',
    limit: one.newest ?? ROWS_MAX,
    atLeast,
  }
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(given))
    if (value !== null && value !== undefined) parameters.set(name, String(value))
  return parameters
}

function plainAnswer(counted: readonly Tick[], one: Asked): Row[] {
  const by = one.by ?? ['symbol']
  const name = one.filter?.split(':')[0] as 'symbol' | 'venue'
  const passes = one.filter === null ? () => true : FILTERS[one.filter]
  const isOfKey = one.filter !== null && by.includes(name)
  const merged = one.filter === null || isOfKey ? counted : counted.filter((tick) => passes(tick[name]))
  const buckets = bucketsOf(one.grain ?? 'hour', one.timezone)
  const all = plainSeries(merged, { filled: one.series === 'filled', by, ...buckets })
  const shown = one.measures === null ? null : new Set(['time', ...by, ...one.measures])
  const keyOf = (row: Row): string[] => by.map((key) => (row[key] === null ? '~' : (row[key] as string)))
  const sorted = all
    .filter((row) => !isOfKey || passes(row[name]!))
    .filter(({ time }) => one.from === null || Date.parse(time as string) >= timeOf(one.from))
    .filter(({ time }) => one.to === null || Date.parse(time as string) < timeOf(one.to))
    .filter((row) => isHaving(row, one.having))
    .toSorted((a, b) => {
      const [first, second] = [a.time as string, b.time as string]
      if (first !== second) return first < second === (one.newest === null) ? -1 : 1
      return keyOf(a).join('\0') < keyOf(b).join('\0') ? -1 : 1
    })
  return sorted
    .slice(0, one.newest ?? ROWS_MAX)
    .map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => shown?.has(key) ?? true)))
}

function isHaving(row: Row, having: Asked['having']): boolean {
  if (having === 'trades:gte:2') return (row.trades as number) >= 2
  if (having === 'total:lt:500') return row.total !== null && (row.total as number) < 500
  return having === null || row.place === 1
}

function expectRows(question: string, found: readonly Row[], wanted: readonly Row[]): void {
  expect(
    found.map(({ time }) => time),
    question,
  ).toEqual(wanted.map(({ time }) => time))
  for (const [at, row] of found.entries()) {
    expect(Object.keys(row).toSorted()).toEqual(Object.keys(wanted[at]!).toSorted())
    for (const [name, value] of Object.entries(row))
      expectValue(value, wanted[at]![name]!, `${question}, row ${at}, ${name}`)
  }
}

/** What is added up in another order differs in its last digits. */
function expectValue(found: Value, wanted: Value, where: string): void {
  if (typeof found !== 'number' || typeof wanted !== 'number') expect(found, where).toBe(wanted)
  else
    expect(Math.abs(found - wanted), `${where}: ${found}, wanted ${wanted}`).toBeLessThanOrEqual(
      1e-9 * Math.max(1, Math.abs(wanted)),
    )
}

test.each([
  { resident: true, segmentRecordsMax: 7 },
  { resident: false, segmentRecordsMax: 20 },
])(`a series equals plain code at every cut, seed ${seed}: %o`, async (options) => {
  const property = fc.asyncProperty(
    ticks,
    fc.array(asked, { minLength: 30, maxLength: 30 }),
    async (events, questions) => {
      const platform = await openGenerated({ folder, engine, definition: TICKS, ...options })
      try {
        const run = new Run(platform)
        const third = Math.ceil(events.length / 3)
        for (const part of [0, 1, 2]) {
          await run.append(events.slice(part * third, (part + 1) * third))
          for (const one of questions.slice(part * 5, part * 5 + 5)) await run.ask(one)
          if (part < 2) await platform.publish(part === 0 ? 'full' : 'incremental')
        }
        for (const one of questions.slice(15)) await run.ask(one, run.end)
        expect(platform.faults).toEqual([])
      } finally {
        await platform.close()
      }
    },
  )
  await fc.assert(property, { numRuns: runs, seed, interruptAfterTimeLimit: SEARCH_MS_MAX, endOnFailure: true })
})

test('rows of a grain that has no such earlier times are refused, unless they are not shown', async () => {
  const platform = await openGenerated({ folder, engine, definition: TICKS, resident: true, segmentRecordsMax: 20 })
  try {
    const reply = async (query: string) => platform.app.inject(`/v1/datasets/ticks/views/plain?${query}`)
    const refused = await reply('grain=month')
    expect([refused.statusCode, refused.json().detail]).toEqual([
      400,
      "grain: column 'usual_volume': usual has no earlier times in rows of a month, which are not equally long; use another grain, or leave it out of 'measures'",
    ])
    expect((await reply('grain=week&measures=score')).statusCode).toBe(400)
    expect((await reply('grain=week&measures=usual_close')).statusCode).toBe(200)
  } finally {
    await platform.close()
  }
})
