/** A chart in the page. The library is loaded when the first chart is shown, so that the page itself appears before. */
import type { EChartsCoreOption } from 'echarts/core'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { theme } from '../theme.ts'

export interface ChartProps {
  /** what it shows, for those who cannot see it */
  readonly label: string
  /** builds the option; colours come from the theme in use */
  readonly chart: (colours: Colours) => EChartsCoreOption
  readonly height?: number
  readonly onZoom?: (fromMs: number, toMs: number) => void
  readonly onPick?: (name: string) => void
}

export interface Colours {
  readonly series: readonly string[]
  readonly text: string
  readonly faint: string
  readonly line: string
  readonly surface: string
  /** land without a value */
  readonly ground: string
  readonly up: string
  readonly down: string
  readonly low: string
  readonly high: string
}

type Drawing = Awaited<ReturnType<typeof open>>

const HEIGHT = 280

export function Chart({ label, chart, height = HEIGHT, onZoom, onPick }: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null)
  const drawing = useRef<Drawing | null>(null)
  const latest = useRef({ chart, onZoom, onPick })
  latest.current = { chart, onZoom, onPick }
  const dark = theme.value
  useEffect(() => {
    let gone = false
    const opened = open(place.current!, latest).then((drawn) => {
      if (gone) return drawn.close()
      drawing.current = drawn
      drawn.draw(latest.current.chart)
    })
    return () => {
      gone = true
      void opened.then(() => drawing.current?.close())
    }
  }, [])
  useEffect(() => drawing.current?.draw(chart), [chart, dark])
  return (
    <div class="chart" role="img" aria-label={label} style={{ minHeight: `${height}px` }}>
      <div class="drawing" ref={place} />
    </div>
  )
}

/** Of the style sheet, where both themes define them. */
function colours(): Colours {
  const style = getComputedStyle(document.documentElement)
  const named = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((index) => named(`series-${index}`)),
    text: named('text'),
    faint: named('faint'),
    line: named('line'),
    surface: named('surface'),
    ground: named('ground'),
    up: named('up'),
    down: named('down'),
    low: named('map-low'),
    high: named('map-high'),
  }
}

async function open(
  place: HTMLElement,
  latest: { readonly current: Pick<ChartProps, 'onZoom' | 'onPick'> },
): Promise<{ draw: (chart: ChartProps['chart']) => void; close: () => void }> {
  const { init } = await import('./echarts.ts')
  const drawn = init(place, null, { renderer: 'canvas' })
  // A place that is not laid out has no size, and a map cannot be fitted into nothing.
  let waiting: ChartProps['chart'] | null = null
  const hasSize = (): boolean => place.clientWidth > 0 && place.clientHeight > 0
  const watch = new ResizeObserver(() => {
    if (!hasSize()) return
    drawn.resize()
    if (waiting !== null) draw(waiting)
  })
  drawn.on('click', (event) => {
    if (typeof event.name === 'string') latest.current.onPick?.(event.name)
  })
  drawn.on('brushEnd', (event) => {
    const [area] = (event as { areas?: { coordRange?: [number, number] }[] }).areas ?? []
    if (area?.coordRange === undefined) return
    drawn.dispatchAction({ type: 'brush', areas: [] })
    latest.current.onZoom?.(...area.coordRange)
  })
  const draw = (chart: ChartProps['chart']): void => {
    waiting = hasSize() ? null : chart
    if (waiting !== null) return
    drawn.setOption({ ...chart(colours()) }, { replaceMerge: ['series'] })
    if (latest.current.onZoom !== undefined)
      drawn.dispatchAction({
        type: 'takeGlobalCursor',
        key: 'brush',
        brushOption: { brushType: 'lineX', brushMode: 'single' },
      })
  }
  watch.observe(place)
  return {
    draw,
    close: () => {
      watch.disconnect()
      drawn.dispose()
    },
  }
}
