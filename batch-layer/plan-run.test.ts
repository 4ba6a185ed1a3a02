import { expect, test } from 'vitest'
import type { CompiledDataset } from '#core/compiled.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import { emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { planRun } from './plan-run.ts'

const segment = (start: number, end: number): SegmentManifest => emptySegment(0, start, end)
const chain = (...segments: SegmentManifest[]): SegmentChain => ({ partition: 0, segments, end: segments.at(-1)!.end })

test('a segment that closes while the chains are read is not counted before the boundary', () => {
  const dataset = { name: 'd', views: new Map() } as unknown as CompiledDataset
  const plan = planRun({
    dataset,
    mode: 'full',
    logIdentity: 'log-1',
    base: null,
    clockMs: 0,
    closed: [chain(segment(0, 10))],
    compacted: [chain(segment(0, 10), segment(10, 20))],
  })
  expect(plan.boundary).toEqual([10])
  expect(plan.all.map(({ start, end }) => [start, end])).toEqual([[0, 10]])
})
