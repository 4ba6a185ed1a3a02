import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { outlineOf, placedMs } from '#storage/lake/segment-outline.ts'
import { overlaps, type StateRange } from '#storage/lake/state-ranges.ts'
import { mayEndIn, nextSlice } from './proof-cycle.ts'
import { type Slice, sliceText } from './slice.ts'

const segment = fc
  .record({ rows: fc.integer({ min: 0, max: 1_000 }), minMs: fc.integer({ min: -50, max: 1_000 }), ms: fc.nat(300) })
  .map(({ rows, minMs, ms }) => ({
    rows,
    timeRange: rows === 0 ? null : { minMs, maxMs: minMs + ms },
    createdAtMs: minMs + 100,
  }))

type Segments = Pick<SegmentManifest, 'rows' | 'timeRange' | 'createdAtMs'>[]

/** The slices of one round; `more` arrive before the slice of each night. */
type Cut = Pick<Slice, 'panes' | 'keys'>

function round(nights: number, segments: Segments, more: readonly Segments[] = []): Cut[] {
  const slices: Cut[] = []
  const all = [...segments]
  for (let done = 0; done < nights; done++) {
    all.push(...(more[done] ?? []))
    const comparedBeforeMs = slices.at(-1)?.panes.beforeMs ?? null
    slices.push(nextSlice({ nights, done, comparedBeforeMs }, all))
  }
  return slices
}

const has = ({ panes }: Cut, pane: number): boolean => {
  const at: StateRange = { fromMs: pane, beforeMs: pane + 1 }
  return overlaps(panes, at)
}

describe('nextSlice', () => {
  test('every pane is in one slice of a round, whatever arrives meanwhile, and so is every part of the keys', () => {
    const nightsOf = fc.integer({ min: 1, max: 20 })
    fc.assert(
      fc.property(nightsOf, fc.array(segment), fc.array(fc.array(segment)), fc.integer(), (nights, own, more, pane) => {
        const slices = round(nights, own, more)
        expect(slices.filter((slice) => has(slice, pane))).toHaveLength(1)
        expect(slices.map(({ keys }) => keys)).toEqual(slices.map((_, index) => ({ index, of: nights })))
      }),
    )
  })

  test('each slice has about the same number of the events that are left', () => {
    const hours = Array.from({ length: 240 }, (_, hour) => ({
      rows: 100 + hour,
      timeRange: { minMs: hour * 100, maxMs: hour * 100 + 99 },
      createdAtMs: hour * 100 + 99,
    }))
    const rows = round(10, hours).map((slice) =>
      hours.filter(({ timeRange }) => has(slice, timeRange.minMs)).reduce((sum, own) => sum + own.rows, 0),
    )
    const mean = rows.reduce((sum, own) => sum + own, 0) / rows.length
    for (const own of rows) expect(Math.abs(own - mean)).toBeLessThan(400)
  })

  test('an event of the future in each segment does not put all of history into the first slice', () => {
    const day = (at: number) => ({ minMs: at * 100, maxMs: 1_000_000 })
    const segments = Array.from({ length: 40 }, (_, at) => ({
      rows: 100,
      timeRange: day(at),
      createdAtMs: at * 100 + 99,
    }))
    expect(round(4, segments).map(({ panes }) => panes.beforeMs)).toEqual([1_000, 2_000, 3_000, undefined])
  })

  test('is the same where only those groups are opened that it may begin or end in', () => {
    const groupsOf = fc.array(fc.array(segment, { minLength: 1, maxLength: 6 }), { maxLength: 12 })
    const placeOf = fc.integer({ min: 1, max: 20 }).chain((nights) =>
      fc.record({
        nights: fc.constant(nights),
        done: fc.nat(nights - 1),
        comparedBeforeMs: fc.option(fc.nat(1_200)),
      }),
    )
    let closed = 0
    fc.assert(
      fc.property(groupsOf, placeOf, (groups, place) => {
        const outlined = groups.map((own) => ({ own, outline: outlineOf(own as unknown as SegmentManifest[]) }))
        const isNeeded = mayEndIn(
          place,
          outlined.map(({ outline }) => outline),
        )
        const read = outlined.flatMap(({ own, outline }): Parameters<typeof nextSlice>[1] =>
          isNeeded(outline) ? own : [outline],
        )
        closed += outlined.filter(({ outline }) => !isNeeded(outline)).length
        expect(nextSlice(place, read)).toEqual(nextSlice(place, groups.flat()))
      }),
      { numRuns: 1_000 },
    )
    expect(closed).toBeGreaterThan(1_000)
  })

  test('opens as many groups of a long history as of a short one, and none behind the slice', () => {
    const year = (days: number) =>
      Array.from({ length: days }, (_, day) =>
        Array.from({ length: 24 }, (_, hour) => {
          const minMs = (24 * day + hour) * 100
          return { rows: 100, timeRange: { minMs, maxMs: minMs + 99 }, createdAtMs: minMs + 99 }
        }),
      )
    const opened = (days: number): number => {
      const groups = year(days).map((own) => ({ own, outline: outlineOf(own as unknown as SegmentManifest[]) }))
      // A slice of one and a half days.
      const place = { nights: days / 1.5, done: 3, comparedBeforeMs: 4.5 * 2_400 }
      const isNeeded = mayEndIn(
        place,
        groups.map(({ outline }) => outline),
      )
      const needed = groups.filter(({ outline }) => isNeeded(outline))
      expect(Math.max(...needed.flatMap(({ own }) => own.map((each) => placedMs(each)!)))).toBeLessThan(8 * 2_400)
      return needed.length
    }
    expect(opened(360)).toBe(opened(36))
  })

  test('a lake without events is proved as well', () => {
    const slices = round(3, [])
    expect(slices.every(({ panes }) => panes.beforeMs !== undefined || panes.fromMs !== undefined)).toBe(true)
    expect(sliceText(slices[0]!)).toBe('slice 1 of 3 (no panes: no segment has closed yet)')
  })
})
