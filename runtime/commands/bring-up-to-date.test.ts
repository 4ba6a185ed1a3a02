import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silent } from '#telemetry/emit.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { loadConfiguration } from '../settings/configuration.ts'
import { bringUpToDate, foldedByOthers } from './bring-up-to-date.ts'
import { endOf } from './end-of.ts'
import { Workspace } from './workspace.ts'

let data: string
let workspace: Workspace
let open: OpenDataset
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'watershed-bring-'))
  workspace = await Workspace.open(await loadConfiguration({ flags: { data } }), 'serve', silent)
  open = await workspace.dataset('meetup_rsvps')
  await open.log.append([{ partition: 1, lines: Buffer.from('{}\n{}\n'), count: 2 }])
})
afterEach(async () => {
  await workspace.close()
  rmSync(data, { recursive: true, force: true })
})

const never = new AbortController().signal
const nobody = { kind: 'nobody', why: 'no stream role is running' }

test('Ctrl-C ends the folding as interrupted, and the next command folds the rest', async () => {
  const stopped = await bringUpToDate(workspace, open, 'flushed', AbortSignal.abort()).catch((error: unknown) => error)
  expect(endOf(stopped)).toEqual({
    exit: 'interrupted',
    message: "stopped while folding the log of 'meetup_rsvps'; no event is lost",
  })
  expect(await foldedByOthers(open)).toEqual(nobody)
  expect((await open.store.markers()).size).toBe(0)
  expect(await bringUpToDate(workspace, open, 'flushed', never)).toEqual({ kind: 'counted' })
  expect((await open.store.markers()).get(1)).toMatchObject({ through: 2, deadLetters: 2 })
})

test('where a stream role runs, nothing is folded', async () => {
  const role = await open.lake.tryLock('stream')
  expect(await bringUpToDate(workspace, open, 'closed', never)).toEqual({ kind: 'stream-role' })
  expect(await foldedByOthers(open)).toEqual({ kind: 'stream-role' })
  expect((await open.lake.chains(4))[1]!.end).toBe(0)
  await role!.release()
  expect(await bringUpToDate(workspace, open, 'closed', never)).toEqual({ kind: 'counted' })
  expect((await open.lake.chains(4))[1]!.end).toBe(2)
})

test('a fault says why nobody counts the events, and leaves no lock', async () => {
  const broken = { ...open, store: { ...open.store, markers: () => Promise.reject(new Error('the store is away')) } }
  expect(await bringUpToDate(workspace, broken, 'flushed', never)).toEqual({ kind: 'nobody', why: 'the store is away' })
  const engine = { connect: () => Promise.reject(new Error('no memory')) } as unknown as OpenDataset['engine']
  expect(await bringUpToDate(workspace, { ...open, engine }, 'flushed', never)).toEqual({
    kind: 'nobody',
    why: 'no memory',
  })
  expect(await foldedByOthers(open)).toEqual(nobody)
})
