/** Contract suite of source positions; every driver runs it. */
import { describe, expect, test } from 'vitest'
import type { KeyedLogHarness } from './append-once-contract.ts'
import type { EventLog } from './event-log.ts'
import { heldTexts, lines } from './log-contract.ts'
import { logHandles } from './log-handles-fixture.ts'
import { CURSOR_CHARS_MAX, SourceMovedError } from './source-ledger.ts'

const some = () => [lines(0, '{"a":1}', '{"a":2}'), lines(2, '{"a":3}')]
const UNTOUCHED = { cursor: null, paused: null, events: 0, atMs: null }

export function sourceLedgerContract(driver: string, make: () => Promise<KeyedLogHarness>): void {
  describe(`${driver}: positions of sources`, () => {
    const opened = logHandles(make)
    const open = (clock?: () => number): Promise<EventLog> => opened({ clock })

    const held = async (log: EventLog): Promise<string[]> => (await heldTexts(log, 3)).sort()
    const holds = (log: EventLog, ...texts: string[]): Promise<void> =>
      expect.poll(() => held(log), { timeout: 30_000, interval: 20 }).toEqual(texts)

    test('records and cursor are stored together, and are there for other handles and after a restart', async () => {
      const log = await open(() => 7)
      expect(await log.sources.list()).toEqual([])
      const claimed = await log.sources.claim('live')
      expect(claimed).toEqual({ source: 'live', epoch: 1, ...UNTOUCHED })
      const ranges = await log.sources.append(some(), { source: 'live', epoch: 1, cursor: '"x"' })
      expect(ranges).toEqual([
        { partition: 0, start: 0, end: 2 },
        { partition: 2, start: 0, end: 1 },
      ])
      const stored = { source: 'live', epoch: 1, cursor: '"x"', paused: null, events: 3, atMs: 7 }
      expect(await (await open()).sources.list()).toEqual([stored])
      await log.close()
      const later = await open()
      expect(await later.sources.claim('live')).toEqual({ ...stored, epoch: 2 })
      await holds(later, '{"a":1}', '{"a":2}', '{"a":3}')
    })

    test('an older claim appends nothing, not even its cursor, whoever made the newer one', async () => {
      const [frozen, other] = [await open(), await open()]
      const { epoch } = await frozen.sources.claim('live')
      await frozen.sources.append([lines(1, '{"by":"frozen"}')], { source: 'live', epoch, cursor: '1' })
      const taken = await other.sources.claim('live')
      expect(taken).toMatchObject({ epoch: epoch + 1, cursor: '1', events: 1 })
      const late = () => frozen.sources.append(some(), { source: 'live', epoch, cursor: '2' })
      await expect(late()).rejects.toThrow(SourceMovedError)
      await other.sources.append([lines(1, '{"by":"other"}')], { source: 'live', epoch: taken.epoch, cursor: '2' })
      await expect(late()).rejects.toThrow(/another process took it over/)
      expect(await other.sources.list()).toMatchObject([{ epoch: taken.epoch, cursor: '2', events: 2 }])
      await holds(other, '{"by":"frozen"}', '{"by":"other"}')
    })

    test('a claim that was never made appends nothing', async () => {
      const log = await open()
      await expect(log.sources.append(some(), { source: 'live', epoch: 1, cursor: '1' })).rejects.toThrow(
        SourceMovedError,
      )
      expect(await log.sources.list()).toEqual([])
      expect(await held(log)).toEqual([])
    })

    test('pausing, resuming and resetting are kept, and refuse the holder until it claims anew', async () => {
      const [holder, person] = [await open(), await open()]
      const { epoch } = await holder.sources.claim('live')
      const append = (own: number, cursor: string) =>
        holder.sources.append([lines(0, `{"cursor":${cursor}}`)], { source: 'live', epoch: own, cursor })
      await append(epoch, '1')
      expect(await person.sources.change('live', { paused: true })).toMatchObject({ paused: true, cursor: '1' })
      await expect(append(epoch, '2')).rejects.toThrow(SourceMovedError)
      expect(await person.sources.change('live', { paused: false })).toMatchObject({ paused: false, cursor: '1' })
      expect(await person.sources.change('live', { cursor: null })).toMatchObject({ paused: false, cursor: null })
      await expect(append(epoch, '2')).rejects.toThrow(SourceMovedError)
      const again = await holder.sources.claim('live')
      expect(again).toMatchObject({ epoch: epoch + 4, cursor: null, paused: false })
      await append(again.epoch, '2')
      await holds(person, '{"cursor":1}', '{"cursor":2}')
    })

    test('a cursor alone moves the position and counts no events', async () => {
      const log = await open()
      const { epoch } = await log.sources.claim('live')
      expect(await log.sources.append([], { source: 'live', epoch, cursor: '9' })).toEqual([])
      expect(await log.sources.list()).toMatchObject([{ cursor: '9', events: 0, atMs: null }])
    })

    test('what is refused leaves the cursor where it was', async () => {
      const log = await open()
      const { epoch } = await log.sources.claim('live')
      const by = { source: 'live', epoch, cursor: '1' }
      await expect(log.sources.append([lines(0, '{}'), lines(99, '{}')], by)).rejects.toThrow(RangeError)
      const long = { ...by, cursor: 'x'.repeat(CURSOR_CHARS_MAX + 1) }
      await expect(log.sources.append(some(), long)).rejects.toThrow(/its cursor has 524289 characters/)
      expect(await log.sources.list()).toMatchObject([{ cursor: null, events: 0 }])
      expect(await held(log)).toEqual([])
    })

    test('sources of one log, and other appends beside them, do not disturb one another', async () => {
      const log = await open()
      const [a, b] = [await log.sources.claim('a'), await log.sources.claim('b')]
      await Promise.all([
        ...[1, 2, 3].map((n) => log.append([lines(0, `{"plain":${n}}`)])),
        log.sources.append([lines(0, '{"a":1}')], { source: 'a', epoch: a.epoch, cursor: 'a1' }),
        log.sources.append([lines(0, '{"b":1}')], { source: 'b', epoch: b.epoch, cursor: 'b1' }),
      ])
      expect(await log.sources.list()).toMatchObject([
        { source: 'a', cursor: 'a1', events: 1 },
        { source: 'b', cursor: 'b1', events: 1 },
      ])
      await holds(log, '{"a":1}', '{"b":1}', '{"plain":1}', '{"plain":2}', '{"plain":3}')
    })
  })
}
