/** A panel by its shape; one that comes into view for the first time begins to ask then. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Dataset } from '../definition.ts'
import { type Source, sourceOf } from '../question.ts'
import { CandlePanel } from './candle-panel.tsx'
import { FunnelPanel } from './funnel-panel.tsx'
import { HeatPanel } from './heat-panel.tsx'
import { MapPanel } from './map-panel.tsx'
import { NumberPanel } from './number-panel.tsx'
import type { Panel } from './panel.ts'
import { RankingPanel } from './ranking-panel.tsx'
import { TablePanel } from './table-panel.tsx'
import { TimePanel } from './time-panel.tsx'

const AHEAD = '200px'

export function PanelOf({ dataset, panel }: { dataset: Dataset; panel: Panel }): JSX.Element | null {
  const place = useRef<HTMLDivElement>(null)
  const [seen, setSeen] = useState(false)
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => setSeen(entries.some((entry) => entry.isIntersecting)), {
      rootMargin: AHEAD,
    })
    watch.observe(place.current!)
    return () => watch.disconnect()
  }, [])
  const source = sourceOf(dataset, panel.view)
  return (
    <div ref={place} class={`slot span-${panel.span ?? 6}`}>
      {seen && source !== null && <Shown source={source} panel={panel} />}
    </div>
  )
}

function Shown({ source, panel }: { source: Source; panel: Panel }): JSX.Element {
  const { id, title, show, by, top, span } = panel
  const own = { source, id, title, span, ...(top !== undefined && { top }) }
  switch (panel.shape) {
    case 'ranking':
      return <RankingPanel {...own} measures={show} by={by[0]!} />
    case 'lines':
    case 'stacked':
    case 'bars':
      return <TimePanel {...own} measures={show} by={by[0] ?? null} shape={panel.shape} />
    case 'map':
    case 'points':
      return <MapPanel {...own} measures={show} by={by} />
    case 'heat':
      return <HeatPanel {...own} measures={show} />
    case 'candles':
      return <CandlePanel {...own} by={by[0]!} />
    case 'funnel':
      return <FunnelPanel {...own} measures={show} />
    case 'number':
      return <NumberPanel {...own} measures={show} />
    default:
      return <TablePanel source={source} title={title} span={span} {...(show.length > 0 && { measures: show })} />
  }
}
