import { expect, test } from 'vitest'
import { emptyGeneration, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import { explanationOf } from './explanation.ts'

const META = { dataset: 'shop', view: 'v', behind: 0, liveMissing: null, outdated: null, truncated: false }
const [NOW_MS, HOUR_MS] = [100 * 3_600_000, 3_600_000]

test('names what was merged, and what would make it faster', () => {
  const file = { path: 'x', bytes: 10, rows: 2, sha256: '' }
  const segments = Array.from({ length: 120 }, (_, index) => {
    const segment = emptySegment(0, index, index + 1)
    return { ...segment, rows: 1, createdAtMs: NOW_MS - index, partials: { v: { hash: 'h', file } } }
  })
  const views = { v: { hash: 'h', files: [file, file] } }
  const generation = { ...emptyGeneration('g000007', [0]), finishedAtMs: NOW_MS - 14 * HOUR_MS, views }
  const snapshot = { generation, segments, markers: new Map(), partitions: [], open: new Map(), gaps: [] }
  const shared = {
    source: 'computed',
    stored: [{ name: 'v' }],
    steps: [{ step: 'plan', ms: 0.12345 }],
  } as const
  const explained = explanationOf({ ...shared, snapshot, meta: META }, NOW_MS)
  expect(explained).toEqual({
    source: 'computed',
    layers: {
      batch: { generation: 'g000007', mode: generation.mode, ageMs: 14 * HOUR_MS, files: 2, bytes: 20 },
      closed: { segments: 120, files: 120, bytes: 1_200, rows: 120, newestAt: new Date(NOW_MS).toISOString() },
      open: { rows: 0, partitions: 0 },
    },
    steps: [{ step: 'plan', ms: 0.123 }],
    advice: ['the generation is 14 h old, and 120 segments behind its boundary are merged; run `watershed batch run`'],
  })
  const meta = { ...META, behind: 5, truncated: true }
  const { advice } = explanationOf({ ...shared, snapshot: { ...snapshot, generation: null }, meta }, NOW_MS)
  expect(advice.map((text) => text.slice(0, 24))).toEqual([
    'there is no generation y',
    '5 events of the log are ',
    'there are more rows than',
  ])
})
