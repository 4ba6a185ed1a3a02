import { expect, test } from 'vitest'
import { until } from './until.ts'

const soon = { withinMs: 50, everyMs: 1 }

test('gives what a look finds, after looks that found nothing', async () => {
  const looks = [null, false as const, 0, 1]
  expect(await until('a number', () => looks.shift()!, { everyMs: 0 })).toBe(0)
  expect(looks).toEqual([1])
})

test('says what was waited for, and what else there is to say', async () => {
  await expect(until('it is up', () => false, soon)).rejects.toThrow(/^not so within \d+ ms: it is up$/)
  const waiting = until('it is up', async () => null, { ...soon, said: () => 'its log' })
  await expect(waiting).rejects.toThrow(/^not so within \d+ ms: it is up\nits log$/)
})

test('ends with what a look throws, or goes on and says what the last one threw', async () => {
  const faults = [new Error('1 of 3'), new Error('2 of 3'), new Error('2 of 3')]
  const look = async (): Promise<string> => {
    if (faults.length > 0) throw faults.shift()
    return 'all'
  }
  await expect(until('all are counted', look)).rejects.toThrow(/^1 of 3$/)
  const futile = (): boolean => faults.length > 0
  const waiting = until('all are counted', look, { faultsPass: true, futile })
  await expect(waiting).rejects.toThrow(/^not so within \d+ ms: all are counted; last: 2 of 3$/)
  expect(await until('all are counted', look, { faultsPass: true })).toBe('all')
})

test('ends at once when waiting is of no use, but not before it looked', async () => {
  const futile = (): boolean => true
  await expect(until('it is up', () => null, { futile })).rejects.toThrow(/it is up/)
  expect(await until('it is up', () => 'up', { futile })).toBe('up')
})
