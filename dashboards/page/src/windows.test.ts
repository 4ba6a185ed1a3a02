import fc from 'fast-check'
import { expect, test } from 'vitest'
import { begunMs, durationText, windowSeries } from './windows.ts'

const MINUTE = 60_000
const newest = Date.parse('2026-03-14T12:00:30Z')
const all = { name: '', fromMs: null, toMs: null } as const

test('without a range the newest windows, six lengths of them', () => {
  expect(windowSeries({ sizeMs: 10 * MINUTE, everyMs: 10_000 }, all, newest)).toEqual({
    from: '2026-03-14T11:00:00.000Z',
    to: '2026-03-14T12:01:00.000Z',
    every: '1m',
    stepMs: MINUTE,
  })
})

test('where events began a short while ago, the windows since then are closer to each other', () => {
  const window = { sizeMs: 180 * MINUTE, everyMs: 5 * MINUTE }
  const shown = windowSeries(window, all, newest)
  expect(shown.stepMs).toBe(20 * MINUTE)
  const begun = begunMs(window, shown, newest - 10 * MINUTE, newest)
  expect(begun).toBe(newest - 30 * MINUTE)
  expect(windowSeries(window, all, newest, begun!)).toEqual({
    from: '2026-03-14T11:30:00.000Z',
    to: '2026-03-14T12:05:00.000Z',
    ...{ every: '5m', stepMs: 5 * MINUTE },
  })
  expect(begunMs(window, windowSeries(window, all, newest, begun!), newest - 5 * MINUTE, newest)).toBeNull()
  expect(begunMs(window, shown, newest - 17 * 60 * MINUTE, newest)).toBeNull()
})

test('a range is covered by 60 windows at most, which end at multiples of the step', () => {
  const times = fc.integer({ min: 1, max: newest })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 60 }), times, times, (size, every, a, b) => {
      const window = { sizeMs: size * MINUTE, everyMs: every * 1_000 }
      const [fromMs, toMs] = [Math.min(a, b), Math.max(a, b)]
      const series = windowSeries(window, { name: 'own', fromMs, toMs }, newest)
      const [, count, unit] = /^(\d+)(d|h|m|s|ms)$/.exec(series.every)!
      const step = Number(count) * { d: 86_400_000, h: 3_600_000, m: MINUTE, s: 1_000, ms: 1 }[unit as 'd']
      const [from, to] = [Date.parse(series.from), Date.parse(series.to)]
      expect([from % step, to % step, step % window.everyMs]).toEqual([0, 0, 0])
      expect(from).toBeLessThanOrEqual(fromMs)
      expect(to).toBeGreaterThanOrEqual(toMs)
      expect((to - from) / step).toBeLessThanOrEqual(62)
    }),
  )
})

test('a duration is written in its largest whole unit', () => {
  expect([500, 10_000, 90_000, 7_200_000].map(durationText)).toEqual(['500ms', '10s', '90s', '2h'])
})
