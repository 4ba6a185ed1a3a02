/** What all panels of a page share: the time that is looked at, the size of buckets, and filters. */
import type { JSX } from 'preact'
import { choose, chosen } from './address.ts'
import { COMPARISONS, chooseComparison, comparison } from './compare.ts'
import type { Dataset } from './definition.ts'
import { FilterChips } from './filter-chips.tsx'
import { formatMoment } from './format.ts'
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
      <FilterChips dataset={dataset} />
    </div>
  )
}

function spanText(fromMs: number | null, toMs: number | null): string {
  const text = (ms: number | null, open: string): string =>
    ms === null ? open : formatMoment(new Date(ms).toISOString())
  return `${text(fromMs, '…')} – ${text(toMs, 'now')}`
}
