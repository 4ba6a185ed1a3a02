/** The rows of a view: searched, sorted by a click on a heading, page by page. The server does all of it, so that a view of any size can be read. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { filters, toggleFilter } from '../address.ts'
import { type Answer, keyOf, type Row, type Value } from '../answer.ts'
import { get } from '../api.ts'
import { isId, isNumeric, labelOf, type Measure } from '../definition.ts'
import { countryName, formatBucket, formatMeasure, formatValue } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, measureNamed, measuresOf, type Source, typeOf } from '../question.ts'
import { grainMs, range, rangeQuery, zoneOf } from '../range.ts'
import { useCellFocus } from './cell-focus.ts'
import { Frame } from './frame.tsx'
import { nameOf } from './ranking-panel.tsx'
import { type Search, SearchBox, searchable, searchText } from './search-box.tsx'

const PAGE_ROWS = 25
const COLUMNS_MAX = 9
const DAY_MS = 86_400_000
/** a page of a held answer does not change; it is asked for again so that the server keeps it */
const HELD_EVERY_MS = 60_000

export interface TableProps {
  readonly source: Source
  readonly title: string
  /** dimensions; default: all of the view */
  readonly by?: readonly string[]
  readonly measures?: readonly string[]
  /** as a query takes it */
  readonly order?: string | null
  readonly pageRows?: number
  readonly span?: number
}

interface Shown {
  readonly dimensions: readonly string[]
  readonly measures: readonly string[]
}

/** cursors of the pages that were read, and which one is shown. Page 0 has none: it is live */
interface Place {
  readonly cursors: readonly string[]
  readonly page: number
}

const FIRST: Place = { cursors: [], page: 0 }

export function TablePanel(props: TableProps): JSX.Element {
  const { source, title, pageRows = PAGE_ROWS, span = 12 } = props
  const { view } = source
  const shown: Shown = {
    dimensions: props.by ?? view.dimensions.map(({ name }) => name),
    measures: props.measures ?? view.measures.slice(0, COLUMNS_MAX).map(({ name }) => name),
  }
  const [order, setOrder] = useState(
    props.order ?? (source.series !== null ? '-time' : `-${view.rank?.by ?? firstNumber(source, shown.measures)}`),
  )
  const [search, setSearch] = useState<Search>({ column: searchable(source, shown)[0] ?? '', text: '' })
  const query = { ...tableQuery(source, shown, search), order: newestFirst(source, order), limit: pageRows }
  const first = ask(source, query, shown)
  const [place, setPlace] = usePlace(first.path)
  const cursor = place.page === 0 ? undefined : place.cursors[place.page - 1]
  const asked = cursor === undefined ? first : ask(source, { ...query, cursor }, shown)
  const known = useLive<Answer, Ask<Shown>>(asked, cursor === undefined ? undefined : HELD_EVERY_MS)
  const turn = async (page: number): Promise<void> => {
    if (page <= place.cursors.length) return setPlace({ ...place, page })
    const next = await nextCursor(first.path, known.value, place)
    if (next !== null) setPlace({ cursors: [...place.cursors, next], page })
  }
  const controls = (
    <SearchBox columns={searchable(source, shown)} search={search} source={source} onSearch={setSearch} />
  )
  const sort = (name: string): void => setOrder(order === `-${name}` ? name : `-${name}`)
  return (
    <Frame title={title} known={known} span={span} controls={controls} exportsAll>
      {(answer) => (
        <>
          <Unknown rows={answer.data} order={order} source={source} />
          <Rows {...{ rows: answer.data, answer, source, shown: known.asked!.shown, order, sort }} />
          <Pager
            page={place.page}
            more={place.page === 0 ? answer.meta.truncated : answer.meta.next !== null}
            onPage={(page) => void turn(page)}
          />
        </>
      )}
    </Frame>
  )
}

/** Rows of a series that are equal in what they are ordered by are ordered by time. */
function newestFirst({ series }: Source, order: string): string {
  return series === null || /^-?time$/.test(order) ? order : `${order},-time`
}

/** What compares with earlier values has none of its own until there are some. */
function Unknown({ rows, order, source }: { rows: readonly Row[]; order: string; source: Source }): JSX.Element | null {
  const column = source.series?.columns.find(({ name }) => name === order.replace(/^-/, ''))
  if (column === undefined || rows.some((row) => row[column.name] !== null)) return null
  return <p class="hint">{labelOf(column)} is calculated from earlier rows, which are still to come.</p>
}

/** Where the reader is in the pages of one question; another question begins at its first page. */
function usePlace(path: string): readonly [Place, (place: Place) => void] {
  const [known, setKnown] = useState({ path, place: FIRST })
  return [known.path === path ? known.place : FIRST, (place) => setKnown({ path, place })]
}

/** The cursor of the page behind the last one; from the first page on, all pages are of one held answer. */
async function nextCursor(path: string, answer: Answer | null, { cursors }: Place): Promise<string | null> {
  if (cursors.length > 0) return answer?.meta.next ?? null
  const { value } = await get<Answer>(`${path}&cursor=start`)
  return value!.meta.next
}

function tableQuery(source: Source, shown: Shown, search: Search): Ask['query'] {
  const { filter, having } = filterQuery(source)
  const found = searchText(source, search)
  const isDimension = source.view.dimensions.some(({ name }) => name === search.column)
  return {
    dimensions: shown.dimensions.join(','),
    measures: shown.measures.join(','),
    filter: [...filter, ...(isDimension ? found : [])],
    having: [...having, ...(isDimension ? [] : found)],
    ...(source.view.window === null ? timesQuery(source) : { at: 'latest' }),
  }
}

/** Of a series the newest rows come first, and none of the future before them. */
function timesQuery({ view, series }: Source): ReturnType<typeof rangeQuery> {
  const grain = series === null ? null : grainMs(series.grain)
  if (grain === null || range.value.name !== '') return rangeQuery(range.value, view.paneMs)
  // Whole buckets: another question would be asked, and pages be begun anew, with each pane.
  const paneMs = grain <= DAY_MS ? grain : view.paneMs
  return rangeQuery({ name: '', fromMs: null, toMs: Date.now() }, paneMs)
}

function firstNumber(source: Source, shown: readonly string[]): string {
  return shown.find((name) => isNumeric(typeOf(source, name))) ?? shown[0]!
}

interface RowsProps {
  readonly rows: readonly Row[]
  readonly answer: Answer
  readonly source: Source
  readonly shown: Shown
  readonly order: string
  readonly sort: (name: string) => void
}

function Rows({ rows, answer, source, shown: { dimensions, measures }, order, sort }: RowsProps): JSX.Element {
  const labels = new Map(measuresOf(source).map((measure) => [measure.name, labelOf(measure)]))
  const times = source.series === null ? [] : ['time']
  const heading = (name: string): JSX.Element => (
    <th
      key={name}
      scope="col"
      class={measures.includes(name) && isNumeric(typeOf(source, name)) ? 'number' : ''}
      aria-sort={order === name ? 'ascending' : order === `-${name}` ? 'descending' : 'none'}
    >
      <button type="button" onClick={() => sort(name)}>
        {labels.get(name) ?? labelOf({ name })}
        <span aria-hidden="true">{order === name ? '\u00a0↑' : order === `-${name}` ? '\u00a0↓' : ''}</span>
      </button>
    </th>
  )
  const cells = useCellFocus(rows.length, times.length + dimensions.length + measures.length)
  return (
    <section class="table" aria-label="Rows: arrow keys lead from cell to cell">
      {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: its cells are reached by arrow keys */}
      <table role="grid">
        <thead>
          <tr>{[...times, ...dimensions, ...measures].map(heading)}</tr>
        </thead>
        <tbody onKeyDown={cells.onKeyDown} onFocusCapture={cells.onFocus}>
          {rows.map((row, at) => (
            <tr key={[...times, ...dimensions].map((name) => String(row[name])).join('\n')}>
              {times.map((name, column) => (
                <td key={name} tabIndex={cells.tabIndexOf(at, column)}>
                  {bucketText(row[name], source.series!.grain)}
                </td>
              ))}
              {dimensions.map((name, column) => (
                <td key={name}>
                  <DimensionCell tabIndex={cells.tabIndexOf(at, times.length + column)} {...{ row, name, source }} />
                </td>
              ))}
              {measures.map((name, column) => (
                <td
                  key={name}
                  tabIndex={cells.tabIndexOf(at, times.length + dimensions.length + column)}
                  class={isNumeric(typeOf(source, name)) ? 'number' : ''}
                  data-tip={provenanceText(answer.meta, name)}
                >
                  {name in answer.meta.estimates && '≈ '}
                  {cellText(row[name], measureNamed(source, name))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** Hours as clocks here show them; days are those of UTC. */
function bucketText(time: Value | undefined, grain: string): string {
  return formatBucket(Date.parse(String(time)), grain, zoneOf(grainMs(grain)))
}

function cellText(value: Value | undefined, measure: Measure | undefined): string {
  if (typeof value === 'string' && /country/.test(measure?.name ?? '')) return countryName(value) ?? value
  if (typeof value !== 'number' && typeof value !== 'bigint') return formatValue(value, measure?.type)
  return measure !== undefined && isId(measure.name) ? String(value) : formatMeasure(value, measure)
}

interface DimensionCellProps {
  readonly row: Row
  readonly name: string
  readonly source: Source
  readonly tabIndex: 0 | -1
}

function DimensionCell({ row, name, source, tabIndex }: DimensionCellProps): JSX.Element {
  const value = row[name]
  // An id is not a quantity: its digits are not grouped.
  const text = Number.isInteger(value) || typeof value === 'bigint' ? String(value) : formatValue(value)
  const isNamed =
    value === '' || /country/.test(name) || source.view.dimensions.some((one) => one.name === name && one.values)
  const key = keyOf(value)
  const pressed = filters.value.get(name)?.includes(key) ?? false
  return (
    <button
      type="button"
      class="cell"
      tabIndex={tabIndex}
      aria-pressed={pressed}
      onClick={() => toggleFilter(name, key)}
    >
      {isNamed ? nameOf(row, name, source) : text}
    </button>
  )
}

function Pager({
  page,
  more,
  onPage,
}: {
  page: number
  more: boolean
  onPage: (page: number) => void
}): JSX.Element | null {
  if (page === 0 && !more) return null
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" class="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Previous
      </button>
      <span>Page {page + 1}</span>
      <button type="button" class="button" disabled={!more} onClick={() => onPage(page + 1)}>
        Next
      </button>
    </nav>
  )
}
