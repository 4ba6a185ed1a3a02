/** What all panels of a page share: the time that is looked at, the size of buckets, and filters. */
import type { JSX } from 'preact'
import { choose, chosen, filters, setFilter, toggleFilter } from './address.ts'
import { COMPARISONS, chooseComparison, comparison } from './compare.ts'
import { type Dataset, titled } from './definition.ts'
import { countryName, formatMoment, formatValue } from './format.ts'
import { Choice } from './panels/measure-choice.tsx'
import { chooseRange, RANGES, range } from './range.ts'
import { SavedViews } from './saved/saved-views.tsx'

export function Toolbar({ dataset }: { dataset: Dataset }): JSX.Element {
  const grains = [...new Set(dataset.views.flatMap((view) => view.grains))]
  const { name, fromMs, toMs } = range.value
  const options = Object.entries(RANGES) as [string, string][]
  const own: [string, string][] = name === 'own' ? [['own', spanText(fromMs, toMs)]] : []
  return (
    <div class="toolbar" role="toolbar" aria-label="Time and filters">
      {grains.length > 0 && (
        <>
          <Choice label="Time" value={name} options={[...options, ...own]} onChoose={chooseRange} />
          <Choice
            label="Buckets"
            value={chosen('grain') ?? ''}
            options={[['', 'Buckets that fit'], ...grains.map((grain): [string, string] => [grain, `Per ${grain}`])]}
            onChoose={(grain) => choose({ grain: grain === '' ? null : grain })}
          />
        </>
      )}
      {grains.length > 0 && (
        <Choice
          label="Compare"
          value={comparison()}
          options={Object.entries(COMPARISONS) as [string, string][]}
          onChoose={chooseComparison}
        />
      )}
      {name === 'own' && (
        <button type="button" class="button" onClick={() => chooseRange('')}>
          Zoom out
        </button>
      )}
      <SavedViews dataset={dataset.name} />
      <ul class="chips" aria-label="Filters">
        {[...filters.value].flatMap(([dimension, values]) =>
          values.map((value) => (
            <li key={`${dimension}:${value}`}>
              <button
                type="button"
                class="chip"
                title="Remove this filter"
                onClick={() => toggleFilter(dimension, value)}
              >
                {titled(dimension)}: {valueText(dataset, dimension, value)}
                <span aria-hidden="true"> ×</span>
              </button>
            </li>
          )),
        )}
        {filters.value.size > 1 && (
          <li>
            <button
              type="button"
              class="chip plain"
              onClick={() => {
                for (const dimension of filters.value.keys()) setFilter(dimension, [])
              }}
            >
              Remove all
            </button>
          </li>
        )}
      </ul>
    </div>
  )
}

function valueText({ views }: Dataset, dimension: string, value: string): string {
  const column = views.flatMap(({ dimensions }) => dimensions).find(({ name }) => name === dimension)
  const named = column?.values?.[value]
  if (named !== undefined) return named
  if (column?.type === 'BOOLEAN' && value !== '') return formatValue(value === 'true')
  return (/country/.test(dimension) && countryName(value)) || value || '(no value)'
}

function spanText(fromMs: number | null, toMs: number | null): string {
  const text = (ms: number | null, open: string): string =>
    ms === null ? open : formatMoment(new Date(ms).toISOString())
  return `${text(fromMs, '…')} – ${text(toMs, 'now')}`
}
