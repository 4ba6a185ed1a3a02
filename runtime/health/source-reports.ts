/** The state of every source that is declared, from what its process noted: for routes, metrics, commands and the doctor. */
import type { SourceDefinition } from '#core/source-definition.ts'
import { visibleText } from '#core/visible-text.ts'
import { type SourceStatus, shownCursor } from '#ingest/sources/source-state.ts'
import type { ServedSource } from '#serving/http/operations/source-routes.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import type { SourcePosition } from '#storage/log/source-ledger.ts'
import type { SourceBoard } from '#storage/sources/source-board.ts'
import type { StateReading } from '#telemetry/metrics.ts'
import { masked } from '../settings/secrets.ts'

/** What the process that runs a source noted, or what is known where none does. */
export interface SourceReport extends SourceStatus {
  /** when it was noted, epoch ms */
  readonly atMs: number
}

export interface DeclaredSources {
  readonly dataset: string
  readonly sources: readonly SourceDefinition[]
  readonly board: SourceBoard<SourceReport>
}

/** @param positions of the log, where it is open: what they say is newer than any note */
export async function sourceReports(
  { dataset, sources, board }: DeclaredSources,
  positions: readonly SourcePosition[] = [],
  nowMs: number = Date.now(),
): Promise<SourceReport[]> {
  const notes = await board.notes()
  return sources.map((definition) => {
    const note = notes.get(definition.name) ?? unknown(dataset, definition)
    const isFresh = Math.abs(nowMs - note.atMs) <= board.freshMs
    const shown = isFresh ? note : { ...note, state: 'stopped' as const, reason: null, lagMs: null }
    const position = positions.find(({ source }) => source === definition.name)
    return position === undefined ? shown : withPosition(shown, position, definition)
  })
}

function withPosition(
  report: SourceReport,
  position: SourcePosition,
  { paused = false }: SourceDefinition,
): SourceReport {
  const { events, cursor, atMs: lastEventMs } = position
  const isPaused = position.paused ?? paused
  const state = isPaused ? 'paused' : report.state === 'paused' ? 'starting' : report.state
  return { ...report, events, lastEventMs, cursor: shownCursor(cursor), state }
}

function unknown(dataset: string, { name: source, kind }: SourceDefinition): SourceReport {
  const nothing = { events: 0, rejected: 0, cursor: null, lastEventMs: null, lagMs: null, resumption: 'exact' } as const
  return { dataset, source, kind, state: 'stopped', reason: null, ...nothing, atMs: 0 }
}

/** What clients see of a source. */
export function servedSource(
  { lastEventMs, atMs, reason, ...report }: SourceReport,
  secrets: readonly string[],
): ServedSource {
  const shown = reason === null ? null : visibleText(withoutPaths(masked(reason, secrets)))
  return { ...report, reason: shown, lastEventAt: lastEventMs === null ? null : new Date(lastEventMs).toISOString() }
}

/** States in which somebody should look. */
export const TROUBLED = ['failing', 'refused'] as const

/** Gauges of all sources. */
export function sourceReadings(reports: readonly SourceReport[]): StateReading[] {
  return reports.flatMap(({ dataset, source, state, events, lastEventMs, lagMs }): StateReading[] => [
    { name: 'watershed_source_up', dataset, source, value: ['running', 'waiting'].includes(state) ? 1 : 0 },
    { name: 'watershed_source_events', dataset, source, value: events },
    ...(lastEventMs === null
      ? []
      : [
          {
            name: 'watershed_source_last_event_timestamp_seconds' as const,
            dataset,
            source,
            value: lastEventMs / 1_000,
          },
        ]),
    ...(lagMs === null
      ? []
      : [{ name: 'watershed_source_lag_seconds' as const, dataset, source, value: lagMs / 1_000 }]),
  ])
}
