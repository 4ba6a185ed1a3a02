/** What the removal of old raw events means for a dataset. */
import { lookAtRawRetention } from '#batch-layer/raw-retention-look.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import type { Finding } from './finding.ts'

/** Empty where raw events are kept forever, and none were removed. */
export async function retentionFindings({ dataset, lake, partitions }: OpenDataset, nowMs: number): Promise<Finding[]> {
  const looks = await lookAtRawRetention(lake, partitions, dataset.rawKeptMs, nowMs)
  const sum = (of: (look: (typeof looks)[number]) => number): number =>
    looks.reduce((total, look) => total + of(look), 0)
  const numbers = {
    removedOffsets: sum(({ floor }) => floor),
    keptRows: sum(({ kept }) => kept.rows),
    dueRows: sum(({ due }) => due.rows),
    waitingRows: sum(({ waiting }) => waiting.rows),
  }
  if (dataset.rawKeptMs === null && numbers.removedOffsets === 0) return []
  const floors = looks.map(({ floor }) => floor).join(', ')
  const removed =
    numbers.removedOffsets === 0
      ? 'no raw events were removed'
      : `raw events before offset ${floors} were removed, and nothing can be recounted there`
  const due =
    numbers.dueRows === 0 ? '' : `; ${numbers.dueRows} more are past keep.raw, and the next full batch run removes them`
  const message = `keep.raw is ${dataset.definition?.keep?.raw ?? 'forever'}: ${removed}${due}`
  return [{ part: 'lake', state: 'ok', message, advice: null, numbers }]
}
