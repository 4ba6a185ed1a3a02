/** Whether log, lake and speed store agree, as far as an answer depends on it. */
import { endsWithin } from '#core/ends-within.ts'
import { countedRecords, type LogVerdict, logAgreement } from '#core/log-agreement.ts'
import { verdictText } from '#core/log-verdict-text.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { LogRefusal } from '#storage/lake/log-refusal.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { recordsAt } from '#storage/log/record-prints.ts'
import type { Marker } from '#storage/speed-store/speed-store.ts'

/** How long an answer waits for the log to be compared. */
const COMPARE_MS_MAX = 1_000

/** Why no exact answer can be given, whatever the speed store holds. A lake of another log is reported first. */
export function lakeFault(
  logIdentity: string | undefined,
  generation: GenerationManifest | null,
  chains: readonly SegmentChain[],
): string | null {
  const faults = chains
    .map((lake) => ({ lake, verdict: logAgreement({ partition: lake.partition, logIdentity, lake, generation }) }))
    .filter(({ verdict }) => verdict.kind !== 'agrees')
  const first = faults.find(({ verdict }) => verdict.kind === 'log-replaced') ?? faults[0]
  return first === undefined ? null : `partition ${first.lake.partition}: ${faultText(first.verdict)}`
}

function faultText(verdict: LogVerdict): string {
  const text = verdictText(verdict)
  if (verdict.kind !== 'log-replaced') return text
  return `${text}; restore the log that belongs to this lake, or start with an empty data folder`
}

/** The log lost records: what it holds now under the offsets that were counted is not known to the lake. */
export function refusalFault(refusals: ReadonlyMap<number, LogRefusal>): string | null {
  const first = [...refusals.values()][0]
  return first ? `partition ${first.partition}: ${verdictText({ kind: 'log-refused', why: first.why })}` : null
}

type ComparedLog = Pick<EventLog, 'range'> & Partial<Pick<EventLog, 'read'>>
const comparedLogs = new WeakSet<ComparedLog>()
/** without an answer for now */
const comparisons = new WeakMap<ComparedLog, Promise<string | null | undefined>>()

/**
 * Compares the log with what closed and open segments count of it, once per opened log: a log that loses records while it is open is found
 * out by whoever reads it. Waits for a moment only, and only once for a log that does not answer; it is compared when it does.
 */
export async function contentFault(
  log: ComparedLog | undefined,
  chains: readonly SegmentChain[],
  markers: ReadonlyMap<number, Marker>,
): Promise<string | null> {
  const read = log?.read?.bind(log)
  if (log === undefined || read === undefined || comparedLogs.has(log)) return null
  const waited = comparisons.get(log)
  const comparison =
    waited ??
    compareContent({ range: (partition) => log.range(partition), read }, chains, markers)
      .catch(() => undefined)
      .finally(() => comparisons.delete(log))
  comparisons.set(log, comparison)
  if (!(await endsWithin(comparison, waited === undefined ? COMPARE_MS_MAX : 0))) return null
  const fault = await comparison
  if (fault === null) comparedLogs.add(log)
  return fault ?? null
}

/** Whether the log certainly holds other records than were counted. A log that does not answer soon tells nothing. */
export async function hasOtherContent(
  log: ComparedLog | undefined,
  chains: readonly SegmentChain[],
  markers: ReadonlyMap<number, Marker>,
): Promise<boolean> {
  const read = log?.read?.bind(log)
  if (log === undefined || read === undefined) return false
  const comparison = compareContent({ range: (partition) => log.range(partition), read }, chains, markers).catch(
    () => null,
  )
  return (await endsWithin(comparison, COMPARE_MS_MAX)) && (await comparison) !== null
}

async function compareContent(
  log: Pick<EventLog, 'range' | 'read'>,
  chains: readonly SegmentChain[],
  markers: ReadonlyMap<number, Marker>,
): Promise<string | null> {
  for (const lake of chains) {
    const { partition } = lake
    const marker = markers.get(partition) ?? null
    const counted = countedRecords({ lake, marker })
    if (counted.length === 0) continue
    const verdict = logAgreement({ partition, lake, marker, records: await recordsAt(log, partition, counted) })
    if (verdict.kind === 'log-diverged') return `partition ${partition}: ${verdictText(verdict)}`
  }
  return null
}

/** The first open segment that starts behind the end of the lake. */
export function openFault(markers: Iterable<Marker>, chains: readonly SegmentChain[]): string | null {
  for (const marker of markers) {
    const { partition } = marker
    const verdict = logAgreement({ partition, lake: chains[partition], marker })
    if (verdict.kind !== 'agrees') return `partition ${partition}: ${verdictText(verdict)}`
  }
  return null
}
