import { expect, test } from 'vitest'
import { emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { explanationOf } from './explanation.ts'

const META = {
  dataset: 'shop',
  view: 'v',
  behind: 0,
  liveMissing: null,
  outdated: null,
  removed: null,
  truncated: false,
  gapFree: true,
  next: null,
}
const MARKER = {
  partition: 0,
  segmentStart: 120,
  through: 130,
  atMs: 0,
  views: [],
  rows: 9,
  deadLetters: 1,
  lateRows: 0,
  timeMaxMs: null,
}
const [NOW_MS, HOUR_MS] = [100 * 3_600_000, 3_600_000]

test('names what was merged, and what would make it faster', () => {
  const file = { path: 'x', bytes: 10, rows: 2, sha256: '' }
  const segments = Array.from({ length: 120 }, (_, index) => {
    const segment = emptySegment(0, index, index + 1)
    return { ...segment, rows: 1, createdAtMs: NOW_MS - index, partials: { v: { hash: 'h', file } } }
  })
  const views = { v: { hash: 'h', files: [file, file] } }
  const generation = { ...emptyGeneration('g000007', [0]), finishedAtMs: NOW_MS - 14 * HOUR_MS, views }
  const snapshot = {
    generation,
    segments,
    markers: new Map([[0, MARKER]]),
    partitions: [],
    open: new Map([['h', ['a', 'b']]]),
    gaps: [],
  }
  const shared = {
    source: 'computed',
    way: 'stores',
    stored: [{ name: 'v', hash: 'h' }],
    engine: [{ step: 'merge', ms: 0.98765 }],
    steps: [{ step: 'plan', ms: 0.12345 }],
  } as const
  const explained = explanationOf({ ...shared, snapshot, meta: META }, NOW_MS)
  expect(explained).toEqual({
    source: 'computed',
    way: 'stores',
    layers: {
      batch: { generation: 'g000007', mode: generation.mode, ageMs: 14 * HOUR_MS, files: 2, bytes: 20 },
      closed: {
        segments: 120,
        files: 120,
        bytes: 1_200,
        rows: 120,
        newestAt: new Date(NOW_MS).toISOString(),
        newest: Array.from({ length: 20 }, (_, at) => ({ partition: 0, start: at, end: at + 1, rows: 1 })),
      },
      open: { rows: 9, partitions: 1, speedRows: 2, segments: [{ partition: 0, start: 120, end: 130, rows: 9 }] },
    },
    steps: [{ step: 'plan', ms: 0.123 }],
    engine: [{ step: 'merge', ms: 0.988 }],
    advice: ['the generation is 14 h old, and 120 segments behind its boundary are merged; run `watershed batch run`'],
  })
  const meta = { ...META, behind: 5, truncated: true }
  const { advice } = explanationOf({ ...shared, snapshot: { ...snapshot, generation: null }, meta }, NOW_MS)
  expect(advice.map((text) => text.slice(0, 24))).toEqual([
    'there is no generation y',
    '5 events of the log are ',
    'there are more rows than',
  ])
  const resident = explanationOf({ ...shared, way: 'resident', snapshot, meta: META }, NOW_MS)
  expect(resident.layers.open.speedRows).toBe(null)
  const unknown = { ...META, behind: null, gapFree: false, truncated: true, next: 'c' }
  const page = explanationOf(
    { ...shared, way: 'page', engine: null, snapshot: { ...snapshot, segments: [] }, meta: unknown },
    NOW_MS,
  )
  expect(page.advice.map((text) => text.slice(0, 24))).toEqual([
    'the log cannot be read, ',
    'all pages are of the pos',
    'the log lost events befo',
    'more rows follow: repeat',
  ])
})
