/** What a query needs of its series: only that is merged and calculated. */
import type { CompiledSeries, CompiledSeriesColumn, SeriesStep } from '#core/compiled.ts'
import { leavesOf } from '#core/condition.ts'
import type { QueryPlan } from './query-plan.ts'

export interface SeriesPlan extends QueryPlan {
  readonly series: CompiledSeries
}

/** What the query needs of its series. */
export interface SeriesNeeds {
  readonly columns: readonly CompiledSeriesColumn[]
  readonly measures: readonly string[]
  readonly steps: readonly SeriesStep[]
  /** rows before the first one that is asked for; null: all */
  readonly rowsBack: number | null
  /** how far before it besides, at earlier times by the wall clock, ms */
  readonly reachMs: number
  readonly across: boolean
}

export function needsOf({ series, values, order, having, view }: SeriesPlan): SeriesNeeds {
  const names = new Set([
    ...values.map(({ name }) => name),
    ...order.map(({ by }) => by),
    ...leavesOf(having).map(({ column }) => column.name),
  ])
  const columns = series.columns.filter(({ name }) => names.has(name))
  const used = new Set([...names, ...columns.flatMap(({ measures }) => measures)])
  const back = columns.map(({ rowsBack }) => rowsBack)
  return {
    columns,
    measures: view.measures.map(({ name }) => name).filter((name) => used.has(name)),
    steps: [...new Set(columns.flatMap(({ steps }) => steps))],
    rowsBack: back.includes(null) ? null : Math.max(0, ...(back as number[])),
    reachMs: Math.max(0, ...columns.map((column) => column.reachMs)),
    across: columns.some(({ across }) => across),
  }
}
