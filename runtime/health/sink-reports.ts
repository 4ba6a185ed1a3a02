/** The state of every sink that is declared, from what its process noted: for routes, metrics and the doctor. */
import type { SinkDefinition } from '#core/sink-definition.ts'
import { visibleText } from '#core/visible-text.ts'
import type { ServedSink } from '#serving/http/operations/sink-routes.ts'
import type { ServedPart } from '#serving/http/site/health-routes.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import type { SinkStatus } from '#serving/sinks/sink-runner.ts'
import type { SourceBoard, SourceNote } from '#storage/sources/source-board.ts'
import type { StateReading } from '#telemetry/metrics.ts'
import { masked } from '../settings/secrets.ts'
import type { Finding } from './finding.ts'

/** What the process that runs a sink noted, or what is known where none does. */
export interface SinkReport extends SinkStatus, SourceNote {}

export interface DeclaredSinks {
  readonly dataset: string
  readonly sinks: readonly SinkDefinition[]
  readonly board: SourceBoard<SinkReport>
}

export async function sinkReports(
  { dataset, sinks, board }: DeclaredSinks,
  nowMs: number = Date.now(),
): Promise<SinkReport[]> {
  if (sinks.length === 0) return []
  const notes = await board.notes()
  return sinks.map((definition) => {
    const note = notes.get(definition.name) ?? unknownSink(dataset, definition)
    const isFresh = Math.abs(nowMs - note.atMs) <= board.freshMs
    return isFresh ? note : { ...note, state: 'stopped' as const, reason: null, waitingMs: null }
  })
}

export function unknownSink(dataset: string, { name: sink, kind, view }: SinkDefinition): SinkReport {
  const nothing = { deliveries: 0, delivered: null, lastDeliveryMs: null, waitingMs: null }
  return { dataset, sink, source: sink, kind, view, state: 'stopped', reason: null, ...nothing, atMs: 0 }
}

/** What clients see of a sink. */
export function servedSink(
  { lastDeliveryMs, atMs, source, reason, ...report }: SinkReport,
  secrets: readonly string[],
): ServedSink {
  const shown = reason === null ? null : visibleText(withoutPaths(masked(reason, secrets)))
  const lastDeliveryAt = lastDeliveryMs === null ? null : new Date(lastDeliveryMs).toISOString()
  return { ...report, reason: shown, lastDeliveryAt }
}

/** A sink for /readyz. It never makes the platform unready: to take no queries helps neither the receiver nor who asks. */
export function sinkPart({ dataset, sink, state, reason, deliveries, delivered, waitingMs }: SinkReport): ServedPart {
  const said = [
    reason,
    `deliveries ${deliveries}`,
    delivered === null ? null : `delivered ${delivered}`,
    waitingMs === null ? null : `waitingMs ${waitingMs}`,
  ]
  return {
    name: `sink ${sink} of ${dataset}`,
    ready: true,
    state,
    detail: said.filter((text) => text !== null).join(', '),
  }
}

/** Gauges of all sinks. */
export function sinkReadings(reports: readonly SinkReport[]): StateReading[] {
  return reports.flatMap(({ dataset, sink, state, deliveries, waitingMs }): StateReading[] => [
    { name: 'watershed_sink_up', dataset, sink, value: state === 'running' ? 1 : 0 },
    { name: 'watershed_sink_deliveries', dataset, sink, value: deliveries },
    { name: 'watershed_sink_waiting_seconds', dataset, sink, value: (waitingMs ?? 0) / 1_000 },
  ])
}

const ADVICE: Partial<Record<SinkStatus['state'], string>> = {
  failing: 'it is tried again by itself; look at the receiver, or at the address, headers and topic of the sink',
  refused: 'correct the sink, and restart',
  stopped: 'run `watershed start`, which delivers what changed since the last delivery',
}

/** What the doctor says of a sink. */
export function sinkFinding({ sink, state, reason, deliveries, delivered, waitingMs }: SinkReport): Finding {
  const why = reason === null ? '' : `: ${reason}`
  const isTroubled = state === 'failing' || state === 'refused'
  return {
    part: 'sinks',
    state: isTroubled ? 'attention' : state === 'stopped' ? 'note' : 'ok',
    message: `sink '${sink}' is ${state}${why}; ${deliveries} deliveries${delivered === null ? '' : `, the last one of ${delivered}`}`,
    advice: ADVICE[state] ?? null,
    numbers: { sink, deliveries, delivered, waitingMs },
  }
}
