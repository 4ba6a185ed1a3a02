/** Measures one after the other, each as a share of the first and of the one before: how many go on to the next step. */
import type { JSX } from 'preact'
import { type Answer, numberOf } from '../answer.ts'
import { labelOf } from '../definition.ts'
import { formatNumber, formatShare } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, measuresOf, type Source } from '../question.ts'
import { range, rangeQuery } from '../range.ts'
import { Frame } from './frame.tsx'

export interface FunnelProps {
  readonly source: Source
  readonly title: string
  readonly measures: readonly string[]
  readonly span?: number
}

export function FunnelPanel({ source, title, measures, span = 4 }: FunnelProps): JSX.Element {
  const query = {
    ...{ dimensions: '', measures: measures.join(','), ...filterQuery(source) },
    ...rangeQuery(range.value, source.view.paneMs),
  }
  const known = useLive<Answer, Ask<readonly string[]>>(ask(source, query, measures))
  const named = new Map(measuresOf(source).map((measure) => [measure.name, labelOf(measure)]))
  return (
    <Frame title={title} known={known} span={span}>
      {({ data, meta }) => {
        const [row] = data
        const first = numberOf(row?.[measures[0]!]) ?? 0
        return (
          <ol class="funnel">
            {known.asked!.shown.map((name, step, names) => {
              const value = numberOf(row?.[name]) ?? 0
              const before = step === 0 ? 0 : (numberOf(row?.[names[step - 1]!]) ?? 0)
              const share = first === 0 ? 0 : value / first
              return (
                // biome-ignore lint/a11y/noNoninteractiveTabindex: what is said of a number must be reachable by keyboard
                <li key={name} tabIndex={0} data-tip={provenanceText(meta, name)}>
                  <span class="name">{named.get(name) ?? name}</span>
                  <span class="value">
                    {name in meta.estimates && '≈ '}
                    {formatNumber(value)} <span class="hint">{formatShare(share)}</span>
                    {/* Of the first step it is the same share. */}
                    {step > 1 && before > 0 && (
                      <span class="hint"> · {formatShare(value / before)} of the step before</span>
                    )}
                  </span>
                  <span class="track">
                    <span class="bar" style={{ width: `${Math.min(100, 100 * share)}%` }} />
                  </span>
                </li>
              )
            })}
          </ol>
        )
      }}
    </Frame>
  )
}
