/** The page of a dataset: a toolbar, and panels for each view of its definition. */
import type { JSX } from 'preact'
import { type Dataset, labelOf } from './definition.ts'
import { DatasetStatus } from './overview/dataset-status.tsx'
import { derivedSections } from './panels/derived-panels.ts'
import { PanelOf } from './panels/panel-of.tsx'
import { Toolbar } from './toolbar.tsx'

export function DatasetPage({ dataset }: { dataset: Dataset }): JSX.Element {
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
      {derivedSections(dataset).map(({ name, title, panels }) => (
        <section key={name} class="view" aria-label={title}>
          <h2 id={name}>{title}</h2>
          <div class="panels">
            {panels.map((panel) => (
              <PanelOf key={panel.id} dataset={dataset} panel={panel} />
            ))}
          </div>
        </section>
      ))}
    </>
  )
}
