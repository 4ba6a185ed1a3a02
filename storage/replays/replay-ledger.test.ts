/** What is remembered of replays, on a real disk. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FolderTexts } from '../texts/local/folder-texts.ts'
import { ReplayLedger } from './replay-ledger.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-replays-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('a replay is found by its letter, also by another process, until it is forgotten', async () => {
  const ledger = new ReplayLedger(new FolderTexts(folder))
  const [one, other] = [
    { partition: 0, offset: 12_345 },
    { partition: 1, offset: 12_345 },
  ]
  const replay = { state: 'done', atMs: 5, corrected: true, to: { partition: 3, offset: 7 } } as const
  expect(await ledger.find(one)).toBeNull()
  const begun = { ...replay, state: 'begun', to: null } as const
  expect(await ledger.begin(one, begun)).toBe(true)
  expect(await new ReplayLedger(new FolderTexts(folder)).begin(one, { ...begun, atMs: 6 })).toBe(false)
  await ledger.put(one, replay)
  // What another process has done meanwhile is not forgotten with what this one began.
  await ledger.forget(one, begun)
  expect(await new ReplayLedger(new FolderTexts(folder)).find(one)).toEqual(replay)
  expect(await ledger.find(other)).toBeNull()
  await ledger.put(one, begun)
  await ledger.forget(one, begun)
  expect(await ledger.find(one)).toBeNull()
})

test('a damaged record is an error, not a letter that was never replayed', async () => {
  const ledger = new ReplayLedger(new FolderTexts(folder))
  await ledger.put({ partition: 0, offset: 1 }, { state: 'begun', atMs: 1, corrected: false, to: null })
  await writeFile(join(folder, '0-0', '0-1.json'), '{"state":')
  await expect(ledger.find({ partition: 0, offset: 1 })).rejects.toThrow(/JSON/)
})
