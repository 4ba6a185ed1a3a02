/** Prices of one key as candles, with the calculations of a series: bands and averages over them, an oscillator below. */
import type { JSX } from 'preact'
import { choose, chosen, filters, setFilter } from '../address.ts'
import { type Answer, keyOf, type Row } from '../answer.ts'
import { candles, robustScale, type Scale } from '../charts/candles.ts'
import { Chart } from '../charts/chart.tsx'
import { isNumeric, labelOf, type Measure, titled } from '../definition.ts'
import { type Followed, useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterText, type Source } from '../question.ts'
import { newestQuery, zoneOf } from '../range.ts'
import { useFittingGrain } from './fitting-grain.ts'
import { Frame } from './frame.tsx'
import { Choice } from './measure-choice.tsx'

export interface CandleProps {
  readonly source: Source
  readonly id: string
  readonly title: string
  readonly by: string
  readonly span?: number
}

interface Shown {
  readonly grain: string
  readonly zone: string
  readonly over: readonly Measure[]
  readonly below: readonly Measure[]
}

export const PRICES = ['open', 'high', 'low', 'close'] as const
/** calculations in the unit of the price */
const OVER = /^(sma|ema|wma|upper|lower|middle)_/
/** shown over the candles until the user chooses */
const BANDS = /_band$|^sma_20$/
const BARS_MAX = 250
const HEIGHT = 520

export function CandlePanel({ source, id, title, by, span = 12 }: CandleProps): JSX.Element {
  const byKey = useKeys(source, by)
  const keys = byKey.value?.data.map((row) => keyOf(row[by])).filter((one) => one !== null) ?? []
  const key = filters.value.get(by)?.[0] ?? keys[0]
  const columns = (source.series?.columns ?? []).filter(({ type }) => isNumeric(type))
  const groups = groupsOf(columns)
  const below = groups.get(chosen(`below.${id}`) ?? '') ?? groups.get('rsi') ?? [...groups.values()][0] ?? []
  const volume = source.view.measures.some(({ name }) => name === 'volume') ? 'volume' : null
  const fitting = useFittingGrain(source, ownGrain(source, id), key ?? '')
  const shown: Shown = {
    grain: fitting.grain,
    zone: zoneOf(source.view.paneMs),
    over: columns.filter(({ name }) => BANDS.test(name)),
    below,
  }
  const bars = useLive<Answer, Ask<Shown>>(
    key === undefined ? null : ask(source, barsQuery(source, by, key, volume, shown), shown),
  )
  fitting.useAnswer(bars)
  const controls = (
    <>
      <Choice
        label={titled(by)}
        value={key ?? ''}
        options={keys.map((one) => [one, one])}
        onChoose={(one) => setFilter(by, [one])}
      />
      <Choice
        label="Buckets"
        value={shown.grain}
        options={source.view.grains.map((grain) => [grain, `Per ${grain}`])}
        onChoose={(grain) => choose({ [`grain.${id}`]: grain })}
      />
      {groups.size > 1 && (
        <Choice
          label="Below"
          value={below[0]?.name.split('_')[0] ?? ''}
          options={[...groups].map(([name, all]) => [name, all.length > 1 ? titled(name) : labelOf(all[0]!)])}
          onChoose={(name) => choose({ [`below.${id}`]: name })}
        />
      )}
    </>
  )
  return (
    // Without a key there are no bars to wait for: what there is to say of its absence is in the answer about the keys.
    <Frame
      title={title}
      hint={`${key ?? ''} per ${shown.grain}${beyond(bars)}`}
      known={key === undefined ? byKey : bars}
      span={span}
      controls={controls}
      part={`the newest ${BARS_MAX}`}
    >
      {({ data, meta }) => {
        const { grain, zone, over, below: lower } = bars.asked!.shown
        const named = (all: readonly Measure[]) => all.map((one) => ({ name: one.name, label: labelOf(one) }))
        const input = {
          rows: data.toReversed(),
          grain,
          zone,
          over: named(over),
          below: named(lower),
          volume,
          scale: scaleOf(data, over),
          source: provenanceText(meta),
        }
        return <Chart kind="candles" label={`${title} of ${key}`} height={HEIGHT} chart={candles(input)} />
      }}
    </Frame>
  )
}

/** Days, months or years that were chosen for this panel. */
function ownGrain({ view }: Source, id: string): string | null {
  const own = chosen(`grain.${id}`)
  return own !== null && view.grains.includes(own) ? own : null
}

function scaleOf(rows: readonly Row[], over: readonly Measure[]): Scale | null {
  return robustScale(
    rows,
    over.map(({ name }) => name),
  )
}

/** Tells that something is not on the chart. */
function beyond({ value, asked }: Followed<Ask<Shown> | null, Answer>): string {
  const scale = value === null ? null : scaleOf(value.data, asked!.shown.over)
  return scale === null ? '' : ` · ${scale.beyond} far outside of the usual prices, cut off`
}

function barsQuery(source: Source, by: string, key: string, volume: string | null, shown: Shown): Ask['query'] {
  const names = [
    ...PRICES,
    ...(volume === null ? [] : [volume]),
    ...[...shown.over, ...shown.below].map(({ name }) => name),
  ]
  return {
    dimensions: by,
    ...{ measures: [...new Set(names)].join(','), grain: shown.grain, order: '-time', limit: BARS_MAX },
    ...(shown.zone !== 'UTC' && { timezone: shown.zone }),
    filter: [filterText(by, [key])],
    ...newestQuery(source.view.paneMs),
  }
}

/** `aroon_up`, `aroon_down` and `aroon_oscillator` belong together. */
function groupsOf(columns: readonly Measure[]): ReadonlyMap<string, readonly Measure[]> {
  const groups = Map.groupBy(
    columns.filter(({ name }) => !OVER.test(name)),
    ({ name }) => name.split('_')[0]!,
  )
  return groups
}

const KEYS_MAX = 200
const KEYS_EVERY_MS = 30_000

/** The values of the dimension, those with most events first. */
function useKeys(source: Source, by: string): Followed<Ask<null> | null, Answer> {
  const view = { ...source, series: null }
  const count = source.view.measures.find(({ kind }) => kind === 'count')
  const query = {
    dimensions: by,
    ...(count !== undefined && { measures: count.name }),
    ...{ order: count === undefined ? by : `-${count.name}`, limit: KEYS_MAX },
  }
  return useLive<Answer, Ask<null>>(ask(view, query, null), KEYS_EVERY_MS)
}
