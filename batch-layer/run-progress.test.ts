import { expect, test } from 'vitest'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { ViewPlan } from './plan-run.ts'
import { RunProgress } from './run-progress.ts'

const file = (bytes: number): LakeFile => ({ path: 'f', bytes, rows: 1, sha256: '' })

test('time left is that of the bytes that are left, at the speed of those that are done', () => {
  let nowMs = 5_000
  const merge = (bytes: number): ViewPlan => ({ kind: 'extend', base: [file(7)], added: [file(bytes)] })
  const views = new Map<string, ViewPlan>([
    ['a', merge(9_000)],
    ['kept', { kind: 'extend', base: [file(9_000_000)], added: [] }],
    ['b', merge(29_000)],
  ])
  const progress = new RunProgress({ columns: [], dictionaries: ['d'] }, { views, all: [] }, () => nowMs)
  expect(progress.at('a', 0)).toEqual({
    name: 'a',
    done: 0,
    total: 4,
    bytesDone: 0,
    bytesTotal: 40_000,
    leftMs: null,
  })
  nowMs += 500
  expect(progress.at('b', 2)).toMatchObject({ done: 2, bytesDone: 10_000, leftMs: 1_500 })
  nowMs += 1_500
  expect(progress.at('d', 3)).toMatchObject({ bytesDone: 40_000, leftMs: 0 })
})
