import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptySegment } from './lake-contract-fixture.ts'
import { LakeError } from './lake-error.ts'
import { segmentManifestName } from './manifest-names.ts'
import { buildChain } from './segment-chain.ts'
import { lostPieces } from './segment-damage.ts'
import type { SegmentManifest } from './segment-manifest.ts'

const HARM = fc.constantFrom('none', 'none', 'damaged', 'missing')
const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), HARM), { minLength: 1, maxLength: 8 })

interface Harmed {
  readonly segment: SegmentManifest
  readonly harm: string
}

function segmentsOf(drawn: readonly [number, string][]): Harmed[] {
  let start = 0
  return drawn.map(([length, harm]) => {
    const segment = emptySegment(0, start, start + length)
    start += length
    return { segment, harm }
  })
}

function sourceOf(harmed: readonly Harmed[]) {
  const named = (kind: string) =>
    harmed.filter(({ harm }) => harm === kind).map(({ segment }) => [segmentManifestName(segment), segment] as const)
  const error = new LakeError('manifest-damaged', 'damaged')
  return {
    dataset: 'rsvps',
    manifests: new Map(named('none')),
    damaged: new Map(named('damaged').map(([name]) => [name, error])),
  }
}

test('with the pieces that were lost, a lake is whole again up to where a generation counts', () => {
  fc.assert(
    fc.property(lengths, fc.nat(8), (drawn, generations) => {
      const harmed = segmentsOf(drawn)
      const counted = harmed[generations - 1]?.segment.end ?? 0
      const readable = harmed.filter(({ harm }) => harm === 'none').map(({ segment }) => segment)
      const damaged = harmed.filter(({ harm }) => harm === 'damaged').map(({ segment }) => segment.start)
      const pieces = lostPieces(0, readable, damaged, counted)
      const made = pieces.flatMap(({ start, end }) => (end === null ? [] : [emptySegment(0, start, end)]))
      const manifests = new Map([...readable, ...made].map((one) => [segmentManifestName(one), one]))
      const chain = buildChain({ dataset: 'rsvps', manifests }, 0)
      expect(chain.end).toBeGreaterThanOrEqual(counted)
      // No boundary is inside a segment, and every readable one is part of the chain.
      expect(chain.segments.some(({ start, end }) => start < counted && counted < end)).toBe(false)
      expect(chain.segments).toEqual(expect.arrayContaining(readable))
      expect(pieces.filter(({ end }) => end === null).length).toBeLessThanOrEqual(1)
    }),
  )
})

test('a chain with damaged manifests is given only where a generation counts their segments', () => {
  fc.assert(
    fc.property(lengths, fc.nat(8), (drawn, generations) => {
      const harmed = segmentsOf(drawn.map(([length, harm]) => [length, harm === 'missing' ? 'damaged' : harm]))
      const counted = harmed[generations - 1]?.segment.end ?? 0
      const needed = harmed.filter(({ segment }) => segment.start >= counted)
      const read = (upTo: number) => buildChain({ ...sourceOf(harmed), counted: [upTo] }, 0)
      if (harmed.some(({ harm }) => harm === 'damaged')) expect(() => read(0)).toThrow('damaged')
      if (needed.some(({ harm }) => harm === 'damaged')) expect(() => read(counted)).toThrow('damaged')
      else {
        const { segments, end } = read(counted)
        expect(end).toBe(harmed.at(-1)!.segment.end)
        expect(segments.filter(({ start }) => start >= counted)).toEqual(needed.map(({ segment }) => segment))
      }
    }),
  )
})

test('a missing manifest is an error also where a generation counts its segment: its files are not known to be needed', () => {
  const harmed = segmentsOf([
    [10, 'none'],
    [10, 'missing'],
    [10, 'none'],
  ])
  expect(() => buildChain({ ...sourceOf(harmed), counted: [30] }, 0)).toThrow(
    /no manifest covers the offsets \[10, 20\)/,
  )
})
