/**
 * Verification of a view where raw events were removed by policy. Their states, which summaries keep, are taken as given; everything else is
 * recounted. Two comparisons cover all that can be told:
 *   1. the events that are kept: folded into states and presented, against the independent recount of the same events;
 *   2. the merged answer of all layers, against the given states merged with that fold.
 * The second needs states of the same events: a generation that was rolled back to, with its definition, can count events whose states the
 * summaries hold by another definition.
 */
import type { CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { type PaneHorizon, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteName } from '#core/sql-names.ts'
import { keyNames } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { compareView, DIFFERENCES_SHOWN_MAX, rowsWithin, type ViewComparison, type ViewSides } from './compare-view.ts'

/** The same states merged in another order differ by the rests of doubles at most, which are far below this. */
const ORDER_ERROR = { relative: 1e-9, absolute: 1e-12 } as const

/** The view's states that summaries keep, by its present definition. */
export function givenFiles({ name, hash }: CompiledView, summaries: readonly SegmentManifest[]): LakeFile[] {
  const own = summaries.flatMap(({ partials }) => partials[name] ?? [])
  return own.filter((states) => states.hash === hash && states.file.rows > 0).map(({ file }) => file)
}

/**
 * Why the merged rows cannot be compared with the given states; null: they can.
 * @param countedFrom by partition, the first offset that the merged rows count
 */
export function lostStates(
  view: CompiledView,
  summaries: readonly SegmentManifest[],
  countedFrom: readonly Offset[],
): string | null {
  const lost = summaries.find((summary) => (countedFrom[summary.partition] ?? 0) !== givenFrom(view, summary))
  if (lost === undefined) return null
  return `view ${view.name}: what the generation counts before offset ${lost.end} of partition ${lost.partition} was taken as given without a comparison, because the states that are kept of removed events are of another definition`
}

function givenFrom({ name, hash }: CompiledView, { partials, rows, end }: SegmentManifest): Offset {
  const states = partials[name]
  if (states?.hash === hash) return states.since?.offset ?? 0
  return rows === 0 ? 0 : end
}

export interface GivenSides extends ViewSides {
  /** relation of the typed rows that are recounted */
  readonly rows: string
  /** what is left of the view's old panes, on all sides */
  readonly horizon: PaneHorizon
  /** the condition on presented rows that both sides meet already */
  readonly within: string
  readonly given: readonly LakeFile[]
  /** not null: the merged rows are not compared */
  readonly lost: string | null
}

export async function compareWithGiven(
  connection: EngineConnection,
  view: CompiledView,
  lake: Pick<Lake, 'resolve' | 'check'>,
  { merged, recounted, rows, horizon, within, given, lost }: GivenSides,
): Promise<ViewComparison> {
  await lake.check(given)
  const folded = quoteName(`verify_f_${view.name}`)
  try {
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${folded} AS ${view.partialSql(rows)}`)
    const foldedRows = rowsWithin({ sql: presented(view, throughHorizonSql(horizon, folded)) }, within)
    const alone = await compareView(connection, view, { merged: foldedRows, recounted })
    if (lost !== null) return alone
    const kept = readParquetSql(given.map((file) => lake.resolve(file)))
    const all = `(SELECT * FROM ${kept} UNION ALL BY NAME SELECT * FROM ${folded})`
    const whole = await compareView(connection, view, {
      merged,
      recounted: rowsWithin({ sql: withBounds(view, presented(view, throughHorizonSql(horizon, all))) }, within),
    })
    return {
      ...whole,
      different: whole.different + alone.different,
      first: [...whole.first, ...alone.first].slice(0, DIFFERENCES_SHOWN_MAX),
    }
  } finally {
    await connection.run(`DROP TABLE IF EXISTS ${folded}`)
  }
}

function presented(view: CompiledView, states: string): string {
  return `(${view.presentSql(`(${view.mergeSql(states)})`, keyNames(view))})`
}

/** With the columns `<measure>__within` that the comparison expects of a recount. */
function withBounds(view: CompiledView, values: string): string {
  const rounded = view.measures.filter(({ exactness }) => exactness.kind === 'float' && exactness.of !== 'value')
  const bounds = rounded.map(({ name }) => {
    const { relative, absolute } = ORDER_ERROR
    return `, abs(${quoteName(name)}) * ${relative.toExponential()} + ${absolute.toExponential()} AS ${quoteName(`${name}__within`)}`
  })
  return `(SELECT *${bounds.join('')} FROM ${values})`
}
