import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { outlineOf } from '#storage/lake/segment-outline.ts'
import { groupsWithin, segmentsWithin } from './slice.ts'

const DATASET = { views: new Map(), schemaHash: 'schema-1' }

const segment = fc
  .record({
    times: fc.option(fc.record({ minMs: fc.nat(100), ms: fc.nat(20) })),
    schemaHash: fc.constantFrom('schema-1', 'schema-1', 'schema-1', 'schema-0'),
  })
  .map(({ times, schemaHash }): SegmentManifest => {
    const timeRange = times && { minMs: times.minMs, maxMs: times.minMs + times.ms }
    return { ...emptySegment(0, 0, 10), timeRange, schemaHash }
  })

test('no segment of a slice is in a group that is left out, and many groups are', () => {
  let left = 0
  const panesOf = fc.record({ fromMs: fc.nat(100), ms: fc.nat(10) })
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), panesOf, (group, { fromMs, ms }) => {
      const panes = { fromMs, beforeMs: fromMs + ms }
      const isOpened = groupsWithin(DATASET, panes)({ outline: outlineOf(group), isSummarized: false })
      if (!isOpened) left++
      expect(isOpened || segmentsWithin(DATASET, group, panes).length === 0).toBe(true)
    }),
    { numRuns: 500 },
  )
  expect(left).toBeGreaterThan(50)
})

test('a group with a summary is opened by every slice', () => {
  const group = { outline: outlineOf([emptySegment(0, 0, 10)]), isSummarized: true }
  expect(groupsWithin(DATASET, { fromMs: 0, beforeMs: 5 })(group)).toBe(true)
  expect(groupsWithin(DATASET, { fromMs: 0, beforeMs: 5 })({ ...group, isSummarized: false })).toBe(false)
})
