/** A panel by its shape; one that comes into view for the first time begins to ask then. */
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Panel } from '#core/panels/panel.ts'
import type { Dataset } from '../definition.ts'
import { type Source, sourceOf } from '../question.ts'
import { CandlePanel } from './candle-panel.tsx'
import { EventsPanel } from './events-panel.tsx'
import { FunnelPanel } from './funnel-panel.tsx'
import { HeatPanel } from './heat-panel.tsx'
import { HistogramPanel } from './histogram-panel.tsx'
import { MapPanel } from './map-panel.tsx'
import { NumberPanel } from './number-panel.tsx'
import { RankingPanel } from './ranking-panel.tsx'
import { TablePanel } from './table-panel.tsx'
import { TimePanel } from './time-panel.tsx'
import { WindowsPanel } from './windows-panel.tsx'

const AHEAD_PIXELS = 200

export function PanelOf({ dataset, panel }: { dataset: Dataset; panel: Panel }): JSX.Element | null {
  const place = useRef<HTMLDivElement>(null)
  const [seen, setSeen] = useState(false)
  // The observer tells a frame later; what is in view when the page opens need not wait for it.
  useLayoutEffect(() => setSeen(isInView(place.current!)), [])
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => setSeen(entries.some((entry) => entry.isIntersecting)), {
      rootMargin: `${AHEAD_PIXELS}px`,
    })
    watch.observe(place.current!)
    return () => watch.disconnect()
  }, [])
  const source = panel.view === null ? null : sourceOf(dataset, panel.view, panel.filter)
  return (
    <div ref={place} class={`slot shows-${panel.kind} span-${panel.width}`}>
      {seen && source !== null && <Shown source={source} panel={panel} />}
      {seen && panel.view === null && <EventsPanel dataset={dataset} panel={panel} />}
    </div>
  )
}

function isInView(place: HTMLElement): boolean {
  const { top, bottom } = place.getBoundingClientRect()
  return top < innerHeight + AHEAD_PIXELS && bottom > -AHEAD_PIXELS
}

function Shown({ source, panel }: { source: Source; panel: Panel }): JSX.Element {
  const { id, title, measures, dimensions: by, order, width: span } = panel
  const top = panel.limit ?? undefined
  const own = { source, id, title, span, measures }
  switch (panel.kind) {
    case 'ranking':
      return <RankingPanel {...own} by={by[0]!} order={order} top={top} />
    case 'lines':
    case 'stacked':
    case 'bars':
      if (source.view.window !== null && source.series === null && by[0] !== undefined && panel.kind === 'lines')
        return <WindowsPanel {...own} by={by[0]} top={top} />
      return <TimePanel {...own} by={by[0] ?? null} shape={panel.kind} top={top} />
    case 'map':
    case 'points':
      return <MapPanel {...own} by={by} points={panel.kind === 'points'} />
    case 'heat':
      return <HeatPanel {...own} />
    case 'candles':
      return <CandlePanel {...own} by={by[0]!} />
    case 'histogram':
      return <HistogramPanel {...own} />
    case 'funnel':
      return <FunnelPanel {...own} />
    case 'number':
      return <NumberPanel {...own} />
    default:
      return <TablePanel {...own} by={by} order={order} pageRows={top} />
  }
}
