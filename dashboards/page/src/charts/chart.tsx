/** A chart in the page. The library is loaded when the first chart is shown, so that the page itself appears before. */
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { afterPaint } from '../after-paint.ts'
import { theme } from '../theme.ts'
import type { BuildChart, Drawing, Uses } from './drawing.ts'

export interface ChartProps extends Uses {
  /** what it shows, for those who cannot see it */
  readonly label: string
  /** builds the option; colours come from the theme in use */
  readonly chart: BuildChart
  readonly height?: number
}

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

async function open(place: HTMLElement, uses: { readonly current: Uses }): Promise<Drawing> {
  // The library takes a moment to begin, and what needs no chart is read meanwhile.
  await afterPaint()
  const { draw } = await import('./echarts.ts')
  return draw(place, uses)
}
