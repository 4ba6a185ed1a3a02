import { expect, test } from 'vitest'
import { KeptStates } from './kept-states.ts'
import type { TableState } from './table-state.ts'

const stateOf = (files: number): TableState => ({
  ...{ version: 0, id: 'x', createdAtMs: 0, schema: null, properties: {}, removed: new Map() },
  files: new Map(
    Array.from({ length: files }, (_, at) => {
      const path = `f${at}.parquet`
      return [path, { path, bytes: 1, rows: 1, createdAtMs: 0 }]
    }),
  ),
})

test('states are kept up to a number of files, those that were used last', () => {
  const kept = new KeptStates(10)
  for (const [table, files] of [
    ['a', 4],
    ['b', 4],
    ['c', 2],
  ] as const)
    kept.keep(table, stateOf(files), table)
  expect(['a', 'b', 'c'].map((table) => kept.get(table)?.files.size)).toEqual([4, 4, 2])
  kept.keep('a', stateOf(5), 'a again')
  expect(['a', 'b', 'c'].map((table) => kept.get(table)?.files.size)).toEqual([5, undefined, 2])
  expect([kept.isOf('a', 'a'), kept.isOf('a', 'a again'), kept.isOf('a', null)]).toEqual([false, true, false])
  kept.keep('d', stateOf(11), 'd')
  expect(['a', 'b', 'c', 'd'].map((table) => kept.get(table)?.files.size)).toEqual([5, undefined, 2, undefined])
})
