/**
 * The SQL of each kind of series column. A window is read as the list of its values, oldest first, and the list is folded in that order:
 * so a value is determined by the rows of its own window, to the last digit, wherever a query begins. (The engine's aggregates over
 * windows add up in an order that depends on the rows around.)
 */
import type { SeriesColumnKind } from '../definition-parts.ts'
import { sumType } from '../measures/number-types.ts'
import { BEGIN, type Recurrence, WALL } from './recurrence.ts'

/** Windows of smoothed averages, in spans: what is older weighs less than 1e-17, which a double cannot tell from nothing. */
export const EMA_SPANS = 20
export const WILDER_SPANS = 40

/** Window clauses over the rows of a series. */
export interface Windows {
  /** OVER (…): the rows of the same key up to this one; `back`: not more than so many before it */
  along(back?: number): string
  /** OVER (…): the rows of the same key so many milliseconds before by the wall clock */
  earlier(ms: number): string
  /** OVER (…): the rows of all keys at the same time, in the order of their keys */
  across: string
  /** OVER (…): the same rows, ranked by an order */
  ranked(order: string): string
}

/** What a column is calculated from; texts of SQL. */
interface Input {
  /** the value of a row */
  readonly x: string
  readonly type: string
  readonly rows: number
  readonly recurrence: Recurrence | null
}

export interface Calculation {
  /** whether it reads numbers only */
  readonly numeric: boolean
  /** smallest number of rows that makes sense; null: the definition gives none */
  readonly rowsMin: number | null
  /** how many rows before its own it reads; null: all */
  readonly rowsBack: (rows: number) => number | null
  /** whether it reads the rows of other keys */
  readonly across: boolean
  /** an expression with a window; null: none is needed */
  readonly window: ((input: Input, windows: Windows) => string) | null
  /** @param w the column that holds the window's value */
  readonly value: (input: Input, w: string) => string
}

const plain = { rowsMin: null, rowsBack: () => 0, across: false } as const

function lagged(numeric: boolean, value: Calculation['value']): Calculation {
  return {
    numeric,
    rowsMin: 1,
    rowsBack: (rows) => rows,
    across: false,
    window: ({ x, rows }, { along }) => `lag(${x}, ${rows}) ${along()}`,
    value,
  }
}

/** Over the last rows, NULL where there are fewer. */
function moving(numeric: boolean, value: Calculation['value']): Calculation {
  return {
    numeric,
    rowsMin: 1,
    rowsBack: (rows) => rows - 1,
    across: false,
    window: ({ x, rows }, { along }) => `list(${x}) ${along(rows - 1)}`,
    value: (input, w) => `CASE WHEN len(${w}) = ${input.rows} THEN ${value(input, w)} END`,
  }
}

/** Position of a value in the window, counted back from the newest row. */
function since(value: 'list_max' | 'list_min'): Calculation {
  return moving(
    false,
    (_input, w) =>
      `CASE WHEN ${value}(${w}) IS NOT NULL THEN list_position(list_reverse(${w}), ${value}(${w})) - 1 END`,
  )
}

/** Over the values of as many rows as a smoothed average can tell apart. */
function smoothed(spans: number, value: Calculation['value']): Calculation {
  return {
    numeric: true,
    rowsMin: 1,
    rowsBack: (rows) => spans * rows - 1,
    across: false,
    window: ({ x, rows }, { along }) => `list(${x}::DOUBLE) FILTER (WHERE ${x} IS NOT NULL) ${along(spans * rows - 1)}`,
    value: (input, w) => `CASE WHEN len(${w}) >= ${input.rows} THEN ${value(input, w)} END`,
  }
}

/** a ← a + (x - a) / divisor over the values from the `rows + 1`st on, beginning with the mean of those before. */
function foldedSql(values: string, rows: number, divisor: string): string {
  const step = `lambda _a, _x: _a + (_x - _a) / ${divisor}`
  return `list_reduce(${values}[${rows + 1}:], ${step}, list_avg(${values}[1:${rows}]))`
}

/** Wilder's averages of the gains and of the losses, from the changes between rows. */
function rsiSql(changes: string, rows: number): string {
  const averageOf = (value: string): string =>
    foldedSql(`list_transform(${changes}, lambda _c: greatest(${value}, 0))`, rows, `${rows}::DOUBLE`)
  const both = `{'gain': ${averageOf('_c')}, 'loss': ${averageOf('-_c')}}`
  return `list_transform([${both}], lambda _s: 100 * _s.gain / (_s.gain + _s.loss))[1]`
}

/** The value at each of the earlier times, the newest first; of an hour that the clock repeated, that of the later one. */
function earlierSql(x: string, { everyMs, times, absent }: Recurrence, { earlier }: Windows): string {
  const values = Array.from({ length: times }, (_, at) => {
    const ms = everyMs * (at + 1)
    const value = `arg_max_null(${x}, "time") ${earlier(ms)}`
    return `CASE WHEN ${WALL} - ${ms} >= ${BEGIN} THEN ${absent === 0 ? `coalesce(${value}, 0)` : value} END`
  })
  return `[${values.join(', ')}]`
}

export const CALCULATIONS: Readonly<Record<SeriesColumnKind, Calculation>> = {
  expression: { ...plain, numeric: false, window: null, value: ({ x }) => x },
  lag: lagged(false, (_input, w) => w),
  difference: lagged(true, ({ x, type }, w) => `${x}::${sumType(type)} - ${w}::${sumType(type)}`),
  returns: lagged(true, ({ x }, w) => `(${x}::DOUBLE - ${w}::DOUBLE) / nullif(${w}::DOUBLE, 0)`),
  movingAverage: moving(true, (_input, w) => `list_avg(${w})`),
  movingSum: moving(true, ({ type }, w) => `list_sum(${w})::${sumType(type)}`),
  movingMin: moving(false, (_input, w) => `list_min(${w})`),
  movingMax: moving(false, (_input, w) => `list_max(${w})`),
  movingStddev: moving(true, (_input, w) => `list_stddev_samp(${w}::DOUBLE[])`),
  movingStddevPop: moving(true, (_input, w) => `list_stddev_pop(${w}::DOUBLE[])`),
  rowsSinceMax: since('list_max'),
  rowsSinceMin: since('list_min'),
  ema: smoothed(EMA_SPANS, ({ rows }, w) => foldedSql(w, rows, `${(rows + 1) / 2}::DOUBLE`)),
  wilderAverage: smoothed(WILDER_SPANS, ({ rows }, w) => foldedSql(w, rows, `${rows}::DOUBLE`)),
  rsi: smoothed(WILDER_SPANS, ({ rows }, w) => rsiSql(w, rows)),
  cumulativeSum: {
    ...plain,
    numeric: true,
    rowsBack: () => null,
    window: ({ x }, { along }) => `sum(${x}) ${along()}`,
    value: ({ type }, w) => `${w}::${sumType(type)}`,
  },
  share: {
    ...plain,
    numeric: true,
    across: true,
    window: ({ x }, { across }) => `sum(${x}) ${across}`,
    value: ({ x }, w) => `${x}::DOUBLE / nullif(${w}::DOUBLE, 0)`,
  },
  rank: {
    ...plain,
    numeric: false,
    across: true,
    window: ({ x }, { ranked }) => `rank() ${ranked(`${x} DESC NULLS LAST`)}`,
    value: ({ x }, w) => `CASE WHEN ${x} IS NOT NULL THEN ${w} END`,
  },
  usual: {
    ...plain,
    numeric: true,
    window: ({ x, recurrence }, windows) => earlierSql(x, recurrence!, windows),
    value: (_input, w) => `list_avg(${w})`,
  },
}
