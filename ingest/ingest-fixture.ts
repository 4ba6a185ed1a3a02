/** A small dataset and a log in a temporary folder, for the tests of this tier. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventCheck } from '#core/check-event.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { defineDataset } from '#core/definition.ts'
import type { AppendBatch, EventLog } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { type Rows, rowOf } from './rows.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    note: { type: 'VARCHAR', path: '$.note' },
  },
  views: {},
})

/** Only what validation needs of a compiled dataset. */
export const visits = { name: 'visits', deciding: null, ...eventCheck(definition) } as unknown as CompiledDataset

export const visit = (id: number, note = ''): string => JSON.stringify({ id, at: 1_700_000_000_000 + id, note })

export const textsOf = (rows: Rows): string[] => rows.starts.map((_, index) => String(rowOf(rows, index)))

export interface Scratch {
  readonly folder: string
  readonly log: EventLog
  /** the records of all partitions, by position */
  records(): Promise<Map<string, Buffer>>
  remove(): Promise<void>
}

export async function openScratch(partitions = 4): Promise<Scratch> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-ingest-'))
  const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'visits', partitions })
  return {
    folder,
    log,
    records: () => recordsOf(log),
    remove: async () => {
      await log.close()
      rmSync(folder, { recursive: true })
    },
  }
}

async function recordsOf(log: EventLog): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (let partition = 0; partition < log.partitions; partition++) {
    const { start, end } = await log.range(partition)
    for (let from = start; from < end; ) {
      const batch = (await log.read(partition, from, { bytesMax: 2 ** 26, recordsMax: 10_000 }))!
      for (let at = 0, offset = batch.start; offset < batch.end; offset++) {
        const lineEnd = batch.lines.indexOf(10, at)
        found.set(`${partition}/${offset}`, Buffer.from(batch.lines.subarray(at, lineEnd)))
        at = lineEnd + 1
      }
      from = batch.end
    }
  }
  return found
}

/** A log whose appends wait until the test releases or fails them. */
export function gatedLog(): {
  readonly log: EventLog
  readonly appends: AppendBatch[][]
  readonly waiting: PromiseWithResolvers<void>[]
} {
  const appends: AppendBatch[][] = []
  const waiting: PromiseWithResolvers<void>[] = []
  const ends = [0, 0]
  const append = async (batches: readonly AppendBatch[]) => {
    const gate = Promise.withResolvers<void>()
    waiting.push(gate)
    await gate.promise
    appends.push(batches.map((batch) => ({ ...batch, lines: Buffer.from(batch.lines) })))
    return batches.map(({ partition, count }) => {
      const start = ends[partition]!
      ends[partition] = start + count
      return { partition, start, end: start + count }
    })
  }
  return { log: { identity: 'gated', partitions: 2, append } as unknown as EventLog, appends, waiting }
}
