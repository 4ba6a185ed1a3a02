/** Where an event stands among all others, as in core/measures/first-latest.ts: (time in µs, partition, offset) as one number, here a decimal. */
import { orderedState } from '../measures/first-latest.ts'
import { quoteName } from '../sql-names.ts'

const TIME_STEP = 2n ** 64n
const PARTITION_STEP = 2n ** 48n

/** Trino's SQL. Years up to 9999 give 37 digits. */
export function orderSql(timeColumn: string): string {
  const wide = (sql: string, step: bigint): string => `CAST(${sql} AS decimal(38,0)) * DECIMAL '${step}'`
  return `(${wide(timeUsSql(quoteName(timeColumn)), TIME_STEP)} + ${wide('_partition', PARTITION_STEP)} + CAST(_offset AS decimal(38,0)))`
}

/**
 * Epoch µs of a timestamp(6). Trino has no function for it that is not a double: within one day a double holds them exactly. A file that was written
 * before the dataset had its time column has only milliseconds.
 */
function timeUsSql(time: string): string {
  const days = `date_diff('day', DATE '1970-01-01', CAST(${time} AS date))`
  const within = `CAST(round(to_unixtime(date_add('day', -${days}, ${time})) * 1e6) AS bigint)`
  return `coalesce(${days} * 86400000000 + ${within}, _time * 1000)`
}

/** DuckDB's SQL of the state. @param value, order what has travelled */
export function orderedStateSql(value: string, order: string): string {
  return orderedState(value, `(${order})::HUGEINT`)
}
