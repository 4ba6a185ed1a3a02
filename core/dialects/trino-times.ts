/** Functions of dates and times. Both engines have the ISO calendar, also before it was introduced; times are UTC. */
import { Refused } from './refused.ts'
import { converted, isInteger } from './trino-casts.ts'
import {
  type Call,
  castText,
  inherited,
  type Rule,
  type TrinoValue,
  textLiteral,
  trinoText,
  trinoValue,
} from './trino-value.ts'

const DAY_US = 86_400_000_000

/** DuckDB's names of units, each with the one of Trino's date_trunc and date_diff. */
const UNITS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    millisecond: 'millisecond milliseconds ms msec msecs',
    second: 'second seconds s sec secs',
    minute: 'minute minutes m min mins',
    hour: 'hour hours h hr hrs',
    day: 'day days d',
    week: 'week weeks w',
    month: 'month months mon mons',
    quarter: 'quarter quarters',
    year: 'year years y yr yrs',
  }).flatMap(([unit, names]) => names.split(' ').map((name) => [name, unit])),
)

/** Parts of a time as a BIGINT. @param t SQL of a timestamp(6) */
const PARTS: Readonly<Record<string, (t: string) => string>> = {
  year: (t) => `year(${t})`,
  quarter: (t) => `quarter(${t})`,
  month: (t) => `month(${t})`,
  week: (t) => `week(${t})`,
  day: (t) => `day(${t})`,
  dayofweek: (t) => `(day_of_week(${t}) % 7)`,
  isodow: (t) => `day_of_week(${t})`,
  dayofyear: (t) => `day_of_year(${t})`,
  hour: (t) => `hour(${t})`,
  minute: (t) => `minute(${t})`,
  second: (t) => `second(${t})`,
  millisecond: (t) => `(second(${t}) * 1000 + millisecond(${t}))`,
}
const PART_NAMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.keys(PARTS).map((name) => [name, name])),
  ...Object.fromEntries(Object.entries(UNITS).filter(([, unit]) => unit in PARTS)),
  dow: 'dayofweek',
  weekday: 'dayofweek',
  doy: 'dayofyear',
  weekofyear: 'week',
}

/** @throws Refused where the value is neither a date nor a time without zone */
function timeOf(value: TrinoValue | undefined, op: string): string {
  if (value?.type === 'TIMESTAMP') return value.sql
  if (value?.type === 'DATE') return converted(value, 'TIMESTAMP').sql
  throw new Refused(`${op}() of ${value?.type} has no translation`)
}

function unitOf(op: string, value: TrinoValue | undefined, units: Readonly<Record<string, string>>): string {
  const text = textLiteral(value)?.toLowerCase()
  const unit = text === undefined ? undefined : units[text]
  if (unit === undefined)
    throw new Refused(
      `${op}() of ${text === undefined ? 'a unit that is not written in the expression' : `'${text}'`} has no translation`,
    )
  return unit
}

/** Epoch µs. Seconds within a day are exact as a double. @param t SQL of a timestamp(6) */
export function epochUsSql(t: string): string {
  const days = `date_diff('day', DATE '1970-01-01', CAST(${t} AS date))`
  return `(${days} * ${DAY_US} + CAST(round(to_unixtime(date_add('day', -${days}, ${t})) * 1e6) AS bigint))`
}

const truncated: Rule = ({ op, args, type }) => {
  const unit = unitOf(op, args[0], UNITS)
  return trinoValue(`date_trunc('${unit}', ${timeOf(args[1], op)})`, type, inherited(args))
}

function partOf(op: string, name: string, time: TrinoValue | undefined, type: string): TrinoValue {
  return trinoValue(PARTS[name]!(timeOf(time, op)), type, { raises: time!.raises })
}

const part: Rule = ({ op, args, type }) => {
  if (textLiteral(args[0])?.toLowerCase() === 'epoch') return epoch({ op, args: args.slice(1), type })
  return partOf(op, unitOf(op, args[0], PART_NAMES), args[1], type)
}

/** A function that has the name of a part. */
const named: Rule = ({ op, args, type }) => partOf(op, PART_NAMES[op]!, args[0], type)

/** How many borders of the unit are between two times. */
const difference: Rule = ({ op, args, type }) => {
  const unit = unitOf(op, args[0], UNITS)
  const border = unit === 'week' ? 'day' : unit
  const [from, to] = args.slice(1).map((arg) => `date_trunc('${border}', ${timeOf(arg, op)})`)
  if (unit === 'week') {
    // Unlike other units, DuckDB counts whole weeks of seven days.
    return trinoValue(`(date_diff('day', ${from}, ${to}) / 7)`, type, inherited(args))
  }
  return trinoValue(`date_diff('${unit}', ${from}, ${to})`, type, inherited(args))
}

function epoch({ op, args, type }: Call): TrinoValue {
  return trinoValue(`(CAST(${epochUsSql(timeOf(args[0], op))} AS double) / 1e6)`, type, inherited(args))
}

const epochMs: Rule = ({ op, args, type }) => {
  if (isInteger(args[0]!.type))
    throw new Refused(`${op}() of a number has no translation; use a TIMESTAMP column with a unit`)
  return trinoValue(`(${epochUsSql(timeOf(args[0], op))} / 1000)`, type, inherited(args))
}

const epochUs: Rule = ({ op, args, type }) => trinoValue(epochUsSql(timeOf(args[0], op)), type, inherited(args))

const lastDay: Rule = ({ op, args, type }) =>
  trinoValue(`last_day_of_month(${castText(timeOf(args[0], op), 'DATE')})`, type, inherited(args))

function nameOf(names: string, place: (t: string) => string): Rule {
  const list = `ARRAY[${names.split(' ').map(trinoText).join(', ')}]`
  return ({ op, args, type }) => trinoValue(`element_at(${list}, ${place(timeOf(args[0], op))})`, type, inherited(args))
}

const padded = (sql: string, digits: number): string => `lpad(CAST(${sql} AS varchar), ${digits}, '0')`

/** Specifiers of strftime, of years 1 to 9999. */
const WRITTEN: Readonly<Record<string, (t: string) => string>> = {
  Y: (t) => padded(`year(${t})`, 4),
  m: (t) => padded(`month(${t})`, 2),
  d: (t) => padded(`day(${t})`, 2),
  j: (t) => padded(`day_of_year(${t})`, 3),
  H: (t) => padded(`hour(${t})`, 2),
  M: (t) => padded(`minute(${t})`, 2),
  S: (t) => padded(`second(${t})`, 2),
  '%': () => "'%'",
}

const written: Rule = ({ op, args, type }) => {
  const format = textLiteral(args[1])
  if (format === null || format === '') throw new Refused(`${op}() needs a format that is written in the expression`)
  const t = timeOf(args[0], op)
  const parts = format.match(/%.?|[^%]+/gs)!.map((piece) => {
    if (!piece.startsWith('%')) return trinoText(piece)
    const specifier = WRITTEN[piece.slice(1)]
    if (specifier === undefined)
      throw new Refused(
        `${op}() with ${piece} has no translation; of its specifiers ${Object.keys(WRITTEN)
          .map((name) => `%${name}`)
          .join(' ')} have one`,
      )
    return specifier(t)
  })
  // A NULL must not become the fixed parts alone.
  return trinoValue(`(CASE WHEN ${t} IS NOT NULL THEN ${parts.join(' || ')} END)`, type, inherited(args))
}

const WEEKDAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'
const MONTHS = 'January February March April May June July August September October November December'
const MADE = 'the engines accept different years; use a column of type TIMESTAMP or DATE'

export const TIME_RULES: Readonly<Record<string, Rule | string>> = {
  date_trunc: truncated,
  datetrunc: truncated,
  date_part: part,
  datepart: part,
  ...Object.fromEntries(
    [
      'year',
      'month',
      'day',
      'hour',
      'minute',
      'second',
      'millisecond',
      'dayofweek',
      'isodow',
      'dayofyear',
      'week',
      'quarter',
      'weekofyear',
    ].map((name) => [name, named]),
  ),
  epoch,
  epoch_ms: epochMs,
  epoch_us: epochUs,
  last_day: lastDay,
  dayname: nameOf(WEEKDAYS, (t) => `day_of_week(${t})`),
  monthname: nameOf(MONTHS, (t) => `month(${t})`),
  strftime: written,
  date_diff: difference,
  datediff: difference,
  to_timestamp: 'it gives a type with time zone; use a TIMESTAMP column with a unit',
  make_date: MADE,
  make_timestamp: MADE,
}
