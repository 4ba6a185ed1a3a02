/** Where is my event, and can I trust this number? Each dataset as a pipeline, from its sources to its answers. */
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Dataset } from '../definition.ts'
import { Pipeline } from './pipeline.tsx'

export function Overview({ datasets }: { datasets: readonly Dataset[] }): JSX.Element {
  useEffect(() => document.getElementById(location.hash.slice(1))?.scrollIntoView(), [])
  return (
    <>
      <div class="title">
        <div>
          <h1>Overview</h1>
          <p class="hint">The way of every event: where it is now, and whether the numbers can be trusted.</p>
        </div>
      </div>
      {datasets.map((dataset) => (
        <Pipeline key={dataset.name} dataset={dataset} />
      ))}
    </>
  )
}
