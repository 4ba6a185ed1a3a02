/** The largest groups of a view, as bars that change places while events arrive. A click looks at a group; several are compared. */
import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { filters, toggleFilter } from '../address.ts'
import { type Answer, keyOf, numberOf, type Row } from '../answer.ts'
import { isId, labelOf } from '../definition.ts'
import { countryName, formatMeasure, languageName, NO, NONE, YES } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, measureNamed, type Source, typeOf } from '../question.ts'
import { range, rangeQuery } from '../range.ts'
import { Frame } from './frame.tsx'
import { MeasureChoice, useMeasure } from './measure-choice.tsx'

export interface RankingProps {
  readonly source: Source
  readonly id: string
  readonly title: string
  readonly by: string
  readonly measures: readonly string[]
  /** as a query takes it; counts while the first measure is shown. Default: by the measure, the largest first */
  readonly order?: string | null
  readonly top?: number
  readonly span?: number
}

interface Shown {
  readonly by: string
  readonly measure: string
}

export function RankingPanel(props: RankingProps): JSX.Element {
  const { source, id, title, by, measures, order = null, top = 10, span = 4 } = props
  const { view } = source
  const [measure, chooseMeasure] = useMeasure(source, id, measures)
  const windowed = view.window !== null
  const query = {
    dimensions: by,
    measures: [measure.name, ...titleMeasures(source, by)].join(','),
    order: order !== null && measure.name === measures[0] ? order : `-${measure.name}`,
    limit: top,
    ...filterQuery(source, by),
    ...(windowed ? { at: 'latest' } : rangeQuery(range.value, view.paneMs)),
  }
  const known = useLive<Answer, Ask<Shown>>(ask(source, query, { by, measure: measure.name }))
  const hint = windowed ? windowText(known.value) : undefined
  const controls = <MeasureChoice source={source} measures={measures} chosen={measure.name} onChoose={chooseMeasure} />
  return (
    <Frame title={title} hint={hint} known={known} span={span} controls={controls}>
      {(answer) => <Bars answer={answer} shown={known.asked!.shown} source={source} />}
    </Frame>
  )
}

function windowText(answer: Answer | null): string | undefined {
  const window = answer?.meta.window
  if (window == null) return undefined
  const clock = new Intl.DateTimeFormat(navigator.languages, { timeStyle: 'medium' })
  return `${clock.formatRange(new Date(window.from), new Date(window.to))}${window.ended ? '' : ', still filling'}`
}

/** A view by an id that keeps a title, shows the title: of what the id stands for, and of nothing else that the view is by. */
function titleMeasure({ view }: Source, by: string | undefined): string | null {
  if (by === undefined || (view.dimensions.length > 1 && !isId(by))) return null
  return view.measures.find(({ name, type }) => /^(title|name)$/.test(name) && type === 'VARCHAR')?.name ?? null
}

function Bars({ answer, shown, source }: { answer: Answer; shown: Shown; source: Source }): JSX.Element {
  const { by, measure } = shown
  const list = useRef<HTMLOListElement>(null)
  useMovingRows(list, answer)
  const largest = Math.max(...answer.data.map((row) => Math.abs(numberOf(row[measure]) ?? 0)), Number.MIN_VALUE)
  const chosen = filters.value.get(by)
  const shownMeasure = measureNamed(source, measure)
  const label = labelOf(shownMeasure ?? { name: measure })
  return (
    <ol class="ranking" ref={list}>
      {answer.data.map((row) => {
        const key = keyOf(row[by])
        const value = row[measure]
        return (
          <li
            key={JSON.stringify(key)}
            data-key={key}
            class={chosen === undefined || chosen.includes(key) ? '' : 'dimmed'}
          >
            <button
              type="button"
              aria-pressed={chosen?.includes(key) ?? false}
              data-tip={`${label}: ${provenanceText(answer.meta, measure)}`}
              onClick={() => toggleFilter(by, key)}
            >
              <span class="bar" style={{ width: `${(100 * Math.abs(numberOf(value) ?? 0)) / largest}%` }} />
              <span class="name">{nameOf(row, by, source)}</span>
              <span class="value">
                {measure in answer.meta.estimates && <span title={answer.meta.estimates[measure]!.bound}>≈ </span>}
                {typeof value === 'number' || typeof value === 'bigint' ? formatMeasure(value, shownMeasure) : NONE}
              </span>
            </button>
          </li>
        )
      })}
    </ol>
  )
}

export const NO_VALUE = '(no value)'

export function titleMeasures(source: Source, by: string | undefined): readonly string[] {
  return [titleMeasure(source, by)].filter((name) => name !== null)
}

/** What a view by an id keeps as its title; null: nothing of the kind. */
export function titleOf(row: Row, by: string | undefined, source: Source): string | null {
  const measure = titleMeasure(source, by)
  return (measure === null ? null : keyOf(row[measure])) || null
}

/** The value with the name that a lookup or a title gives it; countries in the reader's language. */
export function nameOf(row: Row, by: string, source: Source): string {
  const key = keyOf(row[by])
  if (key === null) return NO_VALUE
  if (key === '') return '(empty)'
  const named = source.view.dimensions.find(({ name }) => name === by)?.values?.[key]
  if (named !== undefined) return named
  if (typeOf(source, by) === 'BOOLEAN') return key === 'true' ? YES! : NO!
  const lookups = source.view.enrich.filter((lookup) => lookup.key === by && lookup.attribute === 'name')
  const looked = lookups.map((lookup) => row[lookup.name]).find((name) => typeof name === 'string')
  const known = /country/.test(by) ? countryName(key) : /^lang(uage)?s?$/.test(by) ? languageName(key) : null
  const title = titleMeasure(source, by)
  return known ?? (looked as string | undefined) ?? (title === null ? key : keyOf(row[title]) || key)
}

const MOVE_MS = 400

/** Rows that changed places move there, unless the reader prefers less motion. */
function useMovingRows(list: { readonly current: HTMLElement | null }, answer: Answer): void {
  const places = useRef(new Map<string, number>())
  useLayoutEffect(() => {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    const next = new Map<string, number>()
    for (const item of list.current?.querySelectorAll<HTMLElement>('li') ?? []) {
      const key = item.dataset.key!
      next.set(key, item.offsetTop)
      const before = places.current.get(key)
      if (still || before === undefined || before === item.offsetTop) continue
      item.animate([{ transform: `translateY(${before - item.offsetTop}px)` }, { transform: 'none' }], {
        duration: MOVE_MS,
        easing: 'ease-out',
      })
    }
    places.current = next
  }, [answer])
}
