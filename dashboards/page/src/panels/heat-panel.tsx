/** When in the week things happen: the newest four weeks by local hour, added up. Only for measures that add up. */
import type { JSX } from 'preact'
import { type Answer, numberOf, type Row } from '../answer.ts'
import { Chart } from '../charts/chart.tsx'
import { heatMap } from '../charts/heat-map.ts'
import { labelOf, type Measure } from '../definition.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, type Source } from '../question.ts'
import { newestQuery, range, zoneOf } from '../range.ts'
import { Frame } from './frame.tsx'
import { MeasureChoice, useMeasure } from './measure-choice.tsx'

export interface HeatProps {
  readonly source: Source
  readonly id: string
  readonly title: string
  /** counts and sums */
  readonly measures: readonly string[]
  readonly span?: number
}

const HOURS_NEWEST = 4 * 7 * 24
const ROWS_MAX = 10_000
const EVERY_MS = 10_000

export function HeatPanel({ source, id, title, measures, span = 6 }: HeatProps): JSX.Element {
  const [measure, chooseMeasure] = useMeasure(source, id, measures)
  const zone = zoneOf(source.view.paneMs)
  const query = {
    dimensions: '',
    ...{ measures: measure.name, grain: 'hour', order: '-time' },
    limit: range.value.name === '' ? HOURS_NEWEST : ROWS_MAX,
    ...(zone !== 'UTC' && { timezone: zone }),
    ...filterQuery(source),
    ...newestQuery(source.view.paneMs),
  }
  const known = useLive<Answer, Ask<Measure>>(ask(source, query, measure), EVERY_MS)
  const controls = (
    <MeasureChoice source={source} only={measures} measures={measures} chosen={measure.name} onChoose={chooseMeasure} />
  )
  return (
    <Frame
      title={title}
      hint={`by hour, ${zone}${known.value === null ? '' : filledText(known.value.data)}`}
      known={known}
      span={span}
      controls={controls}
      part="the newest four weeks"
    >
      {({ data, meta }) => {
        const shown = known.asked!.shown
        const chart = heatMap({
          hours: hoursOfWeek(data, shown.name, zone),
          measure: labelOf(shown),
          source: provenanceText(meta, shown.name),
        })
        return <Chart kind="heat" label={`${title}: ${labelOf(shown)}`} chart={chart} />
      }}
    </Frame>
  )
}

/** In the first week most hours are empty because they are still to come. */
function filledText(rows: readonly Row[]): string {
  const days = new Set(rows.map(({ time }) => Math.floor(Date.parse(String(time)) / DAY_MS))).size
  return days === 0 || days >= DAYS.length ? '' : ` · from ${days === 1 ? 'one day' : `${days} days`} so far`
}

const DAY_MS = 86_400_000
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** Sums by day of the week (Monday is 0) and hour, as clocks of the zone show them. */
export function hoursOfWeek(rows: readonly Row[], measure: string, zone: string): number[][] {
  const parts = new Intl.DateTimeFormat('en-US', {
    weekday: 'short',
    hour: 'numeric',
    hourCycle: 'h23',
    timeZone: zone,
  })
  const sums = DAYS.map(() => new Array<number>(24).fill(0))
  for (const row of rows) {
    const named = parts.formatToParts(new Date(String(row.time)))
    const part = (type: string): string => named.find((one) => one.type === type)!.value
    sums[DAYS.indexOf(part('weekday'))]![Number(part('hour'))]! += numberOf(row[measure]) ?? 0
  }
  return sums
}
