/** A measure over time: in total, or one line per value of a dimension. Marking a part of it zooms all panels of the page. */
import type { JSX } from 'preact'
import { choose, chosen, filters } from '../address.ts'
import { type Answer, type Key, keyOf, numberOf, type Row } from '../answer.ts'
import { fewBefore, type LeftOut } from '../charts/buckets.ts'
import { Chart } from '../charts/chart.tsx'
import { linesChart } from '../charts/lines.ts'
import type { NamedLine } from '../charts/named-lines.ts'
import { COMPARISONS, compareQuery, comparison } from '../compare.ts'
import { isAdditive, labelOf, type Measure, titled } from '../definition.ts'
import { formatBucket, formatNumber } from '../format.ts'
import { useLive } from '../live.ts'
import { type Ask, ask, chartMeasures, chosenValues, filterQuery, filterText, type Source } from '../question.ts'
import { BUCKETS_NEWEST, grainMs, newestQuery, range, rangeQuery, zoneOf, zoomTo } from '../range.ts'
import { useFittingGrain } from './fitting-grain.ts'
import { Frame } from './frame.tsx'
import { Choice, MeasureChoice, useMeasure } from './measure-choice.tsx'
import { nameOf, titleMeasures } from './ranking-panel.tsx'

export type TimeShape = 'lines' | 'stacked' | 'bars'

export interface TimeProps {
  readonly source: Source
  readonly id: string
  readonly title: string
  readonly measures: readonly string[]
  /** dimension of the lines; null: the total */
  readonly by: string | null
  /** lines at most; the ones that are largest over the range */
  readonly top?: number
  readonly shape?: TimeShape
  readonly span?: number
}

interface Shown {
  readonly by: string | null
  readonly measure: Measure
  readonly grain: string
  readonly zone: string
  readonly lines: readonly NamedLine[]
  /** what the lines are compared with; null: nothing */
  readonly compared: string | null
  /** all of them are shown, and not only the chosen one */
  readonly all: readonly Measure[] | null
  /** how many events are in a bucket; null: not known */
  readonly weight: Measure | null
}

const ROWS_MAX = 10_000

export function TimePanel(props: TimeProps): JSX.Element {
  const { source, id, title, measures, top = 5, shape = 'lines', span = 8 } = props
  const [measure, chooseMeasure] = useMeasure(source, id, measures)
  const by = splitOf(props)
  const lines = useLargest(source, by, measure, top)
  const fitting = useFittingGrain(source, null, JSON.stringify([by, filterQuery(source)]))
  const { grain } = fitting
  const zone = zoneOf(source.view.paneMs)
  const compared = source.series === null ? compareQuery(source.view.paneMs, grain) : {}
  const shown: Shown = {
    ...{ by, measure, grain, zone, lines: lines ?? [] },
    compared: compared.compare === undefined ? null : COMPARISONS[comparison()].toLowerCase().replace('with ', ''),
    all: shape === 'stacked' && by === null && measures.length > 1 ? measuresNamed(source, measures) : null,
    weight: source.series === null ? (source.view.measures.find(({ kind }) => kind === 'count') ?? null) : null,
  }
  const known = useLive<Answer, Ask<Shown>>(
    lines === null ? null : ask(source, { ...timeQuery(source, shown), ...compared }, shown),
  )
  fitting.useAnswer(known)
  const leftOut = known.value === null ? null : leftOutOf(known.value.data, known.asked!.shown)
  const controls = (
    <>
      <SplitChoice source={source} id={id} now={by} />
      {shown.all === null && (
        <MeasureChoice source={source} measures={measures} chosen={measure.name} onChoose={chooseMeasure} />
      )}
    </>
  )
  return (
    <Frame
      title={title}
      hint={`per ${grain}${leftOut === null ? '' : ` · ${leftOutText(leftOut, known.asked!.shown)}`}`}
      known={known}
      span={span}
      controls={controls}
      part={`the newest ${BUCKETS_NEWEST}`}
    >
      {(answer) => {
        const asked = known.asked!.shown
        return (
          <Chart
            label={`${title}: ${labelOf(asked.measure)} per ${asked.grain}`}
            chart={linesChart({
              rows: answer.data,
              meta: answer.meta,
              ...{ by: asked.by, grain: asked.grain, zone: asked.zone, shape, lines: asked.lines },
              measures: (asked.all ?? [asked.measure]).map((one) => ({
                ...{ name: one.name, label: labelOf(one), zero: isAdditive(one), written: one },
              })),
              compared: asked.compared,
              newest: range.value.fromMs === null && range.value.name !== 'all' ? BUCKETS_NEWEST : null,
              fromMs: leftOut?.beforeMs ?? null,
            })}
            onZoom={zoomTo}
          />
        )
      }}
    </Frame>
  )
}

/** Several chosen values of a dimension are compared, whatever the panel shows otherwise. */
function splitOf({ source, id, by }: TimeProps): string | null {
  const compared = [...filters.value].find(
    ([name, values]) => values.length > 1 && source.view.dimensions.some((one) => one.name === name),
  )
  if (compared !== undefined) return compared[0]
  const wanted = chosen(`by.${id}`)
  if (wanted === 'total') return null
  return source.view.dimensions.some(({ name }) => name === wanted) ? wanted : by
}

function SplitChoice({ source, id, now }: { source: Source; id: string; now: string | null }): JSX.Element | null {
  const { dimensions } = source.view
  if (dimensions.length === 0 || source.series !== null) return null
  const options = [['total', 'Total'], ...dimensions.map(({ name }) => [name, `By ${titled(name).toLowerCase()}`])]
  return (
    <Choice
      label="Lines"
      value={now ?? 'total'}
      options={options as [string, string][]}
      onChoose={(name) => choose({ [`by.${id}`]: name })}
    />
  )
}

/** The values that have a line: those that are chosen, or the largest ones. null: not known yet */
function useLargest(source: Source, by: string | null, measure: Measure, top: number): readonly NamedLine[] | null {
  const named = by === null ? undefined : chosenValues(source, by)
  const view = { ...source, series: null }
  const order = source.series === null ? `-${measure.name}` : by
  const titles = by === null ? [] : titleMeasures(source, by)
  const needed = by !== null && (named === undefined || titles.length > 0)
  const query = {
    dimensions: by,
    ...(source.series === null && { measures: [measure.name, ...titles].join(',') }),
    ...{ order, limit: named?.length ?? top, ...filterQuery(source) },
    ...(source.view.window === null ? rangeQuery(range.value, source.view.paneMs) : { at: 'latest' }),
  }
  const { value, asked } = useLive<Answer, Ask<string | null>>(needed ? ask(view, query, by) : null, 10_000)
  if (by === null) return []
  const isKnown = value !== null && asked?.shown === by
  const rowOf = (key: Key): Row =>
    (isKnown ? value.data.find((row) => keyOf(row[by]) === key) : undefined) ?? { [by]: key }
  if (named !== undefined) return named.map((key) => ({ key, label: nameOf(rowOf(key), by, source) }))
  if (!isKnown) return null
  return value.data.map((row) => ({ key: keyOf(row[by]), label: nameOf(row, by, source) }))
}

/** Only where no range is chosen: a chosen one is shown as a whole. */
function leftOutOf(rows: readonly Row[], { weight, grain, measure }: Shown): LeftOut | null {
  const stepMs = grainMs(grain)
  if (weight === null || stepMs === null || range.value.name !== '') return null
  const weights = new Map<number, number>()
  for (const row of rows) {
    const ms = Date.parse(String(row.time))
    weights.set(ms, (weights.get(ms) ?? 0) + (numberOf(row[weight.name]) ?? 0))
  }
  // A mean of one event stands out as much as one of thousands.
  return fewBefore(weights, stepMs, isAdditive(measure) ? undefined : 1)
}

function leftOutText({ beforeMs, weight: left }: LeftOut, { weight, grain, zone }: Shown): string {
  return `${formatNumber(left)} ${labelOf(weight!).toLowerCase()} before ${formatBucket(beforeMs, grain, zone)} not shown`
}

function timeQuery(source: Source, { by, measure, grain, zone, lines, all, weight }: Shown): Ask['query'] {
  const newest = range.value.name === '' ? BUCKETS_NEWEST * Math.max(1, lines.length) : ROWS_MAX
  const keys = lines.map(({ key }) => key)
  const values = by === null || keys.length === 0 ? [] : [filterText(by, keys)]
  const { filter, having } = filterQuery({ ...source, only: without(source.only, by) }, by ?? undefined)
  const asked = new Set([...(all ?? [measure]), ...(weight === null ? [] : [weight])].map(({ name }) => name))
  return {
    dimensions: by ?? '',
    measures: [...asked].join(','),
    ...{ grain, order: '-time', limit: Math.min(newest, ROWS_MAX) },
    ...(zone !== 'UTC' && { timezone: zone }),
    filter: [...filter, ...values],
    having,
    ...newestQuery(source.view.paneMs),
  }
}

function measuresNamed(source: Source, names: readonly string[]): readonly Measure[] {
  return chartMeasures(source).filter(({ name }) => names.includes(name))
}

/** The lines name the values of their dimension by themselves. */
function without(only: Source['only'] = {}, dimension: string | null): Source['only'] {
  return Object.fromEntries(Object.entries(only).filter(([name]) => name !== dimension))
}
