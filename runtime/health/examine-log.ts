/** What there is to say about the log. */
import type { OpenDataset } from '../drivers/open-dataset.ts'
import type { Finding } from './finding.ts'

export async function examineLog({ log }: OpenDataset): Promise<Finding> {
  const ranges = await Promise.all(Array.from({ length: log.partitions }, (_, partition) => log.range(partition)))
  const held = ranges.reduce((sum, range) => sum + range.end - range.start, 0)
  const end = ranges.reduce((sum, range) => sum + range.end, 0)
  const message = `${log.partitions} partitions, ${end} events appended in total, ${held} retained`
  return { part: 'log', state: 'ok', message, advice: null, numbers: { partitions: log.partitions, events: end, held } }
}

/** The content of logs that are files of ours. */
export async function examineLogContent({ log }: OpenDataset): Promise<Finding[]> {
  if (log.examine === undefined) return []
  for (let partition = 0; partition < log.partitions; partition++) await log.examine(partition)
  const message = `${log.partitions} partitions: every record matches its checksum`
  return [{ part: 'log', state: 'ok', message, advice: null, numbers: { partitions: log.partitions } }]
}
