import { expect, test } from 'vitest'
import { RecentRecords } from './recent-records.ts'

const record = (id: number): Buffer => Buffer.from(`{"id":${id}}`)

test('recognises the last ones, also after it was stored, and forgets older ones', () => {
  const recent = new RecentRecords('', 10)
  for (let id = 0; id < 100; id++) expect(recent.admit('', record(id))).toBe(true)
  const stored = recent.snapshot()()
  expect(stored).toHaveLength(10 * 11)
  const again = new RecentRecords(stored, 10)
  for (let id = 90; id < 100; id++) expect(again.admit('', record(id))).toBe(false)
  expect(again.admit('', record(89))).toBe(true)
})

test('a snapshot is of its moment, whatever comes later', () => {
  const recent = new RecentRecords('', 3)
  recent.admit('', record(1))
  const snapshot = recent.snapshot()
  for (let id = 2; id < 20; id++) recent.admit('', record(id))
  expect(snapshot()).toHaveLength(11)
  expect(new RecentRecords(snapshot()).admit('', record(1))).toBe(false)
})

test('a name distinguishes records with equal bytes', () => {
  const recent = new RecentRecords('')
  expect(['a', 'b', 'a'].map((name) => recent.admit(name, record(1)))).toEqual([true, true, false])
})
