/** The lines of a chart over time, one for each of some values of a dimension. */

export interface NamedLine {
  /** the value as text; '' for none */
  readonly key: string
  readonly label: string
}

/**
 * The lines that the rows of one query can give: a filter by values cannot ask for rows without a value as well, so these have a line only
 * where there is no other.
 */
export function linesWithValue(all: readonly NamedLine[]): readonly NamedLine[] {
  const lines = [...new Map(all.map((line) => [line.key, line])).values()]
  const named = lines.filter(({ key }) => key !== '')
  return named.length > 0 ? named : lines
}

/** With the value where several have the same name: a chart knows its lines by their names. */
export function distinctNames(lines: readonly NamedLine[]): readonly NamedLine[] {
  const same = Map.groupBy(lines, ({ label }) => label)
  return lines.map((line) =>
    same.get(line.label)!.length > 1 ? { ...line, label: `${line.label} (${line.key})` } : line,
  )
}
