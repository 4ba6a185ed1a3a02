/** What each hop says in each situation, and how rates are counted. */
import { describe, expect, test } from 'vitest'
import { RateMeter } from './event-rates.ts'
import type { HealthFacts } from './health-facts.ts'
import { type HopName, hopsOf, worstOf } from './hops.ts'

const NOW = Date.UTC(2026, 0, 2)
const place = {
  partition: 0,
  boundary: 4,
  closedEnd: 6,
  position: 8,
  asOfMs: NOW,
  ahead: null,
  behind: 2,
  missing: null,
}
const marker = { partition: 0, segmentStart: 6, through: 9, atMs: NOW - 1_000 }
const segment = { start: 4, end: 6, deadLetters: 0, rows: 2, createdAtMs: NOW - 600_000 }

function facts(changes: Readonly<Record<string, unknown>> = {}): HealthFacts {
  return {
    dataset: 'shop',
    nowMs: NOW,
    sources: [],
    snapshot: { value: { generation: null, partitions: [place], segments: [], markers: new Map(), gaps: [] } },
    markers: { value: new Map([[0, marker]]) },
    chains: { value: [{ partition: 0, segments: [segment], end: 6 }] },
    generation: {
      value: { id: 'g000001', mode: 'full', finishedAtMs: NOW - 60_000, boundary: [4], rows: 4, deadLetters: 0 },
    },
    run: { value: null },
    verification: { value: { atMs: NOW, equal: true, generation: 'g000001', fullFinishedAtMs: NOW } },
    reasons: { value: [] },
    rates: { overMs: 0, appendedPerSecond: null, countedPerSecond: null },
    ...changes,
  } as unknown as HealthFacts
}

const fault = { fault: 'it is gone' }
const unread = { value: { partitions: [{ ...place, behind: null, missing: 'the log cannot be read' }], gaps: [] } }

describe('hops', () => {
  test('a dataset that is well has no advice', () => {
    const hops = hopsOf(facts())
    expect(hops.filter(({ state, advice }) => state !== 'ok' || advice !== null)).toEqual([])
    expect(worstOf(hops)).toBe('ok')
    expect(hops.map(({ message }) => message).join('\n')).toContain('running, 1 events behind the log')
  })

  test('what feeds a dataset is named: a demo, beside what is declared', () => {
    const feeds = (changes: Readonly<Record<string, unknown>>) =>
      hopsOf(facts(changes)).find(({ hop }) => hop === 'sources')!.message
    expect(feeds({})).toContain('no sources are declared')
    expect(feeds({ demoEventsPerSecond: 50 })).toBe('the demo sends 50 generated events/s')
    const sources = [{ source: 'live', state: 'paused', reason: null }]
    expect(feeds({ demoEventsPerSecond: 50, sources })).toMatch(/^the demo sends 50 .*; source 'live' is paused$/)
  })

  test.each<[HopName, Readonly<Record<string, unknown>>, 'note' | 'attention', RegExp]>([
    ['sources', { sources: [{ source: 'live', state: 'failing', reason: 'no route' }] }, 'attention', /no route/],
    ['sources', { sources: [{ source: 'live', state: 'paused', reason: null }] }, 'note', /'live' is paused/],
    ['log', { snapshot: unread }, 'attention', /cannot be read/],
    ['log', { snapshot: fault }, 'note', /not known/],
    ['stream', { markers: { value: new Map() } }, 'attention', /no stream role is running; 4 events behind/],
    [
      'stream',
      { nowMs: NOW + 41_000 },
      'attention',
      /wrote last 42 s ago: it is not running, or the machine is too busy/,
    ],
    ['stream', { markers: fault }, 'attention', /it is gone/],
    ['lake', { chains: fault }, 'attention', /it is gone/],
    [
      'lake',
      { chains: { value: [{ partition: 0, segments: [{ ...segment, deadLetters: 2 }] }] } },
      'note',
      /6 rows in closed segments, and 2 dead letters/,
    ],
    ['generation', { generation: { value: null } }, 'note', /none yet/],
    ['generation', { nowMs: NOW + 40 * 3_600_000 }, 'attention', /40 h old; 2 closed events follow it/],
    ['verification', { verification: { value: { atMs: NOW, equal: false } } }, 'attention', /differed/],
    ['verification', { verification: { value: null } }, 'note', /never/],
    ['answers', { snapshot: fault }, 'attention', /it is gone/],
    ['answers', { snapshot: unread }, 'attention', /may be missing/],
  ])('%s, %j: %s', (hop, changes, state, message) => {
    const found = hopsOf(facts(changes)).find((each) => each.hop === hop)!
    expect(found).toMatchObject({ state, message: expect.stringMatching(message) })
    if (state === 'attention') expect(found.advice).not.toBeNull()
  })
})

test('a stream role that is so far behind that it closes segments instead of writing markers is running', () => {
  const closing = { value: [{ partition: 0, segments: [{ ...segment, createdAtMs: NOW - 5_000 }], end: 6 }] }
  const old = { value: new Map([[0, { ...marker, atMs: NOW - 60_000 }]]) }
  const stream = (changes: Readonly<Record<string, unknown>>) =>
    hopsOf(facts(changes)).find(({ hop }) => hop === 'stream')
  expect(stream({ markers: old, chains: closing })).toMatchObject({
    state: 'ok',
    message: expect.stringMatching(/^catching up, \d+ events/),
  })
  expect(stream({ markers: old })).toMatchObject({ state: 'attention' })
})

test('one that has nothing to do writes a marker every ten seconds, and is running in between', () => {
  const idle = { value: new Map([[0, { ...marker, atMs: NOW - 11_000 }]]) }
  expect(hopsOf(facts({ markers: idle })).find(({ hop }) => hop === 'stream')).toMatchObject({ state: 'ok' })
})

describe('rates', () => {
  test('are of the last minute, and unknown before the second sample', () => {
    const meter = new RateMeter()
    meter.add({ atMs: 0, appended: 0, counted: 0 })
    expect(meter.rates()).toEqual({ overMs: 0, appendedPerSecond: null, countedPerSecond: null })
    meter.add({ atMs: 100_000, appended: 5_000, counted: 4_000 })
    meter.add({ atMs: 110_000, appended: 6_000, counted: 4_500 })
    expect(meter.rates()).toEqual({ overMs: 10_000, appendedPerSecond: 100, countedPerSecond: 50 })
    meter.add({ atMs: 120_000, appended: null, counted: 4_000 })
    expect(meter.rates()).toEqual({ overMs: 20_000, appendedPerSecond: null, countedPerSecond: 0 })
  })
})
