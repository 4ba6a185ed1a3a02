import { expect, test } from 'vitest'
import { type AnswerMeta, ageOf } from './answer-meta.ts'
import type { PartitionPosition } from './snapshot.ts'

const NOW_MS = Date.parse('2026-01-01T12:00:00Z')
const meta = { window: null } as AnswerMeta

function place(asOfMs: number | null, behind: number | null): PartitionPosition {
  return { partition: 0, boundary: 0, closedEnd: 0, position: 5, asOfMs, ahead: null, missing: null, behind }
}

test('freshness is the age of the oldest position', () => {
  const places = [place(NOW_MS - 200, 0), place(NOW_MS - 1_500, 3)]
  expect(ageOf(meta, places, NOW_MS)).toMatchObject({ asOf: '2026-01-01T11:59:58.500Z', freshnessMs: 1_500, behind: 3 })
  expect(ageOf(meta, [place(null, null)], NOW_MS)).toMatchObject({ asOf: null, freshnessMs: null, behind: null })
})

test('a position that is dated in the future, because the clock was set back, does not pass for fresh', () => {
  const age = ageOf(meta, [place(NOW_MS + 3_600_000, 7)], NOW_MS)
  expect(age).toMatchObject({ asOf: '2026-01-01T13:00:00.000Z', freshnessMs: -3_600_000, behind: 7 })
})
