/** How wide the panels of a section are: as wide as they ask for, and wider where a row would have a hole at its end. */

const COLUMNS = 12

/** @param widths of panels in their order, 1 to 12 columns each @returns the same panels in the same rows, which are full */
export function filledRows(widths: readonly number[]): number[] {
  const rows: number[][] = []
  for (const width of widths) {
    const row = rows.at(-1)
    if (row !== undefined && sum(row) + width <= COLUMNS) row.push(width)
    else rows.push([width])
  }
  return rows.flatMap(filled)
}

/** In proportion, the first ones rounded up. */
function filled(row: readonly number[]): number[] {
  let left = COLUMNS
  let asked = sum(row)
  return row.map((width) => {
    const wide = Math.ceil((width * left) / asked)
    left -= wide
    asked -= width
    return wide
  })
}

function sum(row: readonly number[]): number {
  return row.reduce((total, width) => total + width, 0)
}
