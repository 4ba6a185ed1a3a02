/** The page of a dataset: a toolbar, and the panels that its definition names or that fit its views, section by section. */
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Panel } from '#core/panels/panel.ts'
import { prepareCharts } from './charts/chart.tsx'
import { type Dataset, labelOf } from './definition.ts'
import { limitFirst } from './live.ts'
import { DatasetStatus } from './overview/dataset-status.tsx'
import { PanelOf } from './panels/panel-of.tsx'
import { filledRows } from './rows.ts'
import { Toolbar } from './toolbar.tsx'

export function DatasetPage({ dataset }: { dataset: Dataset }): JSX.Element {
  // Where it fails, the first chart tries again.
  useEffect(() => void prepareCharts(kindsShownFirst(dataset)).catch(() => undefined), [])
  useEffect(limitFirst, [])
  const sections = Map.groupBy(dataset.dashboard.panels, ({ section }) => section)
  return (
    <>
      <div class="title">
        <div>
          <h1>{labelOf(dataset)}</h1>
          {dataset.description !== undefined && <p class="hint">{dataset.description}</p>}
        </div>
        <DatasetStatus dataset={dataset.name} />
      </div>
      <Toolbar dataset={dataset} />
      {[...sections].map(([title, panels]) => (
        <section key={title} class="view" aria-label={title}>
          <h2 id={panels[0]!.id}>{title}</h2>
          <div class="panels">
            {widened(panels).map((panel) => (
              <PanelOf key={panel.id} dataset={dataset} panel={panel} />
            ))}
          </div>
        </section>
      ))}
    </>
  )
}

/** as many panels as a large window shows at first */
const FIRST_PANELS = 4

function kindsShownFirst({ dashboard }: Dataset): readonly string[] {
  return dashboard.panels.slice(0, FIRST_PANELS).map(({ kind }) => kind)
}

function widened(panels: readonly Panel[]): readonly Panel[] {
  const widths = filledRows(panels.map(({ width }) => width))
  return panels.map((panel, at) => ({ ...panel, width: widths[at]! }))
}
