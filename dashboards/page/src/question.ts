/** Panels' questions: queries of the API, with the filters of the page. */

import { filters } from './address.ts'
import type { Key } from './answer.ts'
import type { Query } from './api.ts'
import { viewPath } from './api.ts'
import { chartable, type Dataset, type Measure, type Series, type View } from './definition.ts'

/** What a panel shows, and the query that answers it. */
export interface Ask<S = unknown> {
  readonly path: string
  readonly query: Query
  readonly shown: S
}

/** A view, or a series with the view that it is calculated from. */
export interface Source {
  readonly dataset: Dataset
  readonly view: View
  readonly series: Series | null
  /** what the panel shows of it, whatever the page does */
  readonly only?: Readonly<Record<string, readonly Key[]>>
}

export function ask<S>({ dataset, view, series }: Source, query: Query, shown: S): Ask<S> {
  return { path: viewPath(dataset.name, series?.name ?? view.name, query), query, shown }
}

export function sourceOf(dataset: Dataset, name: string, only?: Source['only']): Source | null {
  const series = dataset.series.find((one) => one.name === name) ?? null
  const view = [...dataset.views, ...dataset.groupings].find((one) => one.name === (series?.over ?? name))
  return view === undefined ? null : { dataset, view, series, only }
}

/** Measures and, of a series, its columns. */
export function measuresOf({ view, series }: Source): readonly Measure[] {
  return series === null ? view.measures : [...series.columns, ...view.measures]
}

export function chartMeasures(source: Source): Measure[] {
  return chartable(measuresOf(source))
}

export function measureNamed(source: Source, name: string): Measure | undefined {
  return measuresOf(source).find((one) => one.name === name)
}

export function typeOf({ dataset, view, series }: Source, name: string): string {
  const measure = measureNamed({ dataset, view, series }, name)
  return measure?.type ?? view.dimensions.find((one) => one.name === name)?.type ?? ''
}

/** `country:in:["us",null]`. */
export function filterText(dimension: string, values: readonly Key[]): string {
  if (values.length === 1) return values[0] === null ? `${dimension}:null` : `${dimension}:eq:${values[0]}`
  return `${dimension}:in:${JSON.stringify(values)}`
}

export interface FilterQuery {
  readonly filter: readonly string[]
  /** where a list over all time keeps the value as a measure, as the country of an event */
  readonly having: readonly string[]
}

/**
 * The filters of the page that apply to a view, and those of the panel, which the page's replace.
 * @param except a dimension whose filter only highlights
 */
export function filterQuery({ view, series, only = {} }: Source, except?: string): FilterQuery {
  const own = Object.entries(only)
  const chosen = [...filters.value].filter(([name]) => name !== except)
  const all = [...new Map([...own, ...chosen])]
  const texts = (known: readonly { readonly name: string }[]): string[] =>
    all.filter(([name]) => known.some((one) => one.name === name)).map(([name, values]) => filterText(name, values))
  const isList = view.paneMs === null && series === null
  const kept = view.measures.filter(({ kind, type }) => kind === 'latest' && type === 'VARCHAR')
  return { filter: texts(view.dimensions), having: isList ? texts(kept) : [] }
}

/** The values of a dimension that are looked at; undefined: all */
export function chosenValues({ only = {} }: Source, dimension: string): readonly Key[] | undefined {
  return filters.value.get(dimension) ?? only[dimension]
}
