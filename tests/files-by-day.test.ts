import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { today } from './by-day.ts'
import { GROUPS, leftOut } from './files-by-day.ts'

const ALL = GROUPS.flat()

test('each file is there, and runs on one of three days', () => {
  vi.stubEnv('TEST_ALL_DAYS', '')
  const root = join(import.meta.dirname, '..')
  expect(ALL.filter((path) => !existsSync(join(root, path)))).toEqual([])
  const ran = [7, 8, 9].flatMap((day) => ALL.filter((path) => !leftOut(['run'], day).includes(path)))
  expect(ran.toSorted()).toEqual(ALL.toSorted())
})

test('none is left out when files are named, or all are asked for', () => {
  vi.stubEnv('TEST_ALL_DAYS', '')
  expect(leftOut(['run', '--bail=1', 'tests/faults'])).toEqual([])
  expect(leftOut(['run', '--bail=1'])).not.toEqual([])
  vi.stubEnv('TEST_ALL_DAYS', '1')
  expect(leftOut(['run'])).toEqual([])
})

test('another day than today can be named', () => {
  vi.stubEnv('TEST_ALL_DAYS', '')
  vi.stubEnv('TEST_DAY', '1970-01-09')
  expect(today()).toBe(8)
  expect(leftOut(['run'])).toEqual(leftOut(['run'], 8))
  vi.stubEnv('TEST_DAY', 'tomorrow')
  expect(() => leftOut(['run'])).toThrow("TEST_DAY: expected a date such as 2026-11-29, not 'tomorrow'")
})
