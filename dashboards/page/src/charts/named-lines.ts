/** The lines of a chart over time, one for each of some values of a dimension. */
import type { Key } from '../answer.ts'

export interface NamedLine {
  readonly key: Key
  readonly label: string
}

/** With the value where several have the same name: a chart knows its lines by their names. */
export function distinctNames(lines: readonly NamedLine[]): readonly NamedLine[] {
  const same = Map.groupBy(lines, ({ label }) => label)
  return lines.map((line) =>
    same.get(line.label)!.length > 1 ? { ...line, label: `${line.label} (${line.key})` } : line,
  )
}
