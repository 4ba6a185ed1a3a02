/** The batch layer of one dataset, in words: idle, running, locked, failing since when and why. */
import type { ScheduleState } from '#batch-layer/schedule.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { PartStatus } from './role-messages.ts'

export function batchStatus(dataset: string, schedule: ScheduleState, current: GenerationManifest | null): PartStatus {
  const { running, failingSinceMs } = schedule
  return {
    name: `batch of ${dataset}`,
    dataset,
    state: stateOf(schedule),
    fault: faultOf(schedule),
    numbers: {
      run: running,
      generation: current?.id ?? null,
      finishedAt: timeText(current?.finishedAtMs),
      failingSince: timeText(failingSinceMs),
    },
  }
}

/** A run that goes on may be the one that mends it: until then it fails. */
function stateOf({ running, locked, failingSinceMs, asleep }: ScheduleState): PartStatus['state'] {
  if (failingSinceMs !== null || asleep !== null) return 'failing'
  if (running !== null) return 'running'
  return locked ? 'locked' : 'idle'
}

function faultOf({ failingSinceMs, fault, asleep, locked }: ScheduleState): string | null {
  const texts = [
    failingSinceMs === null ? null : `failing since ${timeText(failingSinceMs)}: ${fault}`,
    asleep === null ? null : `nothing wakes it: ${asleep}`,
    locked ? 'another process holds the lock' : null,
  ].filter((text) => text !== null)
  return texts.length === 0 ? null : texts.join('; ')
}

function timeText(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString()
}
