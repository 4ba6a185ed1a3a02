import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MINUTES, rankOf } from './longest-first.ts'

test('the files that take a minute or more are there, and begin first', () => {
  const root = join(import.meta.dirname, '..')
  expect(MINUTES.filter((path) => !existsSync(join(root, path)))).toEqual([])
  const others = ['core/backoff.test.ts', 'tests/backup.e2e.test.ts', ...MINUTES.toReversed()]
  expect(others.toSorted((a, b) => rankOf(a) - rankOf(b))).toEqual([...MINUTES, others[1], others[0]])
})
