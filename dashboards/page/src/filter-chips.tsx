/** The filters of the page, each a button that removes it. What an id stands for is asked for, where a view knows it. */
import type { JSX } from 'preact'
import { filters, setFilter, toggleFilter } from './address.ts'
import { type Answer, type Key, keyOf, type Row } from './answer.ts'
import { type Dataset, titled } from './definition.ts'
import { useLive } from './live.ts'
import { NO_VALUE, nameOf, titleMeasures } from './panels/ranking-panel.tsx'
import { type Ask, ask, filterText, type Source, sourceOf } from './question.ts'

/** names of things rarely change */
const EVERY_MS = 60_000

export function FilterChips({ dataset }: { dataset: Dataset }): JSX.Element {
  const chosen = [...filters.value]
  return (
    <ul class="chips" aria-label="Filters">
      {chosen.map(([dimension, values]) => (
        <Chips key={dimension} {...{ dataset, dimension, values }} />
      ))}
      {chosen.length > 1 && (
        <li>
          <button
            type="button"
            class="chip plain"
            onClick={() => {
              for (const [dimension] of chosen) setFilter(dimension, [])
            }}
          >
            Remove all
          </button>
        </li>
      )}
    </ul>
  )
}

interface ChipsProps {
  readonly dataset: Dataset
  readonly dimension: string
  readonly values: readonly Key[]
}

function Chips({ dataset, dimension, values }: ChipsProps): JSX.Element {
  const source = namingSource(dataset, dimension)
  const known = useLive<Answer, Ask<null>>(source === null ? null : namesAsked(source, dimension, values), EVERY_MS)
  const rows = new Map(known.value?.data.map((row) => [keyOf(row[dimension]), row]))
  const anySource = source ?? sourceWith(dataset, dimension)
  const nameFor = (value: Key): string => {
    const row: Row = rows.get(value) ?? { [dimension]: value }
    return anySource === null ? (value ?? NO_VALUE) : nameOf(row, dimension, anySource)
  }
  return (
    <>
      {values.map((value) => {
        const name = nameFor(value)
        return (
          <li key={JSON.stringify(value)}>
            <button
              type="button"
              class="chip"
              title={name === value ? 'Remove this filter' : `Remove this filter (${dimension} ${value ?? 'null'})`}
              onClick={() => toggleFilter(dimension, value)}
            >
              {titled(name === value ? dimension : dimension.replace(/_id$/, ''))}: {name}
              <span aria-hidden="true"> ×</span>
            </button>
          </li>
        )
      })}
    </>
  )
}

function sourceWith(dataset: Dataset, dimension: string): Source | null {
  const view = dataset.views.find(({ dimensions }) => dimensions.some(({ name }) => name === dimension))
  return view === undefined ? null : sourceOf(dataset, view.name)
}

/** The view that keeps a title of what the dimension stands for, or looks its name up; null: none does. */
function namingSource(dataset: Dataset, dimension: string): Source | null {
  const sources = dataset.views
    .filter(({ dimensions, window }) => window === null && dimensions.some(({ name }) => name === dimension))
    .map(({ name }) => sourceOf(dataset, name)!)
  const knows = (source: Source): boolean =>
    titleMeasures(source, dimension).length > 0 ||
    source.view.enrich.some(({ key, attribute }) => key === dimension && attribute === 'name')
  return sources.find(knows) ?? null
}

function namesAsked(source: Source, dimension: string, values: readonly Key[]): Ask<null> {
  const titles = titleMeasures(source, dimension)
  const measures = titles.length > 0 ? titles : [source.view.measures[0]!.name]
  const query = {
    ...{ dimensions: dimension, measures: measures.join(','), limit: values.length },
    filter: [filterText(dimension, values)],
  }
  return ask(source, query, null)
}
