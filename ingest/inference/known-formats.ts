/** Recognises how times are written that are not ISO 8601. */
import { formattedTimeMs } from '#core/formatted-time.ts'

const NUMERIC_DATES = [
  ...['%Y/%m/%d', '%Y.%m.%d', '%Y-%m-%d', '%Y%m%d'],
  ...['%d/%m/%Y', '%m/%d/%Y', '%d.%m.%Y', '%m.%d.%Y', '%d-%m-%Y', '%m-%d-%Y'],
  ...['%d/%m/%y', '%m/%d/%y', '%d.%m.%y', '%d-%m-%y', '%m-%d-%y'],
]
const NAMED_DATES = ['%d %b %Y', '%d-%b-%Y', '%d-%b-%y', '%d %B %Y', '%b %d, %Y', '%B %d, %Y', '%b %d %Y', '%Y-%b-%d']
const CLOCKS = ['%H:%M', '%H:%M:%S', '%H:%M:%S.%f', '%I:%M %p', '%I:%M:%S %p', '%I:%M%p', '%H%M']
const WHOLE = [
  ...['%Y%m%d%H%M%S', '%Y%m%dT%H%M%S', '%Y%m%dT%H%M%S%z', '%Y-%m-%dT%H:%M:%S.%f %z', '%Y-%m-%d %H:%M:%S %z'],
  ...['%a %b %d %H:%M:%S %z %Y', '%a %b %d %H:%M:%S %Y', '%a, %d %b %Y %H:%M:%S %z', '%a, %d %b %Y %H:%M:%S GMT'],
  ...['%d/%b/%Y:%H:%M:%S %z', '%d/%b/%Y:%H:%M:%S', '%H:%M:%S %d/%m/%Y', '%H:%M %d/%m/%Y', '%Y-%m-%d-%H-%M-%S'],
]
const FORMATS = [
  ...WHOLE,
  ...[...NUMERIC_DATES, ...NAMED_DATES].flatMap((date) => [
    date,
    ...CLOCKS.flatMap((clock) => [`${date} ${clock}`, `${date}, ${clock}`, `${date} ${clock} %z`]),
  ]),
  ...NUMERIC_DATES.flatMap((date) => CLOCKS.slice(0, 3).map((clock) => `${date}T${clock}`)),
]
/** formats of one column */
const TOGETHER_MAX = 3
const CHARS_MAX = 64
const [FIRST_MS, END_MS] = [Date.UTC(1900, 0), Date.UTC(2101, 0)]

export interface RecognisedFormat {
  /** in the order in which they are tried */
  readonly formats: readonly string[]
  /** other formats that read every text as well, with the day and the month the other way round */
  readonly alternatives: readonly string[]
}

/** The fewest formats that read every one of the values, strings or whole numbers; null if no few do. */
export function recogniseFormat(values: readonly (string | number)[]): RecognisedFormat | null {
  if (values.length === 0 || values.some((value) => String(value).length > CHARS_MAX)) return null
  const formats: string[] = []
  for (let rest = values; rest.length > 0 && formats.length < TOGETHER_MAX; ) {
    const candidates = FORMATS.filter((format) => reads(format, rest[0]!))
    const counts = candidates.map((format) => rest.filter((value) => reads(format, value)).length)
    const most = Math.max(...counts)
    if (candidates.length === 0) return null
    const best = candidates.filter((_, at) => counts[at] === most)
    formats.push(best[0]!)
    if (most === values.length) return { formats, alternatives: best.slice(1) }
    rest = rest.filter((value) => !reads(best[0]!, value))
    if (rest.length === 0) return { formats, alternatives: [] }
  }
  return null
}

function reads(format: string, value: string | number): boolean {
  const at = formattedTimeMs(value, { format })
  return at !== null && at >= FIRST_MS && at < END_MS
}
