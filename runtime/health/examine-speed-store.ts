/** Whether a stream role is running, and how far it is. */
import { CLOCKS_APART_MS_MAX } from '#batch-layer/due-runs.ts'
import { MARKER_FRESH_MS, newestClosedMs } from '#serving/health/hops.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { Marker } from '#storage/speed-store/speed-store.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { agoOf, CLOCK_WAS_WRONG } from './ago.ts'
import type { Finding } from './finding.ts'

/** A command that folds events writes as a stream role does, and ends: only when it was can be said. */
const secondsOf = (ms: number): string => `${Math.max(0, Math.round(ms / 1_000))} s`

export async function examineStore(open: OpenDataset, now: number): Promise<Finding> {
  const markers = await open.store.markers()
  const chains = await chainsOf(open)
  const lag = await lagOf(open, chains, markers)
  const newest = Math.max(0, ...[...markers.values()].map((marker) => marker.atMs))
  const numbers = { lag, markerAgeMs: newest === 0 ? null : now - newest }
  if (newest > now + CLOCKS_APART_MS_MAX) {
    const ahead = agoOf(newest - now)
    const message = `the stream role wrote last at a time that is ${ahead} in the future; ${lag} events are not included in answers yet`
    return { part: 'speed store', state: 'attention', message, advice: CLOCK_WAS_WRONG, numbers }
  }
  // Far behind the log, segments are closed instead of writing markers.
  const closes = lag > 0 && Math.abs(now - newestClosedMs(chains)) <= MARKER_FRESH_MS
  if (closes || (newest !== 0 && now - newest <= MARKER_FRESH_MS)) {
    return {
      part: 'speed store',
      state: 'ok',
      message: `${closes ? 'a stream role catches up' : `a stream role wrote ${secondsOf(now - newest)} ago`}, ${lag} events behind the log`,
      advice: null,
      numbers,
    }
  }
  return {
    part: 'speed store',
    state: lag > 0 ? 'attention' : 'note',
    message: `no stream role is running; ${lag} events are not included in answers yet`,
    advice: lag > 0 ? 'run `watershed start`; if it is already running, see its log' : null,
    numbers,
  }
}

async function chainsOf({ lake, log, partitions }: OpenDataset): Promise<readonly SegmentChain[]> {
  const generation = await lake.current().catch(() => null)
  const chains = await lake.chains(partitions, { counted: generation?.boundary, after: generation?.boundary })
  return chains.slice(0, log.partitions)
}

/** Events in the log that neither a closed segment nor a marker reaches. */
async function lagOf(
  { log }: OpenDataset,
  chains: readonly SegmentChain[],
  markers: ReadonlyMap<number, Marker>,
): Promise<number> {
  let lag = 0
  for (const chain of chains) {
    const { end } = await log.range(chain.partition)
    const marker = markers.get(chain.partition)
    const open = marker?.segmentStart === chain.end ? marker.through : chain.end
    lag += Math.max(0, end - open)
  }
  return lag
}
