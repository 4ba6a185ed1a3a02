/** A dataset as the API describes it: what can be queried, and how exact each measure is. */
import type { z } from 'zod'
import type { CompiledDataset, CompiledView, ViewTime } from '#core/compiled.ts'
import type { DATASET } from './response-schemas.ts'

type Described = z.output<typeof DATASET>

export function describeDataset(dataset: CompiledDataset): Described {
  return {
    name: dataset.name,
    label: dataset.label,
    time: dataset.timeColumn,
    key: dataset.keyColumn,
    columns: dataset.columns.map(({ name, type, path, as, required, onError }) => ({
      name,
      type,
      path,
      as,
      required,
      onError,
    })),
    views: [...dataset.views.values()].map(describeView),
  }
}

function describeView(view: CompiledView): Described['views'][number] {
  return {
    name: view.name,
    label: view.label,
    definition: view.hash,
    ...describeTime(view.time),
    rank: view.rank === undefined ? null : { ...view.rank, dimensions: [...view.rank.dimensions] },
    dimensions: [...view.dimensions],
    measures: view.measures.map(({ name, kind, type, label, exactness }) => ({ name, kind, type, label, exactness })),
    enrich: view.lookups.map(({ name, dictionary, key, attribute }) => ({ name, dictionary, key, attribute })),
  }
}

function describeTime(time: ViewTime): Pick<Described['views'][number], 'paneMs' | 'grains' | 'window'> {
  if (time.kind === 'all-time') return { paneMs: null, grains: [], window: null }
  return { paneMs: time.paneMs, grains: [...time.grains], window: time.window ?? null }
}
