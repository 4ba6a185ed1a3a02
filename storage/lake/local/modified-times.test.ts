import { mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ModifiedTimes } from './modified-times.ts'

test('tells when a folder was modified, and that one does not exist', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modified-'))
  try {
    utimesSync(folder, 1_000, 1_000)
    const times = new ModifiedTimes()
    expect(await times.of(folder)).toBe(1_000_000_000_000n)
    expect(await times.of(join(folder, 'missing'))).toBeNull()
    utimesSync(folder, 2_000, 2_000)
    expect(await times.of(folder)).toBe(statSync(folder, { bigint: true }).mtimeNs)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('calls are handed to threads for a while once two in a row took long', async () => {
  let nowMs = 0
  let takesMs = 0
  const made: string[] = []
  const times = new ModifiedTimes({
    here: () => {
      nowMs += takesMs
      made.push('here')
      return 1n
    },
    onThread: async () => {
      made.push('thread')
      return 1n
    },
    nowMs: () => nowMs,
  })
  const ask = async (ms: number): Promise<string> => {
    takesMs = ms
    await times.of('folder')
    return made.at(-1)!
  }
  const asked: string[] = []
  for (const ms of [0.01, 3, 0.01, 3, 0.01, 3, 3, 3, 0.01]) asked.push(await ask(ms))
  expect(asked).toEqual([...Array.from({ length: 7 }, () => 'here'), 'thread', 'thread'])
  nowMs += 10_000
  expect([await ask(3), await ask(0.01), await ask(0.01)]).toEqual(['here', 'thread', 'thread'])
  nowMs += 10_000
  expect([await ask(0.01), await ask(3), await ask(0.01), await ask(0.01)]).toEqual(['here', 'here', 'here', 'here'])
})
