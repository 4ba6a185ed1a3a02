/** How long a definition keeps raw events. */
import type { DatasetDefinition } from './definition-parts.ts'
import { durationMs } from './grains.ts'

/** Milliseconds after their arrival; null: forever. @throws Error if `keep` is not usable */
export function rawKeptMs({ keep }: Pick<DatasetDefinition, 'keep'>): number | null {
  if (keep !== undefined && 'panes' in keep)
    throw new Error('keep.panes: panes are always kept as they are; remove this member (only keep.raw is supported)')
  if (keep?.raw === undefined || keep.raw === 'forever') return null
  return durationMs(keep.raw, "keep.raw ('forever' keeps all)")
}
