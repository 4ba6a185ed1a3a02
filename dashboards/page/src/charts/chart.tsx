/** A chart in the page. The library is loaded when the first chart is shown, so that the page itself appears before. */
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { afterPaint } from '../after-paint.ts'
import { theme } from '../theme.ts'
import type { BuildChart, Drawing, Uses } from './drawing.ts'

export interface ChartProps extends Uses {
  /** what it shows, for those who cannot see it */
  readonly label: string
  /** builds the option; colours come from the theme in use */
  readonly chart: BuildChart
  /** at least; pixels, or as CSS writes it */
  readonly height?: number | string
  /** what it draws besides lines and bars */
  readonly kind?: keyof typeof PARTS
}

/** parts of the library that most pages do not need at first */
const PARTS = {
  map: () => import('./echarts-map.ts'),
  heat: () => import('./echarts-heat.ts'),
  candles: () => import('./echarts-candles.ts'),
} as const

const HEIGHT = 280

export function Chart({ label, chart, height = HEIGHT, kind, onZoom, onPick }: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null)
  const drawing = useRef<Drawing | null>(null)
  const latest = useRef({ chart, onZoom, onPick })
  latest.current = { chart, onZoom, onPick }
  const dark = theme.value
  // Before it is painted: where the library is there already, the first chart is on the screen together with the first numbers.
  useLayoutEffect(() => {
    const first = drawFirst(place.current!, latest, kind)
    if (first !== null) {
      drawing.current = first
      first.draw(latest.current.chart)
      return () => first.close()
    }
    let gone = false
    const opened = open(place.current!, latest, kind).then((drawn) => {
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
  const [said, say] = useState('')
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps = STEPS[event.key]
    if (event.key === 'Enter') drawing.current?.pick()
    if (event.key === 'Escape') drawing.current?.leave()
    if (steps === undefined || drawing.current === null) return
    event.preventDefault()
    say(drawing.current.point(steps))
  }
  return (
    <div class="chart" style={{ minHeight: typeof height === 'number' ? `${height}px` : height }}>
      <div
        class="drawing"
        ref={place}
        role="img"
        aria-label={label}
        aria-keyshortcuts="ArrowLeft ArrowRight"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what is said of a number must be reachable by keyboard
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => drawing.current?.leave()}
      />
      <span class="sr" role="status">
        {said}
      </span>
    </div>
  )
}

/** From value to value. */
const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowLeft: -1,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
}

let library: typeof import('./echarts.ts') | null = null
let isFirst = true
let drawn: Promise<void> = Promise.resolve()

/** null: it is not the first one, or what draws is not there yet */
function drawFirst(place: HTMLElement, uses: { readonly current: Uses }, kind: ChartProps['kind']): Drawing | null {
  if (library === null || !isFirst || (kind !== undefined && !prepared.has(kind))) return null
  isFirst = false
  drawn = afterPaint()
  return library.draw(place, uses)
}

/** One chart a frame: the first one is on the screen before the next is drawn. */
function ownFrame(): Promise<void> {
  const before = drawn
  drawn = before.then(afterPaint)
  return before
}

/** parts of the library that are there */
const prepared = new Set<keyof typeof PARTS>()
const PART_OF: Readonly<Record<string, keyof typeof PARTS>> = {
  ...{ candles: 'candles', heat: 'heat', map: 'map', points: 'map' },
}

/**
 * Begins what draws, which takes a moment: while the first answers are on their way there is nothing else to do.
 * @param kinds of the panels that are shown first
 */
export async function prepareCharts(kinds: readonly string[]): Promise<void> {
  const parts = new Set(kinds.flatMap((kind) => PART_OF[kind] ?? []))
  const ofParts = [...parts].map(async (part) => {
    await PARTS[part]()
    prepared.add(part)
  })
  library = await import('./echarts.ts')
  await Promise.all(ofParts)
}

async function open(place: HTMLElement, uses: { readonly current: Uses }, kind: ChartProps['kind']): Promise<Drawing> {
  // What needs no chart is read meanwhile.
  await afterPaint()
  const [{ draw }] = await Promise.all([import('./echarts.ts'), kind && PARTS[kind]()])
  await ownFrame()
  isFirst = false
  return draw(place, uses)
}
