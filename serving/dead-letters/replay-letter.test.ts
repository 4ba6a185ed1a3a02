/** A letter counts once, whatever fails between append and ledger, and however late it is replayed again. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ReplayLedger } from '#storage/replays/replay-ledger.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { type OfferedEvent, replayLetter } from './replay-letter.ts'

const KEPT_MS = 1_000
const ORIGIN = { partition: 2, offset: 118 }

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'watershed-replay-'))
})
afterAll(() => rmSync(root, { recursive: true }))

/** A log that remembers keys for KEPT_MS, as intake and log do together: what it says of a key is what the key's contract suite demands. */
class KeyedLog {
  nowMs = 0
  readonly events: string[] = []
  readonly #keys = new Map<string, { readonly atMs: number; readonly offset: number }>()

  offer = async (event: Buffer, key: string): Promise<OfferedEvent> => {
    const text = event.toString()
    if (text === 'bad') return { appended: [], repeated: false, reason: 'no good' }
    const kept = this.#keys.get(key)
    const repeated = kept !== undefined && this.nowMs - kept.atMs < KEPT_MS
    const offset = repeated ? kept.offset : this.events.push(text) - 1
    if (!repeated) this.#keys.set(key, { atMs: this.nowMs, offset })
    return { appended: [{ partition: 0, start: offset, end: offset + 1 }], repeated, reason: null }
  }
}

function opened() {
  const log = new KeyedLog()
  const ledger = new ReplayLedger(new FolderTexts(mkdtempSync(join(root, 'ledger-'))))
  const parts = { ledger, keyKeptMs: KEPT_MS, offer: log.offer, clock: () => log.nowMs }
  const replay = (event: string, force = false) =>
    replayLetter(parts, ORIGIN, { event: Buffer.from(event), corrected: true, force })
  return { log, ledger, parts, replay }
}

test('it is appended with its origin, and again is the same event, also long after', async () => {
  const { log, ledger, replay } = opened()
  const first = await replay('good')
  expect(first).toEqual({ origin: ORIGIN, to: { partition: 0, offset: 0 }, repeated: false, corrected: true })
  log.nowMs = 100 * KEPT_MS
  expect(await replay('other')).toEqual({ ...first, repeated: true })
  expect(log.events).toEqual(['good'])
  expect(await ledger.find(ORIGIN)).toMatchObject({ state: 'done', to: first.to })
})

test('one that is still unusable is not appended, and can be corrected afterwards', async () => {
  const { log, replay } = opened()
  await expect(replay('bad')).rejects.toThrow('2:118 is still unusable: no good')
  log.nowMs = 100 * KEPT_MS
  expect(await replay('good')).toMatchObject({ repeated: false })
})

test('several replays at the same time are one event, and the unusable one among them forgets nothing', async () => {
  const { log, ledger, replay } = opened()
  const [first, bad, same] = await Promise.allSettled([replay('good'), replay('bad'), replay('good')])
  expect(first).toMatchObject({ value: { repeated: false } })
  // The letter is replayed: what is sent for it then is not looked at.
  for (const later of [bad, same]) expect(later).toMatchObject({ value: { repeated: true, to: { offset: 0 } } })
  const other = new ReplayLedger(new FolderTexts(mkdtempSync(join(root, 'ledger-'))))
  const late = { partition: 0, offset: 7 }
  const offer = async (): Promise<OfferedEvent> => {
    // Another process replays it meanwhile.
    await other.put(late, { state: 'done', atMs: 0, corrected: true, to: late })
    return { appended: [], repeated: false, reason: 'no good' }
  }
  const parts = { ledger: other, keyKeptMs: KEPT_MS, offer, clock: () => 0 }
  await expect(replayLetter(parts, late, { event: Buffer.from('bad'), corrected: true })).rejects.toThrow('no good')
  expect(await other.find(late)).toMatchObject({ state: 'done' })
  expect([log.events, await ledger.find(ORIGIN)]).toMatchObject([['good'], { state: 'done' }])
})

test('after a death before the ledger was written, it counts once within the time of keys, and then asks', async () => {
  const { log, ledger, parts, replay } = opened()
  const dying = {
    ...parts,
    offer: async (event: Buffer, key: string) => log.offer(event, key).then(() => Promise.reject(new Error('died'))),
  }
  await expect(replayLetter(dying, ORIGIN, { event: Buffer.from('good'), corrected: false })).rejects.toThrow('died')
  log.nowMs = KEPT_MS - 1
  expect(await replay('good')).toMatchObject({ repeated: true, to: { partition: 0, offset: 0 } })
  await ledger.put(ORIGIN, { state: 'begun', atMs: 0, corrected: false, to: null })
  log.nowMs = KEPT_MS
  await expect(replay('good')).rejects.toThrow(/replay it again with force/)
  expect(log.events).toEqual(['good'])
  expect(await replay('good', true)).toMatchObject({ repeated: false, to: { partition: 0, offset: 1 } })
})

test('whatever replays, pauses and deaths there are: without force, never more than one event', async () => {
  const step = fc.record({
    event: fc.constantFrom('good', 'bad'),
    dies: fc.constantFrom('', 'before', 'after'),
    pauseMs: fc.integer({ min: 0, max: KEPT_MS }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      const { log, parts } = opened()
      for (const { event, dies, pauseMs } of steps) {
        log.nowMs += pauseMs
        const offer = async (bytes: Buffer, key: string): Promise<OfferedEvent> => {
          if (dies === 'before') throw new Error('died')
          const offered = await log.offer(bytes, key)
          if (dies === 'after') throw new Error('died')
          return offered
        }
        const replay = { event: Buffer.from(event), corrected: false }
        await replayLetter({ ...parts, offer }, ORIGIN, replay).catch(() => {})
      }
      expect(log.events.length).toBeLessThanOrEqual(1)
    }),
    { numRuns: 60 },
  )
})
