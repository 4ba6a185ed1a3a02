/** How values are distributed: a bar for each bin of a histogram, between the bounds of its definition. */
import type { JSX } from 'preact'
import { type Answer, numberOf, type Value } from '../answer.ts'
import { Chart } from '../charts/chart.tsx'
import { histogram } from '../charts/histogram.ts'
import { labelOf, type Measure } from '../definition.ts'
import { formatNumber } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, type Source } from '../question.ts'
import { range, rangeQuery } from '../range.ts'
import { Frame } from './frame.tsx'

export interface HistogramProps {
  readonly source: Source
  readonly title: string
  /** histograms; the first one is shown */
  readonly measures: readonly string[]
  readonly span?: number
}

export function HistogramPanel({ source, title, measures, span = 6 }: HistogramProps): JSX.Element {
  const measure = source.view.measures.find(({ name }) => name === measures[0])!
  const query = {
    ...{ dimensions: '', measures: measure.name, ...filterQuery(source) },
    ...(source.view.window === null ? rangeQuery(range.value, source.view.paneMs) : { at: 'latest' }),
  }
  const known = useLive<Answer, Ask<Measure>>(ask(source, query, measure))
  return (
    <Frame title={title} known={known} span={span}>
      {({ data: [row], meta }) => {
        const shown = known.asked!.shown
        const chart = histogram({
          bins: binsOf(row?.[shown.name], shown.bounds ?? []),
          measure: labelOf(shown),
          source: provenanceText(meta, shown.name),
        })
        return <Chart label={`${title}: ${labelOf(shown)}`} chart={chart} />
      }}
    </Frame>
  )
}

/** `≤ 10`, `10 – 100`, `> 100`. */
export function binsOf(
  counts: Value | undefined,
  bounds: readonly number[],
): readonly { readonly label: string; readonly count: number }[] {
  const texts = bounds.map((bound) => formatNumber(bound))
  const label = (at: number): string => {
    if (at === 0) return `≤ ${texts[0]}`
    return at === bounds.length ? `> ${texts.at(-1)}` : `${texts[at - 1]} – ${texts[at]}`
  }
  return (Array.isArray(counts) ? counts : []).map((count, at) => ({ label: label(at), count: numberOf(count) ?? 0 }))
}
