import { expect, test } from 'vitest'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { ViewPlan } from './plan-run.ts'
import { viewsAtOnce } from './views-at-once.ts'

const MIB = 1024 * 1024
const merge = (bytes: number): ViewPlan => ({ kind: 'extend', base: [], added: [file(bytes)] })
const file = (bytes: number): LakeFile => ({ path: 'f', bytes, rows: 1, sha256: '' })
const of = (...views: ViewPlan[]): Map<string, ViewPlan> => new Map(views.map((view, at) => [`v${at}`, view]))

test('two views are merged at once where the engine has threads for them, little is new and nothing else is written', () => {
  const horizons = new Map()
  expect(viewsAtOnce({ views: of(merge(MIB), merge(MIB)), horizons }, 2)).toBe(2)
  expect(viewsAtOnce({ views: of(merge(MIB), merge(MIB)), horizons }, 1)).toBe(1)
  expect(viewsAtOnce({ views: of(merge(40 * MIB), merge(40 * MIB)), horizons }, 2)).toBe(1)
  expect(viewsAtOnce({ views: of(merge(MIB), { kind: 'recount', kept: [] }), horizons }, 2)).toBe(1)
  expect(viewsAtOnce({ views: of(merge(MIB)), horizons: new Map([['v0', []]]) }, 2)).toBe(1)
})
