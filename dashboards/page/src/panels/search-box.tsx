/** Looks for a text in one column of a table, in all rows of the view: the server searches. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { isNumeric, labelOf, titled } from '../definition.ts'
import { measuresOf, type Source, typeOf } from '../question.ts'
import { Choice } from './measure-choice.tsx'

export interface Search {
  readonly column: string
  /** empty: everything */
  readonly text: string
}

interface Columns {
  readonly dimensions: readonly string[]
  readonly measures: readonly string[]
}

/** Texts, the title of a row first, and whole numbers that rows are grouped by, which are ids. */
export function searchable(source: Source, { dimensions, measures }: Columns): readonly string[] {
  const isText = (name: string): boolean => typeOf(source, name) === 'VARCHAR'
  const texts = source.series === null ? measures.filter(isText) : []
  const ids = dimensions.filter((name) => isText(name) || /^U?(SMALL|BIG)?INT(EGER)?$/.test(typeOf(source, name)))
  const titles = texts.filter((name) => /^(name|title)$/.test(name))
  return [...new Set([...titles, ...ids, ...texts])]
}

/** The conditions of a query; numbers are found as a whole. */
export function searchText(source: Source, { column, text }: Search): string[] {
  if (text === '' || column === '') return []
  if (!isNumeric(typeOf(source, column))) return [`${column}:contains:${text}`]
  return /^-?\d+$/.test(text) ? [`${column}:eq:${text}`] : []
}

interface SearchBoxProps {
  readonly columns: readonly string[]
  readonly search: Search
  readonly source: Source
  readonly onSearch: (search: Search) => void
}

const WAIT_MS = 300

export function SearchBox({ columns, search, source, onSearch }: SearchBoxProps): JSX.Element | null {
  const [typing, setTyping] = useState<ReturnType<typeof setTimeout>>()
  if (columns.length === 0) return null
  const labels = new Map(measuresOf(source).map((measure) => [measure.name, labelOf(measure)]))
  const label = (name: string): string => labels.get(name) ?? titled(name)
  // Each letter would be a question of its own.
  const type = (text: string): void => {
    clearTimeout(typing)
    setTyping(setTimeout(() => onSearch({ ...search, text: text.trim() }), WAIT_MS))
  }
  return (
    <div class="search">
      {columns.length > 1 && (
        <Choice
          label="Search in"
          value={search.column}
          options={columns.map((name): [string, string] => [name, label(name)])}
          onChoose={(column) => onSearch({ ...search, column })}
        />
      )}
      <input
        type="search"
        aria-label={`Search ${label(search.column).toLowerCase()}`}
        placeholder={`Search ${label(search.column).toLowerCase()}`}
        onInput={(event) => type(event.currentTarget.value)}
      />
    </div>
  )
}
