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

test('work that was done at the same time counts once', () => {
  const share = new WorkShare(() => 0.5, 10_000)
  share.use(200, 0)
  share.useBeside(0, 100)
  share.useBeside(20, 120)
  share.useBeside(30, 110)
  share.useBeside(200, 210)
  expect(share.savedUpMs(210)).toBe(100 - 120 - 10 + 105)
})
