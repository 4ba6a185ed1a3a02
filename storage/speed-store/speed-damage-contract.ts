/** What every driver that keeps rows on a disk must do with one that was changed there. */
import { expect } from 'vitest'
import type { SpeedStore } from './speed-store.ts'
import { marker, partial } from './speed-store-contract.ts'

export interface DamageableStore {
  readonly store: SpeedStore
  /** changes the text of the row with this key, and nothing else */
  damageRow(key: string): Promise<void>
}

/** A damaged row is a fault that says what heals; after its partials were deleted, the owner folds again, and they are read. */
export async function expectDamageIsFound({ store, damageRow }: DamageableStore): Promise<void> {
  const start = new Map([[0, 0]])
  const rows = [partial('a', 3, { pane: 60_000 }), partial('b', 3, { pane: 120_000 })]
  await store.flush(rows, marker(3))
  await damageRow('a')
  const fault = {
    reason: 'damaged',
    message: expect.stringMatching(/a row of partition 0 differs .*doctor --repair.*replays it from the log/),
  }
  await expect(store.read(['v1'], start)).rejects.toMatchObject(fault)
  expect((await store.read(['v1'], start, { fromMs: 120_000 })).rows.get('v1')).toEqual([rows[1]!.row])
  expect((await store.markers()).get(0)).toEqual(marker(3))
  while ((await store.deleteClosed(0, 1, 100)) > 0);
  await expect(store.flush([], marker(3))).rejects.toMatchObject({ reason: 'replaced' })
  await store.flush(rows, marker(3))
  expect([...(await store.read(['v1'], start)).rows.get('v1')!].sort()).toEqual(rows.map(({ row }) => row).sort())
}
