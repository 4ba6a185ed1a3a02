/** The SQL that adds the columns of a series to its rows. */
import type { SeriesStep } from '../compiled.ts'
import { quoteName } from '../sql-names.ts'
import { CALCULATIONS, type Windows } from './calculations.ts'
import { WALL } from './recurrence.ts'

/**
 * Rows with the results of the steps, which are calculated level by level: what needs no other step first. Windows stand alone in an
 * inner SELECT, whose lists end in the SELECT around it.
 * @param rows relation with `time`, the keys, and the values that the steps use; with WALL and BEGIN where one looks at earlier times
 * @param keys names of the columns that tell one series from another
 */
export function calculatedSql(rows: string, steps: readonly SeriesStep[], keys: readonly string[]): string {
  const windows = windowsOf(keys)
  let sql = rows
  for (const level of levelsOf(steps)) {
    const values = level.filter(({ text }) => text !== null)
    if (values.length > 0)
      sql = `(SELECT *, ${values.map(({ name, text }) => `${text} AS ${quoteName(`${name}#x`)}`).join(', ')} FROM ${sql})`
    const windowed = level.filter(({ kind }) => CALCULATIONS[kind].window !== null)
    if (windowed.length > 0)
      sql = `(SELECT *, ${windowed.map((step) => `${CALCULATIONS[step.kind].window!(inputOf(step), windows)} AS ${windowName(step)}`).join(', ')} FROM ${sql})`
    const helpers = [...values.map(({ name }) => quoteName(`${name}#x`)), ...windowed.map(windowName)]
    const others = helpers.length === 0 ? '*' : `* EXCLUDE (${helpers.join(', ')})`
    sql = `(SELECT ${[others, ...level.map((step) => `${rawSql(step)} AS ${rawName(step)}`)].join(', ')} FROM ${sql})`
    const results = level.map((step) => `${step.result(rawName(step))} AS ${quoteName(step.name)}`)
    sql = `(SELECT * EXCLUDE (${level.map(rawName).join(', ')}), ${results.join(', ')} FROM ${sql})`
  }
  return sql
}

/** NULL where it fails for a row: a cast, an overflow. */
function rawSql(step: SeriesStep): string {
  return `TRY((${CALCULATIONS[step.kind].value(inputOf(step), windowName(step))}))`
}

function rawName({ name }: SeriesStep): string {
  return quoteName(`${name}#r`)
}

function inputOf({ name, text, used, type, rows, recurrence }: SeriesStep) {
  return { x: quoteName(text === null ? used[0]! : `${name}#x`), type, rows, recurrence }
}

function windowName({ name }: SeriesStep): string {
  return quoteName(`${name}#w`)
}

function windowsOf(keys: readonly string[]): Windows {
  const list = keys.map(quoteName).join(', ')
  const by = list === '' ? '' : `PARTITION BY ${list} `
  const order = list === '' ? '' : ` ORDER BY ${list}`
  return {
    along: (back) =>
      `OVER (${by}ORDER BY "time" ROWS BETWEEN ${back === undefined ? 'UNBOUNDED' : back} PRECEDING AND CURRENT ROW)`,
    earlier: (ms) => `OVER (${by}ORDER BY ${WALL} RANGE BETWEEN ${ms} PRECEDING AND ${ms} PRECEDING)`,
    across: `OVER (PARTITION BY "time"${order} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)`,
    ranked: (by) => `OVER (PARTITION BY "time" ORDER BY ${by})`,
  }
}

/** Each level uses only results of those before it, and the rows themselves. */
function levelsOf(steps: readonly SeriesStep[]): SeriesStep[][] {
  const levels: SeriesStep[][] = []
  const found = new Map<string, number>()
  for (const step of steps) {
    const level = Math.max(0, ...step.used.map((name) => (found.get(name) ?? -1) + 1))
    found.set(step.name, level)
    levels[level] = [...(levels[level] ?? []), step]
  }
  return levels
}
