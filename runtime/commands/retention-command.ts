/** watershed retention: what `keep` has removed of each dataset, and what the next full batch run would remove. Changes nothing. */
import type { Command } from 'commander'
import { lookAtRawRetention, type RawRetentionLook } from '#batch-layer/raw-retention-look.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { printJson, printTable, say } from './output.ts'

export function retentionCommand(): Command {
  return commandWith(
    'retention',
    'Show which raw events `keep` has removed, and which the next full batch run would remove',
  ).action(retention)
}

interface ShownRetention extends Omit<RawRetentionLook, 'oldestArrivalMs'> {
  readonly dataset: string
  /** as in the definition */
  readonly keepRaw: string
  readonly oldestArrival: string | null
  /** when the oldest kept segment is past its horizon; null: never, or nothing is kept */
  readonly oldestDueAt: string | null
}

async function retention(options: SharedOptions): Promise<void> {
  const shown = await withWorkspace(options, 'serve', async (workspace) => {
    const all = (await workspace.all()).map(retentionOf)
    return (await Promise.all(all)).flat()
  })
  if (options.json) return printJson(shown)
  const heads = ['dataset', 'partition', 'keep.raw', 'removed before', 'raw events', 'due', 'due bytes', 'next due at']
  printTable(
    heads,
    shown.map(({ dataset, partition, keepRaw, floor, kept, due, oldestDueAt }) => {
      const next = due.segments > 0 ? 'now' : (oldestDueAt ?? 'never')
      return [dataset, partition, keepRaw, floor, kept.rows, due.rows, due.bytes, next]
    }),
  )
  if (shown.some(({ due }) => due.segments > 0))
    say('what is due is removed by the next full batch run (`watershed batch run --full`), and its states are kept')
  const waiting = shown.reduce((sum, each) => sum + each.waiting.rows, 0)
  if (waiting > 0)
    say(`${waiting} more events are past keep.raw, and are kept until every retained generation counts them`)
}

async function retentionOf({ dataset, lake, partitions }: OpenDataset): Promise<ShownRetention[]> {
  const { rawKeptMs } = dataset
  const looks = await lookAtRawRetention(lake, partitions, rawKeptMs, Date.now())
  return looks.map(({ oldestArrivalMs, ...look }) => ({
    dataset: dataset.name,
    keepRaw: dataset.definition?.keep?.raw ?? 'forever',
    ...look,
    oldestArrival: isoOf(oldestArrivalMs),
    oldestDueAt: isoOf(oldestArrivalMs === null || rawKeptMs === null ? null : oldestArrivalMs + rawKeptMs),
  }))
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
