/** Panels that Vega draws in Kibana: heat maps, histograms, and candles without the calculations of a series, which are in no index. */
import type { CompiledView } from '#core/compiled.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import type { Panel as ShownPanel } from '#core/panels/panel.ts'
import { isWindowed, labelOf } from '#core/panels/panel-source.ts'
import type { DrawnPanel, Metric, Panel } from './panel.ts'

export type DrawnShape = DrawnPanel['shape']

type Drawn = DrawnPanel & Pick<Panel, 'show'>

/** price → how it is had of the bars that are one on the screen */
const PRICES = { open: 'first', high: 'max', low: 'min', close: 'last' } as const satisfies Record<
  string,
  Metric['kind']
>

/** null: Kibana cannot draw it of the rows of this view */
export function drawnOf(
  shape: DrawnShape,
  { measures: [first], dimensions: [by] }: ShownPanel,
  view: CompiledView,
  { views }: Pick<DatasetDefinition, 'views'>,
): Drawn | null {
  if (view.time.kind !== 'panes' || isWindowed(view)) return null
  switch (shape) {
    case 'heat':
      return { shape, by: [{ kind: 'time', field: 'time', interval: '1h' }], show: [metric('sum', view, first!)] }
    case 'candles': {
      if (by === undefined) return null
      const bars = [
        { kind: 'terms', field: by, size: 1, label: by },
        { kind: 'time', field: 'time' },
      ] as const
      return { shape, by: bars, show: Object.entries(PRICES).map(([field, kind]) => ({ kind, field, label: field })) }
    }
    case 'histogram': {
      const bounds = (views[view.name]!.measures[first!] as { readonly bounds?: readonly number[] }).bounds ?? []
      // One row for each pane: a search returns only so many.
      if (view.dimensions.length > 0) return null
      return { shape, by: [], show: [metric('bins', view, first!)], bins: binNames(bounds) }
    }
  }
}

function metric(kind: Metric['kind'], { measures }: CompiledView, field: string): Metric {
  return { kind, field, label: labelOf(measures.find(({ name }) => name === field)!) }
}

/** `≤ 10`, `10 – 100`, `> 100` */
function binNames(bounds: readonly number[]): string[] {
  const between = bounds.slice(1).map((bound, at) => `${bounds[at]} – ${bound}`)
  return [`≤ ${bounds[0]}`, ...between, `> ${bounds.at(-1)}`]
}
