/** When in the week things happen: the newest four weeks by local hour, added up. Only for measures that add up. */
import type { JSX } from 'preact'
import { type Answer, numberOf, type Row } from '../answer.ts'
import { Chart } from '../charts/chart.tsx'
import type { BuildChart } from '../charts/drawing.ts'
import { heatMap, hourName } from '../charts/heat-map.ts'
import { histogram } from '../charts/histogram.ts'
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
      hint={`by hour, ${zone}`}
      known={known}
      span={span}
      controls={controls}
      part="the newest four weeks"
    >
      {({ data, meta }) => {
        const shown = known.asked!.shown
        const { sums, days, dates } = hoursOfWeek(data, shown.name, zone)
        const label = `${title}: ${labelOf(shown)}`
        const source = provenanceText(meta, shown.name)
        const isShort = dates < DAYS.length
        return (
          <>
            {dates === 1 ? (
              <Chart key="day" label={label} chart={hoursOfDay(sums[days[0]!]!, shown, source)} />
            ) : (
              <Chart
                {...{ key: 'week', kind: 'heat', label }}
                chart={heatMap({ hours: sums, days: isShort ? days : WEEK, measure: shown, source })}
              />
            )}
            {isShort && <p class="hint">{soFar(dates)}</p>}
          </>
        )
      }}
    </Frame>
  )
}

/** On the first day a square of the week says nothing: its hours are compared with each other. */
function hoursOfDay(hours: readonly number[], measure: Measure, source: string): BuildChart {
  const bins = hours.map((count, hour) => ({ label: hourName(hour), count }))
  return histogram({ bins, measure: labelOf(measure), written: measure, source })
}

function soFar(dates: number): string {
  return `${dates === 1 ? 'One day' : `${dates} days`} so far: after a week, each of its hours has a place of its own here.`
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const WEEK = DAYS.map((_, day) => day)

export interface HoursOfWeek {
  /** by day of the week (Monday is 0) and hour, as clocks of the zone show them */
  readonly sums: readonly (readonly number[])[]
  /** days of the week that there are hours of, in the order of their dates */
  readonly days: readonly number[]
  /** how many dates there are hours of */
  readonly dates: number
}

export function hoursOfWeek(rows: readonly Row[], measure: string, zone: string): HoursOfWeek {
  const parts = new Intl.DateTimeFormat('en-US', {
    ...{ month: 'numeric', day: 'numeric', weekday: 'short', hour: 'numeric', hourCycle: 'h23' },
    timeZone: zone,
  })
  const sums = DAYS.map(() => new Array<number>(24).fill(0))
  const dates = new Map<string, number>()
  for (const row of rows.toSorted((a, b) => Date.parse(String(a.time)) - Date.parse(String(b.time)))) {
    const named = parts.formatToParts(new Date(String(row.time)))
    const part = (type: string): string => named.find((one) => one.type === type)!.value
    const day = DAYS.indexOf(part('weekday'))
    dates.set(`${part('month')}-${part('day')}`, day)
    sums[day]![Number(part('hour'))]! += numberOf(row[measure]) ?? 0
  }
  return { sums, days: [...new Set(dates.values())], dates: dates.size }
}
