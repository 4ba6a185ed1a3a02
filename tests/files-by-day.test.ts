import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { FILE_DAYS, ofToday, today } from './by-day.ts'
import { GROUPS, leftOut } from './files-by-day.ts'
import { SPARK_FILES } from './servers/spark-provision.ts'
import { TRINO_FILES } from './servers/trino-provision.ts'

const ROOT = join(import.meta.dirname, '..')
const ALL = GROUPS.flat()

test('each file is there, and runs on one of four days', () => {
  vi.stubEnv('TEST_ALL_DAYS', '')
  expect(ALL.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  const days = Array.from({ length: FILE_DAYS }, (_, index) => 7 + index)
  const ran = days.flatMap((day) => ALL.filter((path) => !leftOut(['run'], day).includes(path)))
  expect(ran.toSorted()).toEqual(ALL.toSorted())
})

test('each case of a file that takes turns has its turn', () => {
  vi.stubEnv('TEST_ALL_DAYS', '')
  const cases = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  for (const every of [1, FILE_DAYS]) {
    const seen = new Set<string>()
    for (let day = 8; day < 8 + 6 * every; day += every) {
      vi.stubEnv('TEST_DAY', new Date(day * 86_400_000).toISOString().slice(0, 10))
      for (const some of ofToday('cases', cases, every)) seen.add(some)
    }
    expect([...seen].toSorted()).toEqual(cases)
  }
  // A choice by the day alone would be the same one on each day on which the file runs.
  const byDayAlone = ALL.filter((path) =>
    /ofToday\((?:(?!FILE_DAYS\)).)*$/m.test(readFileSync(join(ROOT, path), 'utf8')),
  )
  expect(byDayAlone).toEqual([])
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

test('the files that need Trino or Spark are known, so that these are fetched on their days', () => {
  const files = globSync('*/**/*.test.ts', {
    cwd: ROOT,
    exclude: (name) => name === 'node_modules' || name.endsWith('files-by-day.test.ts'),
  })
  const withText = (text: string) => files.filter((path) => readFileSync(join(ROOT, path), 'utf8').includes(text))
  expect(withText('/trino-server.ts').toSorted()).toEqual(TRINO_FILES)
  expect(withText('/spark-provision.ts')).toEqual(SPARK_FILES)
})
