/** What every driver of the speed store must do; speed-store.test.ts calls this with a way to make each. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { countThrough, type FoldAction, foldingOwner, rowsOf } from './folding-owner.ts'
import type { Marker, PartialRow, SpeedStore } from './speed-store.ts'

/** An empty store. */
export interface SpeedStoreHarness {
  /** a read shows one moment: rows exactly equal to the marker. Otherwise rows may be newer than it, never older */
  readonly atomic: boolean
  /** of the runs of the laws; less than 1 where each of their reads and flushes costs requests of a server */
  readonly share?: number
  /** one more handle on it, as another process would have */
  open(): Promise<SpeedStore>
  /** takes it away; all handles are closed by then */
  close(): Promise<void>
}

export function partial(key: string, version: number, more: Partial<PartialRow> = {}): PartialRow {
  const row = `{"key":${JSON.stringify(key)},"version":${version}}`
  return { view: 'v1', partition: 0, segmentStart: 0, key, pane: 60_000, version, row, ...more }
}

export function marker(through: number, more: Partial<Marker> = {}): Marker {
  const counts = { rows: through, deadLetters: 0, lateRows: 0, timeMaxMs: null, views: ['v1'] }
  return { partition: 0, segmentStart: 0, through, atMs: 5, ...counts, ...more }
}

const at = (...starts: [number, number][]) => new Map(starts)

export function speedStoreContract(driver: string, make: () => Promise<SpeedStoreHarness>): void {
  describe(driver, () => {
    let harness: SpeedStoreHarness
    const opened: SpeedStore[] = []
    const open = async (): Promise<SpeedStore> => {
      const store = await harness.open()
      opened.push(store)
      return store
    }
    beforeEach(async () => {
      harness = await make()
    })
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close()
      await harness.close()
    })

    test('gives absolute values with the marker they were written with, to every handle', async () => {
      const [store, other] = [await open(), await open()]
      await store.flush([partial('a', 3), partial('b', 3)], marker(3))
      const named = marker(7, { views: ['v1', 'v2'], timeMaxMs: 99, deadLetters: 2, lateRows: 1, rows: 4 })
      await store.flush([partial('a', 7, { pane: null }), partial('z', 7, { view: 'v2' })], named)
      for (const each of [store, other]) {
        const { markers, rows } = await each.read(['v1', 'v2', 'v3'], at([0, 0]))
        expect(markers.get(0)).toEqual(named)
        expect([...rows.get('v1')!].sort()).toEqual([partial('a', 7).row, partial('b', 3).row])
        expect(rows.get('v2')).toEqual([partial('z', 7).row])
        expect(rows.get('v3')).toEqual([])
      }
    })

    test('keeps keys and rows as they came: quotes, Unicode, large numbers', async () => {
      const store = await open()
      const keys = ['[1,"us"]', '[1,"US"]', '["Zürich 😀"]', '["\\u0000"]', '["\'; DROP TABLE partials"]', '[null]']
      const rows = keys.map((key) => partial(key, 1, { row: `{"key":${key},"sum":9007199254740993}` }))
      await store.flush(rows, marker(1))
      const found = (await store.read(['v1'], at([0, 0]))).rows.get('v1')!
      expect([...found].sort()).toEqual(rows.map(({ row }) => row).sort())
    })

    test('a lower version never overwrites a higher one, an equal one does', async () => {
      const store = await open()
      await store.flush([partial('a', 7)], marker(7))
      await store.flush([partial('a', 3), partial('b', 3)], marker(3))
      await store.flush([partial('a', 7, { row: '{"again":7}' })], marker(7, { atMs: 8 }))
      const { markers, rows } = await store.read(['v1'], at([0, 0]))
      expect([...rows.get('v1')!].sort()).toEqual(['{"again":7}', partial('b', 3).row])
      expect(markers.get(0)).toEqual(marker(7, { atMs: 8 }))
    })

    test('a flush without partials moves the marker: its time says that the owner lives', async () => {
      const store = await open()
      await store.flush([], marker(0, { atMs: 1 }))
      await store.flush([], marker(0, { atMs: 2 }))
      expect((await store.read([], at([0, 0]))).markers.get(0)).toEqual(marker(0, { atMs: 2 }))
    })

    test('keeps segments and partitions apart: a lost owner is never read', async () => {
      const store = await open()
      await store.flush([partial('a', 9)], marker(9))
      await store.flush([partial('a', 12, { segmentStart: 9 })], marker(12, { segmentStart: 9 }))
      await store.flush([partial('a', 2, { partition: 1 })], marker(2, { partition: 1 }))
      const { markers, rows } = await store.read(['v1'], at([0, 9], [1, 5]))
      expect([...markers.keys()]).toEqual([0])
      expect(rows.get('v1')).toEqual([partial('a', 12, { segmentStart: 9 }).row])
    })

    test('reads only the panes that are asked for, rows without a pane, and the marker', async () => {
      const store = await open()
      const panes = [0, 60_000, 120_000, 180_000].map((pane) => partial(`p${pane}`, 4, { pane }))
      await store.flush([...panes, partial('none', 4, { pane: null })], marker(4))
      const read = async (range: { fromMs?: number; beforeMs?: number }): Promise<string[]> => {
        const { rows, markers } = await store.read(['v1'], at([0, 0]), range)
        expect(markers.get(0)).toEqual(marker(4))
        return rows
          .get('v1')!
          .map((row) => (JSON.parse(row) as { key: string }).key)
          .sort()
      }
      expect(await read({ fromMs: 60_000, beforeMs: 180_000 })).toEqual(['none', 'p120000', 'p60000'])
      expect(await read({ fromMs: 120_000 })).toEqual(['none', 'p120000', 'p180000'])
      expect(await read({ beforeMs: 60_000 })).toEqual(['none', 'p0'])
      expect(await read({})).toHaveLength(5)
    })

    test('names the newest marker of each partition', async () => {
      const store = await open()
      expect((await store.markers()).size).toBe(0)
      await store.flush([], marker(12, { segmentStart: 9 }))
      await store.flush([], marker(20, { segmentStart: 0 }))
      await store.flush([], marker(3, { partition: 4, segmentStart: 1 }))
      const newest = await store.markers()
      expect(newest.get(0)).toEqual(marker(12, { segmentStart: 9 }))
      expect(newest.get(4)).toEqual(marker(3, { partition: 4, segmentStart: 1 }))
    })

    test('deletes what closed segments left, in bounded steps, and nothing else', async () => {
      const store = await open()
      const old = Array.from({ length: 25 }, (_, i) => partial(`k${i}`, 9))
      await store.flush(old, marker(9))
      await store.flush([partial('a', 12, { segmentStart: 9 })], marker(12, { segmentStart: 9 }))
      await store.flush([partial('a', 2, { partition: 1 })], marker(2, { partition: 1 }))
      const steps: number[] = []
      do steps.push(await store.deleteClosed(0, 9, 10))
      while (steps.at(-1)! > 0)
      expect(Math.max(...steps)).toBeLessThanOrEqual(10)
      expect(steps.reduce((sum, deleted) => sum + deleted, 0)).toBe(26)
      const closed = await store.read(['v1'], at([0, 0]))
      expect([closed.markers.size, closed.rows.get('v1')]).toEqual([0, []])
      expect((await store.read(['v1'], at([0, 9], [1, 0]))).rows.get('v1')).toHaveLength(2)
    })

    test('deletes the markers first: what is left of a closed segment half way is not read', async () => {
      const store = await open()
      const old = Array.from({ length: 25 }, (_, i) => partial(`k${i}`, 9))
      await store.flush(old, marker(9))
      expect(await store.deleteClosed(0, 9, 1)).toBe(1)
      const left = await store.read(['v1'], at([0, 0]))
      expect([left.markers.size, left.rows.get('v1')]).toEqual([0, []])
    })

    test('an owner whose partials were deleted is told so, instead of putting its marker over what is not there', async () => {
      const [owner, other] = [await open(), await open()]
      await owner.flush([partial('a', 4)], marker(4))
      while ((await other.deleteClosed(0, 1, 100)) > 0);
      await expect(owner.flush([partial('b', 6)], marker(6))).rejects.toMatchObject({ reason: 'replaced' })
      expect((await other.read(['v1'], at([0, 0]))).markers.size).toBe(0)
      await owner.flush([partial('a', 6), partial('b', 6)], marker(6))
      expect((await other.read(['v1'], at([0, 0]))).rows.get('v1')).toHaveLength(2)
    })

    const actions = fc.array(
      fc.record({ owner: fc.constantFrom<0 | 1>(0, 1), events: fc.nat(4), flush: fc.boolean() }),
      { maxLength: 25 },
    )
    const keys = fc.array(fc.nat(4), { minLength: 1, maxLength: 40 })

    test('two owners that fold the same events, one after the other, always leave what one would', async () => {
      const stores = [await open(), await open()]
      let segmentStart = 0
      await fc.assert(
        fc.asyncProperty(keys, actions, async (events, plan) => {
          segmentStart += 1_000
          const owners = stores.map((store) => foldingOwner(store, segmentStart, events))
          for (const action of plan) {
            await owners[action.owner]!(action)
            const { markers, rows } = await stores[0]!.read(['v1'], at([0, segmentStart]))
            const through = markers.get(0)?.through ?? segmentStart
            expect(rowsOf(rows.get('v1')!)).toEqual(countThrough(events, through - segmentStart))
          }
        }),
        { numRuns: runsOf(60, harness) },
      )
    })

    test('two owners at once, and a reader beside them: rows are never older than the marker', async () => {
      const stores = [await open(), await open(), await open()]
      let segmentStart = 0
      await fc.assert(
        fc.asyncProperty(keys, actions, async (events, plan) => {
          segmentStart += 1_000
          const runs = [0, 1].map((index) => {
            const own = foldingOwner(stores[index]!, segmentStart, events)
            return runAll(
              plan.filter((action) => action.owner === index),
              own,
            )
          })
          const running = { yes: true }
          const finished = Promise.all(runs).finally(() => {
            running.yes = false
          })
          do {
            const { markers, rows } = await stores[2]!.read(['v1'], at([0, segmentStart]))
            const least = countThrough(events, (markers.get(0)?.through ?? segmentStart) - segmentStart)
            const found = rowsOf(rows.get('v1')!)
            if (harness.atomic) expect(found).toEqual(least)
            for (const [key, count] of least) expect(found.get(key) ?? 0).toBeGreaterThanOrEqual(count)
          } while (running.yes)
          await finished
          const { markers, rows } = await stores[2]!.read(['v1'], at([0, segmentStart]))
          const through = markers.get(0)?.through ?? segmentStart
          expect(rowsOf(rows.get('v1')!)).toEqual(countThrough(events, through - segmentStart))
        }),
        { numRuns: runsOf(40, harness) },
      )
    })
  })
}

function runsOf(runs: number, { share = 1 }: SpeedStoreHarness): number {
  return Math.ceil(runs * share)
}

async function runAll(plan: readonly FoldAction[], owner: (action: FoldAction) => Promise<void>): Promise<void> {
  for (const action of plan) await owner(action)
}
