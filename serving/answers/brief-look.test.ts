import { expect, test } from 'vitest'
import { BriefLook } from './brief-look.ts'

/** Reads that end when the test says so. */
function reads() {
  const begun: PromiseWithResolvers<string>[] = []
  const read = (): Promise<string> => {
    begun.push(Promise.withResolvers<string>())
    return begun.at(-1)!.promise
  }
  return { begun, read }
}

test('a read that does not end is waited for once; the next ones fail at once, and read nothing', async () => {
  const { begun, read } = reads()
  const look = new BriefLook<string>({ waitMsMax: 1, restMs: 0 })
  for (let reader = 0; reader < 20; reader++)
    await expect(look.read('a', read)).rejects.toThrow('no response within 1 ms')
  expect(begun).toHaveLength(1)
})

test('what fails rests; then one read is made beside those who ask, and its success ends the rest', async () => {
  const { begun, read } = reads()
  const look = new BriefLook<string>({ waitMsMax: 60_000, restMs: 0 })
  const first = look.read('a', read)
  begun[0]!.reject(new Error('down'))
  await expect(first).rejects.toThrow('down')
  for (let reader = 0; reader < 20; reader++) await expect(look.read('a', read)).rejects.toThrow('down')
  expect(begun).toHaveLength(2)
  begun[1]!.resolve('up')
  await begun[1]!.promise
  const again = look.read('a', read)
  begun[2]!.resolve('up again')
  expect(await again).toBe('up again')
})

test('during the rest nothing is read', async () => {
  const { begun, read } = reads()
  const look = new BriefLook<string>({ waitMsMax: 60_000, restMs: 3_600_000 })
  const first = look.read('a', read)
  begun[0]!.reject(new Error('down'))
  await expect(first).rejects.toThrow('down')
  for (let reader = 0; reader < 20; reader++) await expect(look.read('a', read)).rejects.toThrow('down')
  expect(begun).toHaveLength(1)
  const other = look.read('b', read)
  begun[1]!.resolve('up')
  expect(await other).toBe('up')
})

test('a read that was given up ends the rest if it succeeds in the end', async () => {
  const { begun, read } = reads()
  const look = new BriefLook<string>({ waitMsMax: 1, restMs: 0 })
  await expect(look.read('a', read)).rejects.toThrow('no response')
  begun[0]!.resolve('late')
  await begun[0]!.promise
  expect(await look.read('a', async () => 'up')).toBe('up')
})
