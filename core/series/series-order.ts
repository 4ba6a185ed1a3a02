/** The order in which columns of a series are calculated: each after those that it uses. */

interface Using {
  readonly name: string
  /** other names may be among them */
  readonly used: readonly string[]
}

/** @returns the columns in order, or the names of some that use each other in a circle, the first one again at the end */
export function inOrder<Column extends Using>(
  columns: readonly Column[],
): { readonly order: readonly Column[] } | { readonly circle: readonly string[] } {
  const byName = new Map(columns.map((column) => [column.name, column]))
  const order = new Set<Column>()
  for (const column of columns) {
    const circle = visit(column, [])
    if (circle !== null) return { circle }
  }
  return { order: [...order] }

  function visit(column: Column, path: readonly string[]): string[] | null {
    if (order.has(column)) return null
    if (path.includes(column.name)) return [...path.slice(path.indexOf(column.name)), column.name]
    for (const name of column.used) {
      const next = byName.get(name)
      const circle = next === undefined ? null : visit(next, [...path, column.name])
      if (circle !== null) return circle
    }
    order.add(column)
    return null
  }
}
