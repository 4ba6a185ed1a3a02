import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LakeError } from '#storage/lake/lake-error.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { until } from '#tests/until.ts'
import { holdStreamLock } from './stream-lock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-stream-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (): Promise<LocalLake> => LocalLake.open({ folder, dataset: 'clicks' })

/** Whether somebody holds it; a lock that is free is free again afterwards. */
async function isHeld(): Promise<boolean> {
  const lock = await (await open()).tryLock('stream')
  await lock?.release()
  return lock === null
}

test('the next stream role takes the lock when its holder ends, and gives it up at its own end', async () => {
  const first = holdStreamLock(await open(), 1)
  await until('the first one holds it', isHeld)
  const second = holdStreamLock(await open(), 1)
  await first.release()
  await until('the second one holds it', isHeld)
  await second.release()
  expect(await isHeld()).toBe(false)
})

test('a lock that cannot be taken for now is tried again', async () => {
  const lake = await open()
  let faults = 2
  const tryLock = async (work: 'batch' | 'stream'): ReturnType<LocalLake['tryLock']> => {
    if (faults-- > 0) throw new LakeError('disk-full', 'lake: the disk is full')
    return lake.tryLock(work)
  }
  const lock = holdStreamLock({ tryLock }, 1)
  await until('it is held', isHeld)
  await lock.release()
  expect(await isHeld()).toBe(false)
})

test('released before it was taken, it is never taken', async () => {
  const other = await (await open()).tryLock('stream')
  const lock = holdStreamLock(await open(), 3_600_000)
  await lock.release()
  await other!.release()
  expect(await isHeld()).toBe(false)
})
