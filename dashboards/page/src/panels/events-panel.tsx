/** Raw events, newest first: of one key, whose history this is, or of all. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Panel } from '#core/panels/panel.ts'
import { filters, setFilter } from '../address.ts'
import { keyOf, type Row, type Value } from '../answer.ts'
import { get } from '../api.ts'
import { type Column, type Dataset, isCurrency, isId, isNumeric, labelOf, titled } from '../definition.ts'
import { countryName, formatMeasure, formatMoment, formatValue, NONE } from '../format.ts'
import { useLive } from '../live.ts'
import { filterText } from '../question.ts'
import { range } from '../range.ts'
import { CopyMenu } from './copy-menu.tsx'
import { FaultNote, Loading } from './states.tsx'

interface Event {
  readonly partition: number
  readonly offset: number
  readonly time: string
  readonly columns: Row
}

interface Page {
  readonly data: readonly Event[]
  readonly meta: { readonly cursor: string | null; readonly liveMissing: string | null }
}

const EVERY_MS = 5_000
/** columns that fit a line */
const COLUMNS_MAX = 8

export function EventsPanel({ dataset, panel }: { dataset: Dataset; panel: Panel }): JSX.Element {
  const key = filters.value.get(dataset.key)?.[0] ?? ''
  const path = pathOf(dataset, panel, key)
  const { value, fault } = useLive<Page, { readonly path: string }>({ path }, EVERY_MS)
  const columns = columnsOf(dataset, panel)
  return (
    <section class={`panel span-${panel.width}`} aria-label={panel.title}>
      <header>
        <div class="heading">
          <h3>{panel.title}</h3>
          <p class="hint">{key === '' ? 'newest first' : `${titled(dataset.key)} ${key}, newest first`}</p>
        </div>
        <div class="controls">
          <KeyChoice key={key} name={dataset.key} value={key} />
        </div>
      </header>
      <div class={fault === null ? 'body' : 'body stale'}>
        {fault !== null && <FaultNote fault={fault} earlier={value !== null} />}
        {value === null && fault === null && <Loading />}
        {value !== null && <History key={path} newest={value} path={path} columns={columns} />}
      </div>
      <footer>
        {value?.meta.liveMissing != null && <span class="hint">{value.meta.liveMissing}</span>}
        <CopyMenu path={path} formats={false} />
      </footer>
    </section>
  )
}

function pathOf({ name, key: keyColumn }: Dataset, { limit, filter }: Panel, key: string): string {
  const parameters = new URLSearchParams()
  if (key !== '') parameters.set('key', key)
  for (const [column, values] of Object.entries(filter))
    if (column !== keyColumn || key === '') parameters.append('filter', filterText(column, values))
  const { fromMs, toMs } = range.value
  if (fromMs !== null) parameters.set('from', new Date(fromMs).toISOString())
  if (toMs !== null) parameters.set('to', new Date(toMs).toISOString())
  parameters.set('limit', String(limit ?? 50))
  return `/v1/datasets/${encodeURIComponent(name)}/events?${parameters}`
}

function columnsOf({ columns, time }: Dataset, { dimensions }: Panel): readonly Column[] {
  if (dimensions.length > 0) return dimensions.flatMap((name) => columns.find((column) => column.name === name) ?? [])
  return columns.filter(({ name }) => name !== time).slice(0, COLUMNS_MAX)
}

function KeyChoice({ name, value }: { name: string; value: string }): JSX.Element {
  const [text, setText] = useState(value)
  const show = (event: SubmitEvent): void => {
    event.preventDefault()
    setFilter(name, text.trim() === '' ? [] : [text.trim()])
  }
  return (
    <form class="search" onSubmit={show}>
      <input
        type="search"
        aria-label={titled(name)}
        placeholder={titled(name)}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button">
        Show
      </button>
    </form>
  )
}

function cellText(value: Value | undefined, { name, type, values, unit }: Column): string {
  const key = keyOf(value)
  if (key === null) return NONE
  const country = /country/.test(name) ? countryName(key) : null
  const named = values?.[key] ?? country ?? (isId(name) ? key || NONE : null)
  if (named !== null) return named
  const isAmount = (typeof value === 'number' || typeof value === 'bigint') && isCurrency(unit)
  return isAmount ? formatMeasure(value, { kind: 'value', unit }) : formatValue(value, type)
}

interface HistoryProps {
  readonly newest: Page
  readonly path: string
  readonly columns: readonly Column[]
}

/** The newest page is live; older ones are added below it when they are asked for. */
function History({ newest, path, columns }: HistoryProps): JSX.Element {
  const [older, setOlder] = useState<Page | null>(null)
  const [failed, setFailed] = useState('')
  const events = distinct([...newest.data, ...(older?.data ?? [])])
  const cursor = older === null ? newest.meta.cursor : older.meta.cursor
  const more = async (): Promise<void> => {
    try {
      const { value } = await get<Page>(`${path}&cursor=${encodeURIComponent(cursor!)}`)
      // What is newest now moves on; what it was when the first older page came stays in the list.
      setOlder({ data: [...(older?.data ?? newest.data), ...value!.data], meta: value!.meta })
      setFailed('')
    } catch (error) {
      setFailed((error as Error).message)
    }
  }
  if (events.length === 0) return <None isFiltered={/[?&](key|filter|from|to)=/.test(path)} />
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <section class="table" tabIndex={0} aria-label="Events">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {columns.map((column) => (
                <th
                  key={column.name}
                  scope="col"
                  class={isNumeric(column.type) ? 'number' : ''}
                  title={column.description}
                >
                  {titled(labelOf(column).length > 20 ? column.name : labelOf(column))}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <tr
                key={`${event.partition}:${event.offset}`}
                title={`partition ${event.partition}, offset ${event.offset}`}
              >
                <td>{formatMoment(event.time)}</td>
                {columns.map((column) => (
                  <td key={column.name} class={isNumeric(column.type) ? 'number' : ''}>
                    {cellText(event.columns[column.name], column)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {failed !== '' && <p class="hint">{failed}</p>}
      {cursor !== null && (
        <nav class="pager" aria-label="Older events">
          <button type="button" class="button" onClick={() => void more()}>
            Older events
          </button>
        </nav>
      )}
    </>
  )
}

function None({ isFiltered }: { isFiltered: boolean }): JSX.Element {
  return (
    <div class="state">
      <strong>{isFiltered ? 'Nothing matches' : 'No events yet'}</strong>
      <p>
        {isFiltered ? 'No event has this key, or none has its time in the chosen range.' : 'The newest come first.'}
      </p>
    </div>
  )
}

function distinct(events: readonly Event[]): readonly Event[] {
  return [...new Map(events.map((event) => [`${event.partition}:${event.offset}`, event])).values()]
}
