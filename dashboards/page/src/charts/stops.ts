/** The values of a chart in an order that arrow keys follow: along its axis, or on a map from the largest to the smallest. */

/** One value, or all values at one place of the axis. */
export interface Stop {
  readonly seriesIndex: number
  readonly dataIndex: number
  /** distinguishes it from the others, also after the chart was drawn again */
  readonly key: string
  /** of a country: as a click on it says */
  readonly name: string | null
}

interface Series {
  readonly type?: string
  readonly data?: readonly unknown[]
}

export interface Followable {
  readonly tooltip?: { readonly trigger?: string }
  readonly series?: readonly Series[]
}

/** types of series on maps, which have no axis */
const PLACED: readonly unknown[] = ['map', 'scatter']

/** @param option as the chart is drawn from it */
export function stopsOf({ tooltip, series = [] }: Followable): readonly Stop[] {
  const found = series.flatMap(({ type, data = [] }, seriesIndex) =>
    data.flatMap((item, dataIndex) => {
      const value = measured(item)
      const key = keyOf(item, value, dataIndex)
      const weight = weightOf(value)
      if (weight === null || (type === 'heatmap' && weight === 0)) return []
      return [{ seriesIndex, dataIndex, key, name: nameOf(item), weight }]
    }),
  )
  const distinct = [...new Map(found.toReversed().map((stop) => [stop.key, stop])).values()].toReversed()
  if (tooltip?.trigger === 'axis') return distinct.toSorted((a, b) => Number(a.key) - Number(b.key))
  return PLACED.includes(series[0]?.type) ? distinct.toSorted((a, b) => b.weight - a.weight) : distinct
}

function measured(item: unknown): unknown {
  return typeof item === 'object' && item !== null && 'value' in item ? item.value : item
}

function nameOf(item: unknown): string | null {
  const name = typeof item === 'object' && item !== null && 'name' in item ? item.name : null
  return typeof name === 'string' && name !== '' ? name : null
}

/** Of a line its time; of a bar, a candle or a square of a map its number; of a country its code. */
function keyOf(item: unknown, value: unknown, dataIndex: number): string {
  const isTimed = Array.isArray(value) && value.length === 2
  return nameOf(item) ?? String(isTimed ? value[0] : dataIndex)
}

/** null: there is nothing to say of it */
function weightOf(value: unknown): number | null {
  // [time, value], [longitude, latitude, value], [hour, day, value, root], or prices.
  const own = Array.isArray(value) ? value[value.length === 2 ? 1 : 2] : value
  return typeof own === 'number' ? own : null
}

/** @param steps forwards, or backwards below 0; infinite: to an end @returns null: the chart shows nothing */
export function stopAfter(stops: readonly Stop[], now: string | null, steps: number): Stop | null {
  const at = stops.findIndex(({ key }) => key === now)
  const from = at === -1 ? (steps > 0 ? -1 : stops.length) : at
  return stops[Math.max(0, Math.min(stops.length - 1, from + steps))] ?? null
}
