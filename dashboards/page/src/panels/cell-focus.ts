/** Moving between the cells of a table by keyboard: the rows are one stop of the Tab key, and arrows lead from cell to cell, as in a grid. */
import type { TargetedFocusEvent, TargetedKeyboardEvent } from 'preact'
import { useState } from 'preact/hooks'

/** Position among the cells of the body. */
export interface CellPlace {
  readonly row: number
  readonly column: number
}

export interface CellFocus {
  /** 0 for the cell that the Tab key leads to, -1 for others */
  readonly tabIndexOf: (row: number, column: number) => 0 | -1
  readonly onKeyDown: (event: TargetedKeyboardEvent<HTMLTableSectionElement>) => void
  readonly onFocus: (event: TargetedFocusEvent<HTMLTableSectionElement>) => void
}

/** @param rows of the page of the table @param columns of each */
export function useCellFocus(rows: number, columns: number): CellFocus {
  const [at, setAt] = useState<CellPlace>({ row: 0, column: 0 })
  // A page that was turned may have fewer rows.
  const row = Math.min(at.row, rows - 1)
  const column = Math.min(at.column, columns - 1)
  return {
    tabIndexOf: (ofRow, ofColumn) => (ofRow === row && ofColumn === column ? 0 : -1),
    onKeyDown: (event) => {
      const now = placeOf(event.target as Element)
      const next = now === null ? null : moved(now, event.key, event.ctrlKey || event.metaKey, { rows, columns })
      if (next === null) return
      event.preventDefault()
      focusable(event.currentTarget.rows[next.row]?.cells[next.column])?.focus()
    },
    onFocus: (event) => {
      const now = placeOf(event.target as Element)
      if (now !== null) setAt(now)
    },
  }
}

function placeOf(element: Element): CellPlace | null {
  const cell = element.closest('td')
  const row = cell?.parentElement as HTMLTableRowElement | undefined
  return cell === null || row === undefined ? null : { row: row.sectionRowIndex, column: cell.cellIndex }
}

function focusable(cell: HTMLTableCellElement | undefined): HTMLElement | undefined {
  return cell?.querySelector('button') ?? cell
}

/** Where a key leads to; null: it is not one that moves. @param isFar with Ctrl: to the first or last row, too */
export function moved(
  { row, column }: CellPlace,
  key: string,
  isFar: boolean,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): CellPlace | null {
  const within = (value: number, count: number): number => Math.max(0, Math.min(count - 1, value))
  switch (key) {
    case 'ArrowUp':
      return { row: within(row - 1, rows), column }
    case 'ArrowDown':
      return { row: within(row + 1, rows), column }
    case 'ArrowLeft':
      return { row, column: within(column - 1, columns) }
    case 'ArrowRight':
      return { row, column: within(column + 1, columns) }
    case 'Home':
      return { row: isFar ? 0 : row, column: 0 }
    case 'End':
      return { row: isFar ? rows - 1 : row, column: columns - 1 }
    default:
      return null
  }
}
