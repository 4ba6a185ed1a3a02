/** Single numbers, large: the measures of a view over everything that is looked at. */
import type { JSX } from 'preact'
import { type Answer, numberOf, type Row, type Value } from '../answer.ts'
import { COMPARISONS, compareQuery, comparison } from '../compare.ts'
import { labelOf, type Measure } from '../definition.ts'
import { formatChange, formatMeasure, formatValue } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, measuresOf, type Source } from '../question.ts'
import { range, rangeQuery } from '../range.ts'
import { Frame } from './frame.tsx'

export interface NumberProps {
  readonly source: Source
  readonly title: string
  readonly measures: readonly string[]
  readonly span?: number
}

export function NumberPanel({ source, title, measures, span = 12 }: NumberProps): JSX.Element {
  const query = {
    ...{ dimensions: '', measures: measures.join(','), ...filterQuery(source) },
    ...(source.view.window === null ? rangeQuery(range.value, source.view.paneMs) : { at: 'latest' }),
    ...(source.view.window === null && compareQuery(source.view.paneMs, null)),
  }
  const known = useLive<Answer, Ask<readonly string[]>>(ask(source, query, measures))
  const named = new Map(measuresOf(source).map((measure) => [measure.name, measure]))
  return (
    <Frame title={title} known={known} span={span}>
      {({ data: [row], meta }) => (
        <dl class="tiles">
          {known.asked!.shown.map((name) => (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what is said of a number must be reachable by keyboard
            <div key={name} tabIndex={0} data-tip={provenanceText(meta, name)}>
              <dt>{labelOf(named.get(name) ?? { name })}</dt>
              <dd>
                {name in meta.estimates && <span title={meta.estimates[name]!.bound}>≈ </span>}
                {shown(row?.[name], named.get(name))}
                <Change row={row} measure={named.get(name)} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Frame>
  )
}

function shown(value: Value | undefined, measure: Measure | undefined): string {
  const isNumber = typeof value === 'number' || typeof value === 'bigint'
  return isNumber ? formatMeasure(value, measure) : formatValue(value, measure?.type)
}

/** `+12 %`, and what it was; nothing where nothing is compared. */
function Change({ row, measure }: { row: Row | undefined; measure: Measure | undefined }): JSX.Element | null {
  const name = measure?.name
  const ratio = numberOf(row?.[`${name}_ratio`])
  const before = row?.[`${name}_previous`]
  if (before === undefined) return null
  const was = `${COMPARISONS[comparison()]}: ${shown(before, measure)}`
  return (
    <span class="change" title={was}>
      {ratio !== null && formatChange(ratio - 1)} <span class="hint">from {shown(before, measure)}</span>
    </span>
  )
}
