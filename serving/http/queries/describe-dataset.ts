/** A dataset as the API describes it: what can be queried, and how exact each measure is. */
import type { z } from 'zod'
import type { CompiledDataset, CompiledSeries, CompiledView, ViewTime } from '#core/compiled.ts'
import type { DATASET } from '#serving/http/contract/schemas/dataset.ts'

type Described = z.output<typeof DATASET>

export function describeDataset(dataset: CompiledDataset): Described {
  return {
    name: dataset.name,
    label: dataset.label,
    description: dataset.description,
    time: dataset.timeColumn,
    key: dataset.keyColumn,
    columns: dataset.columns.map(({ name, type, path, as, required, onError, label, description }) => ({
      name,
      label,
      description,
      type,
      path,
      as,
      required,
      onError,
    })),
    views: [...dataset.views.values()].map(describeView),
    series: [...dataset.series.values()].map(describeSeries),
  }
}

function describeView(view: CompiledView): Described['views'][number] {
  return {
    name: view.name,
    label: view.label,
    description: view.description,
    definition: view.hash,
    ...describeTime(view.time),
    rank: view.rank === undefined ? null : { ...view.rank, dimensions: [...view.rank.dimensions] },
    dimensions: [...view.dimensions],
    measures: view.measures.map(({ name, kind, type, label, description, exactness }) => ({
      name,
      kind,
      type,
      label,
      description,
      exactness,
    })),
    enrich: view.lookups.map(({ name, dictionary, key, attribute }) => ({ name, dictionary, key, attribute })),
  }
}

function describeSeries(series: CompiledSeries): Described['series'][number] {
  const { name, label, over, by, grain, fill, columns } = series
  return {
    name,
    label,
    over: over.name,
    by: [...by],
    grain,
    grains: [...over.time.grains],
    fill: fill === null ? null : Object.fromEntries(fill),
    columns: columns.map(({ name, kind, expression, rows, type, label, measures }) => ({
      name,
      kind,
      expression,
      rows,
      type,
      label,
      measures: [...measures],
    })),
  }
}

function describeTime(time: ViewTime): Pick<Described['views'][number], 'paneMs' | 'grains' | 'window'> {
  if (time.kind === 'all-time') return { paneMs: null, grains: [], window: null }
  return { paneMs: time.paneMs, grains: [...time.grains], window: time.window ?? null }
}
