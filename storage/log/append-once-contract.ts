/** Contract suite of appends under a key; every driver runs it. */
import { describe, expect, test } from 'vitest'
import { type AppendedOnce, type KeyLimits, KeyReusedError, TooManyKeysError } from './append-once.ts'
import type { EventLog } from './event-log.ts'
import { heldTexts, lines } from './log-contract.ts'
import { type LogHarness, logHandles } from './log-handles-fixture.ts'

export interface KeyedLogOptions {
  readonly keys?: Partial<KeyLimits>
  readonly clock?: () => number
}

/** An empty log of three partitions. */
export type KeyedLogHarness = LogHarness<KeyedLogOptions>

const once = (key: string, fingerprint = 'f') => ({ key, fingerprint })
const some = () => [lines(0, '{"a":1}', '{"a":2}'), lines(2, '{"a":3}')]

export function appendOnceContract(driver: string, make: () => Promise<KeyedLogHarness>): void {
  describe(`${driver}: appends under a key`, () => {
    const open = logHandles(make)

    /** The texts of all partitions, read by another handle until as many are visible as were acknowledged. */
    const held = async (log: EventLog): Promise<string[]> => heldTexts(log, 3)
    const appended = async (log: EventLog, count: number): Promise<string[]> => {
      await expect.poll(async () => (await held(log)).length, { timeout: 30_000, interval: 20 }).toBe(count)
      return held(log)
    }

    test('a repeat appends nothing and returns the same ranges, to every handle and after a restart', async () => {
      const log = await open()
      const first = await log.appendOnce(some(), once('k'))
      expect(first).toEqual({
        ranges: [
          { partition: 0, start: 0, end: 2 },
          { partition: 2, start: 0, end: 1 },
        ],
        repeated: false,
      })
      const again = { ...first, repeated: true }
      expect(await log.appendOnce(some(), once('k'))).toEqual(again)
      const other = await open()
      expect(await other.appendOnce(some(), once('k'))).toEqual(again)
      await log.close()
      await other.close()
      const later = await open()
      expect(await later.appendOnce(some(), once('k'))).toEqual(again)
      expect(await later.appendOnce([], once('k'))).toEqual(again)
      expect(await appended(later, 3)).toEqual(['{"a":1}', '{"a":2}', '{"a":3}'])
    })

    test('several batches of one partition, and long ones, get their ranges in order', async () => {
      const log = await open()
      const texts = Array.from({ length: 5_000 }, (_, index) => `{"long":${index}}`)
      const batches = () => [lines(1, '{"first":1}'), lines(0, ...texts), lines(1, '{"last":1}', '{"last":2}')]
      const { ranges } = await log.appendOnce(batches(), once('k'))
      expect(ranges).toEqual([
        { partition: 1, start: 0, end: 1 },
        { partition: 0, start: 0, end: 5_000 },
        { partition: 1, start: 1, end: 3 },
      ])
      expect(await appended(log, 5_003)).toEqual([...texts, '{"first":1}', '{"last":1}', '{"last":2}'])
      expect(await (await open()).appendOnce(batches(), once('k'))).toEqual({ ranges, repeated: true })
    })

    test('appends under different keys, and without one, all count', async () => {
      const log = await open()
      for (let key = 0; key < 20; key++) await log.appendOnce([lines(1, `{"key":${key}}`)], once(`k${key}`))
      await log.append([lines(1, '{}'), lines(1, '{}')])
      expect(await appended(log, 22)).toHaveLength(22)
    })

    test('other records under the same key are refused, and nothing of them is appended', async () => {
      const log = await open()
      await log.appendOnce(some(), once('k'))
      for (const handle of [log, await open()]) {
        await expect(handle.appendOnce([lines(0, '{}')], once('k', 'other'))).rejects.toThrow(KeyReusedError)
        await expect(handle.appendOnce([], once('k', 'other'))).rejects.toThrow(/'k' was used for other events/)
      }
      expect(await appended(log, 3)).toHaveLength(3)
    })

    test('what is refused with a key does not use it up', async () => {
      const log = await open()
      expect(await log.appendOnce([], once('k'))).toEqual({ ranges: [], repeated: false })
      await expect(log.appendOnce([lines(0, '{}'), lines(99, '{}')], once('k'))).rejects.toThrow(RangeError)
      const { repeated } = await log.appendOnce([lines(0, '{}')], once('k', 'other'))
      expect(repeated).toBe(false)
      expect(await appended(log, 1)).toHaveLength(1)
    })

    test('of many at once, from several handles, one appends, and all get its ranges', async () => {
      const handles = [await open(), await open()]
      const asked = Array.from({ length: 24 }, (_, index) => {
        const key = `k${index % 3}`
        return handles[index % 2]!.appendOnce([lines(index % 3, `{"key":"${key}"}`)], once(key))
      })
      const all = await Promise.all(asked)
      for (let key = 0; key < 3; key++) {
        const own = all.filter((_, index) => index % 3 === key)
        expect(new Set(own.map(({ ranges }) => JSON.stringify(ranges))).size).toBe(1)
        expect(own.filter(({ repeated }) => !repeated)).toHaveLength(1)
      }
      expect((await appended(handles[0]!, 3)).sort()).toEqual(['{"key":"k0"}', '{"key":"k1"}', '{"key":"k2"}'])
    })

    test('a key counts for its time, and then anew; it costs nothing any more', async () => {
      let skewMs = 0
      const keepMs = 60_000
      const options = { keys: { keepMs, keysMax: 8 }, clock: () => Date.now() + skewMs }
      const log = await open(options)
      await log.appendOnce([lines(0, '{}')], once('k'))
      skewMs = keepMs / 2
      expect((await log.appendOnce([lines(0, '{}')], once('k'))).repeated).toBe(true)
      skewMs = keepMs + 1_000
      expect((await (await open(options)).appendOnce([lines(0, '{}')], once('k', 'other'))).repeated).toBe(false)
      expect(await appended(log, 2)).toHaveLength(2)
    })

    test('more keys than the limit are refused until some expire; those that are kept go on counting', async () => {
      let skewMs = 0
      const keepMs = 60_000
      const log = await open({ keys: { keepMs, keysMax: 8 }, clock: () => Date.now() + skewMs })
      const taken: string[] = []
      let refused: unknown = null
      for (let key = 0; refused === null; key++) {
        expect(key).toBeLessThanOrEqual(8)
        const text = `k${key}`
        await log.appendOnce([lines(0, '{}')], once(text)).then(
          () => taken.push(text),
          (error: unknown) => {
            refused = error
          },
        )
      }
      expect(refused).toBeInstanceOf(TooManyKeysError)
      expect((refused as Error).message).toMatch(/idempotencyKeysMax = \d/)
      const repeats: AppendedOnce[] = []
      for (const key of taken) repeats.push(await log.appendOnce([lines(0, '{}')], once(key)))
      expect(repeats.every(({ repeated }) => repeated)).toBe(true)
      expect((await log.append([lines(0, '{}')])).length).toBe(1)
      skewMs = keepMs + 1_000
      for (const key of taken) expect((await log.appendOnce([lines(0, '{}')], once(key))).repeated).toBe(false)
    })
  })
}
