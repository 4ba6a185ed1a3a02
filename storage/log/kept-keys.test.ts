import { expect, test } from 'vitest'
import { TooManyKeysError } from './append-once.ts'
import { KeptKeys } from './kept-keys.ts'

const RANGES = [{ partition: 0, start: 0, end: 1 }]
const KEEP_MS = 1_000

function kept(more: { readonly keysMax?: number; readonly bytesMax?: number } = {}) {
  const time = { ms: 0 }
  const keys = new KeptKeys({ keepMs: KEEP_MS, keysMax: 1_000_000, bytesMax: 1_000_000, ...more }, () => time.ms)
  const add = (key: string): void => keys.add(key, { fingerprint: 'f', ranges: RANGES, atMs: time.ms })
  return { keys, time, add }
}

test('keys that expired are not held any more, however many there were', () => {
  const { keys, time, add } = kept()
  for (let key = 0; key < 10_000; key++) {
    time.ms = key
    keys.assertRoom()
    add(`k${key}`)
    expect(keys.size).toBeLessThanOrEqual(KEEP_MS)
  }
  expect(keys.find({ key: 'k9001', fingerprint: 'f' })).toEqual(RANGES)
  expect(keys.find({ key: 'k8999', fingerprint: 'f' })).toBeNull()
})

test('the bytes of all keys are bounded, and are free again when they expire', () => {
  const { keys, time, add } = kept({ bytesMax: 10_000 })
  let count = 0
  const fill = (): void => {
    for (;;) {
      keys.assertRoom()
      add(`${'k'.repeat(200)}${count++}`)
    }
  }
  expect(fill).toThrow(TooManyKeysError)
  const first = count
  expect(first).toBeLessThan(10_000 / 200)
  time.ms = KEEP_MS
  expect(fill).toThrow(TooManyKeysError)
  expect(count).toBe(2 * first)
})

test('a key of a clock that was ahead does not stay for ever, nor keep others', () => {
  const { keys, time, add } = kept()
  time.ms = 1_000_000
  add('ahead')
  time.ms = 10
  add('now')
  expect(keys.find({ key: 'ahead', fingerprint: 'f' })).toBeNull()
  expect(keys.size).toBe(1)
  time.ms = 10 + KEEP_MS
  keys.assertRoom()
  expect(keys.size).toBe(0)
})
