/** A dataset as the API describes it: what can be queried, and how exact each measure is. */
import type { z } from 'zod'
import type { CompiledDataset, CompiledSeries, CompiledView, ViewTime } from '#core/compiled.ts'
import type { DatasetDefinition, NumberFormat } from '#core/definition-parts.ts'
import { unitOf, type ValueNames, valueNamesOf } from '#core/names-for-people.ts'
import type { Dashboard } from '#core/panels/panel.ts'
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
      ...ofColumn(dataset.definition?.columns[name]),
      type,
      path,
      as,
      required,
      onError,
    })),
    views: [...dataset.views.values()].map((view) => describeView(view, dataset.definition)),
    series: [...dataset.series.values()].map(describeSeries),
    groupings: [...dataset.groupings.values()].map(({ over, by, view }) => ({
      over: over.name,
      by: [...by],
      ...describeView(view, dataset.definition),
    })),
    dashboard: describeDashboard(dataset.dashboard),
  }
}

function describeDashboard({ derived, panels }: Dashboard): Described['dashboard'] {
  const plain = panels.map(({ measures, dimensions, filter, ...panel }) => ({
    ...panel,
    ...{ measures: [...measures], dimensions: [...dimensions] },
    filter: Object.fromEntries(Object.entries(filter).map(([name, values]) => [name, [...values]])),
  }))
  return { derived, panels: plain }
}

function ofColumn(column: DatasetDefinition['columns'][string] | undefined): { unit?: string; values?: ValueNames } {
  const unit = column?.type === 'TIMESTAMP' ? undefined : column?.unit
  return { ...(unit === undefined ? {} : { unit }), ...(column?.values === undefined ? {} : { values: column.values }) }
}

function describeView(view: CompiledView, definition: DatasetDefinition | undefined): Described['views'][number] {
  return {
    name: view.name,
    label: view.label,
    description: view.description,
    definition: view.hash,
    ...describeTime(view.time),
    rank: view.rank === undefined ? null : { ...view.rank, dimensions: [...view.rank.dimensions] },
    dimensions: view.dimensions.map((dimension) => ({
      ...dimension,
      ...namesOf(view.name, dimension.name, definition),
    })),
    measures: view.measures.map(({ name, kind, type, label, description, exactness }) => ({
      name,
      kind,
      type,
      label,
      description,
      exactness,
      ...unitAndBounds(view.name, name, definition),
    })),
    enrich: view.lookups.map(({ name, dictionary, key, attribute }) => ({ name, dictionary, key, attribute })),
  }
}

function namesOf(view: string, dimension: string, definition?: DatasetDefinition): { values?: ValueNames } {
  const defined = definition?.views[view]
  const values = defined && valueNamesOf(defined, dimension, definition.columns)
  return values === undefined ? {} : { values }
}

function unitAndBounds(
  view: string,
  name: string,
  definition?: DatasetDefinition,
): { unit?: string; format?: NumberFormat; bounds?: number[] } {
  if (definition === undefined) return {}
  const { views, groupings, columns } = definition
  const measure = (views[view] ?? groupings?.[view])?.measures[name]
  const unit = measure && unitOf(measure, columns)
  return {
    ...(unit === undefined ? {} : { unit }),
    ...(measure?.format === undefined ? {} : { format: measure.format }),
    ...(measure?.bounds === undefined ? {} : { bounds: [...measure.bounds] }),
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
    columns: columns.map(({ name, kind, expression, rows, recurrence, type, label, measures }) => ({
      name,
      kind,
      expression,
      rows,
      recurrence,
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
