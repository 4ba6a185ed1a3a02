/** Where a row begins to be late: the same for the fold of the stream role and for the tail that answers are given from. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { TailTable } from '#serving/live/tail-rows.ts'
import { RowsFold } from '#speed-layer/rows-fold.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { LATE_TAGS } from './late-tags-fixture.ts'

test('a row is late when it arrived more than lateAfter after its time, not when it was just that', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-late-'))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  try {
    const connection = await engine.connect()
    const dataset = await compileDataset(LATE_TAGS, connection)
    const lake = new MemoryLake({ dataset: 'tags' })
    const fold = new RowsFold({ dataset, partition: 0, logIdentity: 'l', connection, lake, scratchFolder: folder })
    const tail = new TailTable({ dataset, connection, scratchFolder: folder })
    const lateAfterMs = 60_000
    const atMs = 1_700_000_000_000
    for (const [start, delayMs, late] of [
      [0, lateAfterMs - 1, 0],
      [1, lateAfterMs, 0],
      [2, lateAfterMs + 1, 1],
    ] as const) {
      const batch: RecordBatch = {
        ...{ partition: 0, start, end: start + 1, count: 1, offsets: null },
        lines: Buffer.from(`{"id":${start},"at":${atMs}}\n`),
        arrivals: [{ count: 1, atMs: atMs + delayMs }],
      }
      await fold.begin(start)
      await fold.append(batch)
      expect((await fold.dirty(atMs)).marker, `${delayMs} ms`).toMatchObject({ rows: 1, lateRows: late })
      await tail.append([batch])
      expect(tail.counts(0), `${delayMs} ms`).toMatchObject({ rows: start + 1, lateRows: late })
    }
  } finally {
    engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
