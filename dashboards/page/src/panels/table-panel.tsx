/** The rows of a view: sorted by a click on a heading, page by page. The server sorts, so that a view of any size can be read. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { filters, toggleFilter } from '../address.ts'
import type { Answer, Row } from '../answer.ts'
import { isNumeric, labelOf } from '../definition.ts'
import { formatValue } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceLine } from '../provenance.tsx'
import { type Ask, ask, filterQuery, type Source, typeOf } from '../question.ts'
import { range, rangeQuery } from '../range.ts'
import { Frame } from './frame.tsx'
import { nameOf } from './ranking-panel.tsx'

const PAGE_ROWS = 25
const ROWS_MAX = 10_000
const COLUMNS_MAX = 9

export interface TableProps {
  readonly source: Source
  readonly title: string
  readonly measures?: readonly string[]
  readonly span?: number
}

export function TablePanel({ source, title, measures, span = 12 }: TableProps): JSX.Element {
  const { view } = source
  const shown = measures ?? view.measures.slice(0, COLUMNS_MAX).map(({ name }) => name)
  const [order, setOrder] = useState(`-${view.rank?.by ?? firstNumber(source, shown)}`)
  const [page, setPage] = useState(0)
  // One row more than the page has tells whether there is another one.
  const limit = Math.min((page + 1) * PAGE_ROWS + 1, ROWS_MAX)
  const query = {
    dimensions: view.dimensions.map(({ name }) => name).join(','),
    ...{ measures: shown.join(','), order, limit, filter: filterQuery(source) },
    ...(view.window === null ? rangeQuery(range.value, view.paneMs) : { at: 'latest' }),
  }
  const known = useLive<Answer, Ask<null>>(ask(source, query, null))
  const sort = (name: string): void => {
    setOrder(order === `-${name}` ? name : `-${name}`)
    setPage(0)
  }
  return (
    <Frame title={title} known={known} span={span}>
      {(answer) => {
        const rows = answer.data.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)
        return (
          <>
            <Rows {...{ rows, answer, source, shown, order, sort }} />
            <Pager page={page} more={answer.data.length > (page + 1) * PAGE_ROWS} onPage={setPage} />
          </>
        )
      }}
    </Frame>
  )
}

function firstNumber(source: Source, shown: readonly string[]): string {
  return shown.find((name) => isNumeric(typeOf(source, name))) ?? shown[0]!
}

interface RowsProps {
  readonly rows: readonly Row[]
  readonly answer: Answer
  readonly source: Source
  readonly shown: readonly string[]
  readonly order: string
  readonly sort: (name: string) => void
}

function Rows({ rows, answer, source, shown, order, sort }: RowsProps): JSX.Element {
  const dimensions = source.view.dimensions.map(({ name }) => name)
  const labels = new Map(source.view.measures.map((measure) => [measure.name, labelOf(measure)]))
  const heading = (name: string): JSX.Element => (
    <th
      key={name}
      scope="col"
      class={isNumeric(typeOf(source, name)) ? 'number' : ''}
      aria-sort={order === name ? 'ascending' : order === `-${name}` ? 'descending' : 'none'}
    >
      <button type="button" onClick={() => sort(name)}>
        {labels.get(name) ?? labelOf({ name })}
        <span aria-hidden="true">{order === name ? ' ↑' : order === `-${name}` ? ' ↓' : ''}</span>
      </button>
    </th>
  )
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="table" tabIndex={0} aria-label="Rows">
      <table>
        <thead>
          <tr>{[...dimensions, ...shown].map(heading)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={dimensions.map((name) => String(row[name])).join('\n')}>
              {dimensions.map((name) => (
                <td key={name}>
                  <DimensionCell row={row} name={name} source={source} />
                </td>
              ))}
              {shown.map((name) => (
                <td
                  key={name}
                  class={isNumeric(typeOf(source, name)) ? 'number' : ''}
                  title={provenanceLine(answer.meta, name)}
                >
                  {name in answer.meta.estimates && '≈ '}
                  {formatValue(row[name], typeOf(source, name))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function DimensionCell({ row, name, source }: { row: Row; name: string; source: Source }): JSX.Element {
  const key = formatValue(row[name])
  const pressed = filters.value.get(name)?.includes(String(row[name])) ?? false
  return (
    <button
      type="button"
      class="cell"
      aria-pressed={pressed}
      onClick={() => toggleFilter(name, String(row[name] ?? ''))}
    >
      {/country/.test(name) ? nameOf(row, name, source) : key}
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
