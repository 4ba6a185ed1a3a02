/** What every driver of the speed store must do. */
import { afterEach, expect, test } from 'vitest'
import type { Marker, PartialRow, SpeedStore } from './speed-store.ts'

export function partial(key: string, version: number, more: Partial<PartialRow> = {}): PartialRow {
  return {
    view: 'v1',
    partition: 0,
    segmentStart: 0,
    key,
    pane: 60_000,
    version,
    row: `{"key":${JSON.stringify(key)},"version":${version}}`,
    ...more,
  }
}
export function marker(through: number, more: Partial<Marker> = {}): Marker {
  return {
    partition: 0,
    segmentStart: 0,
    through,
    atMs: 5,
    rows: through,
    deadLetters: 0,
    lateRows: 0,
    timeMaxMs: null,
    ...more,
  }
}

export function speedStoreContract(make: () => Promise<SpeedStore>): void {
  const opened: SpeedStore[] = []
  const open = async (): Promise<SpeedStore> => {
    const store = await make()
    opened.push(store)
    return store
  }
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
  })
  const at = (...starts: [number, number][]) => new Map(starts)

  test('gives absolute values with the marker they were written with', async () => {
    const store = await open()
    await store.flush([partial('a', 3), partial('b', 3)], marker(3))
    await store.flush([partial('a', 7), partial('z', 7, { view: 'v2' })], marker(7, { timeMaxMs: 99 }))
    const { markers, rows } = await store.read(['v1', 'v2', 'v3'], at([0, 0]))
    expect(markers.get(0)).toEqual(marker(7, { timeMaxMs: 99 }))
    expect([...rows.get('v1')!].sort()).toEqual([partial('a', 7).row, partial('b', 3).row])
    expect(rows.get('v2')).toEqual([partial('z', 7).row])
    expect(rows.get('v3')).toEqual([])
  })

  test('a lower version never overwrites a higher one, an equal one does', async () => {
    const store = await open()
    await store.flush([partial('a', 7)], marker(7))
    await store.flush([partial('a', 3)], marker(3))
    await store.flush([], marker(7, { atMs: 8 }))
    const { markers, rows } = await store.read(['v1'], at([0, 0]))
    expect(rows.get('v1')).toEqual([partial('a', 7).row])
    expect(markers.get(0)).toEqual(marker(7, { atMs: 8 }))
  })

  test('keeps segments and partitions apart: a lost owner is never read', async () => {
    const store = await open()
    await store.flush([partial('a', 9)], marker(9))
    await store.flush([partial('a', 12, { segmentStart: 9 })], marker(12, { segmentStart: 9 }))
    await store.flush([partial('a', 2, { partition: 1 })], marker(2, { partition: 1 }))
    const { markers, rows } = await store.read(['v1'], at([0, 9], [1, 5]))
    expect([...markers.keys()]).toEqual([0])
    expect(rows.get('v1')).toEqual([partial('a', 12, { segmentStart: 9 }).row])
    expect((await store.markers()).get(0)!.segmentStart).toBe(9)
  })

  test('deletes what closed segments left, in bounded steps', async () => {
    const store = await open()
    const old = Array.from({ length: 25 }, (_, i) => partial(`k${i}`, 9))
    await store.flush(old, marker(9))
    await store.flush([partial('a', 12, { segmentStart: 9 })], marker(12, { segmentStart: 9 }))
    let steps = 0
    while ((await store.deleteClosed(0, 9, 10)) > 0) steps++
    expect(steps).toBeGreaterThanOrEqual(3)
    expect((await store.read(['v1'], at([0, 0]))).rows.get('v1')).toEqual([])
    expect((await store.read(['v1'], at([0, 9]))).rows.get('v1')).toHaveLength(1)
  })
}
