/** The events of the generated datasets: texts as a client sends them, and what a reader takes from them. */
import fc from 'fast-check'

export interface Reading {
  readonly id: number
  /** epoch microseconds */
  readonly atUs: number
  readonly k: string | null
  readonly n: number | null
  /** hundredths */
  readonly d: number | null
  readonly x: number | null
  readonly tags: readonly (string | null)[] | null
}

export interface Sent {
  readonly text: string
  /** null: unusable, a dead letter */
  readonly reading: Reading | null
}

/** An hour before a day ends, so that events fall on both sides. */
export const BASE_MS = Date.UTC(2026, 2, 1, 23)
const MINUTE_US = 60_000_000

/** Many in the same few milliseconds, or before and after the day's end. */
const minutes = fc.constantFrom(fc.constantFrom(29, 30), fc.integer({ min: 0, max: 100 }))

const readingAt = (minute: fc.Arbitrary<number>): fc.Arbitrary<Omit<Reading, 'id'>> =>
  fc.record({
    atUs: fc
      .tuple(minute, fc.constantFrom(0, 1, 2, 999_998, 999_999, 59_999_998, 59_999_999))
      .map(([at, us]) => BASE_MS * 1_000 + at * MINUTE_US + us),
    k: fc.option(fc.constantFrom('a', 'b', 'C', '😀', "o'x", '')),
    n: fc.option(fc.integer({ min: -7, max: 7 })),
    d: fc.option(fc.integer({ min: -99_999, max: 99_999 })),
    x: fc.option(
      fc.oneof(
        fc.constantFrom(1e16, -1e16, 0.1, 1),
        fc.integer({ min: -999, max: 999 }).map((x) => x / 7),
      ),
    ),
    tags: fc.option(fc.array(fc.option(fc.constantFrom('t', 'u', 'v')), { maxLength: 3 })),
  })

export const ARRIVALS = ['in order', 'shuffled', 'late', 'ahead', 'twice', 'malformed'] as const
export type Arrival = (typeof ARRIVALS)[number]

/** @param arrival how their order and times relate @param minLength of events */
export function readings(arrival: Arrival, minLength = 1): fc.Arbitrary<readonly Sent[]> {
  const events = minutes.chain((minute) => fc.array(readingAt(minute), { minLength, maxLength: 60, size: 'max' }))
  return events.map((some) => {
    const all = some.map((one, at): Reading => ({ ...one, id: at % 5 }))
    return arrange(all, arrival)
  })
}

function arrange(all: readonly Reading[], arrival: Arrival): Sent[] {
  const byTime = all.toSorted((a, b) => a.atUs - b.atUs)
  const every = (step: number, shiftUs: number): Sent[] =>
    byTime.map((one, at) => sent(at % step === 0 ? { ...one, atUs: one.atUs + shiftUs } : one))
  if (arrival === 'in order') return byTime.map(sent)
  if (arrival === 'late') return every(3, -150 * MINUTE_US)
  if (arrival === 'ahead') return every(4, 3 * 1_440 * MINUTE_US)
  if (arrival === 'twice') return all.flatMap((one, at) => (at % 2 === 0 ? [sent(one), sent(one)] : [sent(one)]))
  if (arrival === 'malformed')
    return all.flatMap((one, at) => {
      const wrong = ['{"id":1', '[]', '{"id":"x","at":"2026-03-01"}', '{"id":1,"at":"soon"}'][at % 4]!
      return [sent(one), { text: wrong, reading: null }]
    })
  return all.map(sent)
}

function sent(one: Reading): Sent {
  const { id, atUs, k, n, d, x, tags } = one
  const at = `${new Date(Math.floor(atUs / 1e6) * 1_000).toISOString().slice(0, 19)}.${String(atUs % 1e6).padStart(6, '0')}Z`
  const price = d === null ? null : (d / 100).toFixed(2)
  return { text: JSON.stringify({ id, at, k, n, d: price, x, tags }), reading: one }
}
