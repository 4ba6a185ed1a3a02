import { expect, test } from 'vitest'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { segmentManifestName } from '../manifest-names.ts'
import { type SegmentCheckpoint, writtenPart } from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { pastsOf } from './chain-pasts.ts'
import { counting } from './counting-fixture.ts'

const PLACE = { dataset: DATASET, partition: 0 }

const wide = (start: number, end: number, kind: 'events' | 'summary'): SegmentManifest => ({
  ...{ ...emptySegment(0, start, end), kind },
  replaces: [segmentManifestName(emptySegment(0, start, start + 1))],
})

test('the compacted names of a checkpoint are looked at once for all chains that are built from it', () => {
  const written = [
    [wide(0, 10, 'summary'), wide(10, 20, 'summary'), wide(20, 30, 'events')],
    [wide(30, 40, 'events'), wide(40, 50, 'events')],
  ].map((segments) => writtenPart(PLACE, segments).part)
  const looked = written.map(({ compacted }) => counting(compacted))
  const looks = () => looked.reduce((sum, each) => sum + each.looks(), 0)
  const parts = written.map((part, index) => ({ ...part, compacted: looked[index]!.counted }))
  const checkpoint: SegmentCheckpoint = { format: 3, ...PLACE, end: 50, parts }
  const past = (after: number) => pastsOf(new Map([[0, checkpoint]]), [], [after]).get(0)
  expect(past(50)).toMatchObject({ end: 50, floor: 20 })
  const before = looks()
  expect(before).toBeGreaterThan(0)
  expect([past(49), past(50), past(60)]).toMatchObject([
    { end: 30, floor: 20 },
    { end: 50, floor: 20 },
    { end: 50, floor: 20 },
  ])
  expect(looks()).toBe(before)
})
