import { expect, test } from 'vitest'
import { WorkShare } from './work-share.ts'

test('is used up by more than its share, and comes back with time', () => {
  const share = new WorkShare(() => 0.3, 10_000)
  expect(share.isUsedUp(0)).toBe(false)
  share.use(400, 0)
  expect(share.isUsedUp(100)).toBe(true)
  expect(share.isUsedUp(400)).toBe(false)
})

test('neither savings nor debts grow without end', () => {
  const share = new WorkShare(() => 0.5, 6_000)
  expect(share.isUsedUp(1e9)).toBe(false)
  share.use(301, 1e9)
  expect(share.isUsedUp(1e9)).toBe(true)
  share.use(1e9, 1e9)
  expect(share.isUsedUp(1e9 + 5_999)).toBe(true)
  expect(share.isUsedUp(1e9 + 6_001)).toBe(false)
})
