/** Generated questions about sales, as a GET and as a POST ask them, and how their answers are compared with plain code. */
import fc from 'fast-check'
import { expect } from 'vitest'
import { type Dimension, FIRST_MS, MEASURES, type PlainPeriod, type PlainQuery, type Row } from './plain-sales.ts'

const DAY_MS = 86_400_000

/** Midnights of the zone: the clocks of Berlin change on 2026-03-29, those of New York before. */
const ZONES = { UTC: 0, 'Europe/Berlin': -1, 'America/New_York': 4 } as const

export const queries: fc.Arbitrary<PlainQuery> = fc
  .record({
    dimensions: fc.subarray<Dimension>(['country', 'kind']),
    measures: fc.subarray([...MEASURES], { minLength: 1 }),
    country: fc.option(fc.constantFrom('de', 'us', 'xx'), { nil: undefined, freq: 3 }),
    timezone: fc.constantFrom(...(Object.keys(ZONES) as (keyof typeof ZONES)[])),
    day: fc.integer({ min: 6, max: 9 }),
    days: fc.integer({ min: 1, max: 4 }),
    grain: fc.option(fc.constantFrom('hour' as const, 'day' as const), { nil: undefined }),
    fill: fc.option(fc.constantFrom('zero' as const, 'null' as const, 'previous' as const), {
      nil: undefined,
      freq: 2,
    }),
    totals: fc.boolean(),
    shift: fc.option(fc.constantFrom('1d', '5d', '24h', 'previous'), { nil: undefined }),
    shares: fc.subarray(['n' as const, 'total' as const, 'buyers' as const]),
    havingN: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  })
  .map(({ day, days, fill, shift, ...query }) => ({
    ...query,
    fromMs: midnight(day, query.timezone),
    toMs: midnight(day + days, query.timezone),
    fill: query.grain === undefined ? undefined : fill,
    earlier:
      shift === undefined || (shift === '24h' && query.grain === 'day')
        ? undefined
        : earlier(shift, day, days, query.timezone),
    totals: query.totals && (shift === undefined || query.havingN === undefined),
  }))

function earlier(shift: string, day: number, days: number, timezone: keyof typeof ZONES): PlainPeriod {
  if (shift === '24h') {
    const [fromMs, toMs] = [midnight(day, timezone) - DAY_MS, midnight(day + days, timezone) - DAY_MS]
    return { shift, fromMs, toMs, back: { ms: DAY_MS } }
  }
  const back = shift === 'previous' ? days : Number.parseInt(shift, 10)
  return {
    shift,
    fromMs: midnight(day - back, timezone),
    toMs: midnight(day + days - back, timezone),
    back: { days: back },
  }
}

/** After FIRST_MS. */
function midnight(day: number, timezone: keyof typeof ZONES): number {
  const isSummer = timezone === 'Europe/Berlin' && FIRST_MS + day * DAY_MS > Date.UTC(2026, 2, 29, 1)
  return FIRST_MS + day * DAY_MS + (ZONES[timezone] - (isSummer ? 1 : 0)) * 3_600_000
}

export function bodyOf(query: PlainQuery): object {
  const { dimensions, measures, country, fromMs, toMs, grain, timezone, havingN, earlier, ...more } = query
  return {
    view: 'sold',
    dimensions,
    measures,
    ...(country === undefined ? {} : { filter: { dimension: 'country', operator: 'eq', value: country } }),
    ...(havingN === undefined ? {} : { having: { measure: 'n', operator: 'gte', value: havingN } }),
    time: { from: fromMs, to: toMs, grain, timezone },
    ...more,
    ...(earlier === undefined ? {} : { compare: { shift: earlier.shift } }),
    limit: 10_000,
  }
}

export function parametersOf(query: PlainQuery): Readonly<Record<string, unknown>> {
  const { dimensions, measures, country, fromMs, toMs, grain, timezone, havingN, earlier, ...more } = query
  return {
    dimensions,
    measures,
    filter: country === undefined ? undefined : `country:eq:${country}`,
    having: havingN === undefined ? undefined : `n:gte:${havingN}`,
    from: fromMs,
    to: toMs,
    grain,
    timezone,
    ...more,
    compare: earlier?.shift,
    limit: 10_000,
  }
}

/** A quantile is within 1 %, and plain code adds and divides doubles. */
function within(name: string, row: Row): number {
  const size = (...names: string[]): number => names.reduce((sum, each) => sum + Math.abs(Number(row[each] ?? 0)), 0)
  const [of, kind] = name.split('_') as [string, string?]
  const relative = of === 'middle' ? 0.0101 : 1e-9
  if (kind === 'difference') return relative * size(of, `${of}_previous`) + 1e-9
  return relative * (kind === 'ratio' ? 2.1 : 1) * size(name)
}

export function expectRows(found: readonly Row[], wanted: readonly Row[]): void {
  const near = (row: Row, at: number): Row =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        const other = wanted[at]?.[name]
        if (typeof value !== 'number' || typeof other !== 'number') return [name, value]
        return [name, Math.abs(value - other) <= within(name, wanted[at]!) ? other : value]
      }),
    )
  expect(found.map(near)).toEqual(wanted)
}
