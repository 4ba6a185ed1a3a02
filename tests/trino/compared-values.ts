/** Rows of values near every limit, as a table of DuckDB and as one of Trino. */
import { trinoType } from '#core/dialects/trino-types.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'

const MIN = -(2n ** 63n)
const TEXTS = [
  ...[
    '',
    ' ',
    'a',
    'A b',
    ' padded ',
    '\ttab\t',
    'a\nb',
    'xy\n',
    'é b',
    'a\u00a0b',
    'abcABC123',
    'a,b,,c',
    ',',
    '%_\\',
    "it's",
    'x@y.zz',
    'AWS, azure and gcp',
  ],
  ...[
    'ä',
    'ß',
    'İ',
    'ı',
    'ΑΣ',
    'ſ',
    'ǅ',
    'ﬀ',
    'e\u0301x',
    'x\u0301\u0323',
    '🤦🏼‍♂️',
    '𝒳y𝒴',
    '\u00a0x\u00a0',
    '\u3000',
    '\u200b',
    '٣7',
    'Ⱥ',
    'a\u0000b',
  ],
  ...['2024-01-31', '007', '-5', '1e3', 'true', 'abab', 'aaa', 'b', 'bA', 'zz'],
]
const TIMES = [
  ...[
    '0001-01-01 00:00:00',
    '0001-12-31 23:59:59.999999',
    '0099-03-01 12:00:00.5',
    '1582-10-10 01:02:03',
    '1900-02-28 23:59:59.999',
  ],
  ...[
    '1969-12-31 23:59:59.999999',
    '1969-12-31 23:59:59.9995',
    '1970-01-01 00:00:00',
    '1970-01-01 00:00:00.000001',
    '1999-12-31 23:59:59.5',
  ],
  ...[
    '2000-02-29 12:34:56.789012',
    '2016-12-31 23:59:59',
    '2020-12-31 00:00:00',
    '2021-01-03 23:59:59.999999',
    '2021-01-04 00:00:00',
  ],
  // The clocks of Europe and of America change.
  ...[
    '2024-03-31 01:00:00',
    '2024-03-31 00:59:59.999999',
    '2024-10-27 01:30:00',
    '2024-11-03 06:00:00',
    '2024-02-29 00:00:00',
    '2024-07-01 10:20:30.4',
  ],
  ...['9999-12-31 23:59:59.999999', '9999-12-31 00:00:00', '2262-04-11 23:47:16.854775', '2262-04-12 00:00:00'],
]
const WHOLE = [0, 1, -1, 2, -2, 3, 7, -7, 10, 42, 99, 100, 255, -128, 1000, 65536, 2147483647, -2147483648]
const DOUBLES = [
  ...[
    0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.5,
    0.1,
    0.2,
    0.3,
    1.005,
    2.345,
    -2.345,
    0.49999999999999994,
    1 / 3,
    99.995,
    1234.5,
  ],
  ...[
    2 ** 31 - 0.5,
    2 ** 31,
    -(2 ** 31) - 0.5,
    2 ** 52 + 0.5,
    2 ** 53,
    2 ** 53 + 2,
    2 ** 62,
    2 ** 63,
    -(2 ** 63),
    1e15,
    1e16,
    1e17,
    1e22,
    1e300,
  ],
  ...[Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 2.2250738585072014e-308, 1e-7, 1e-5, -1e-300, 52.1, 13.4],
]

/** Of each type: what a value can be, as texts that both engines read; NULL is one of them everywhere. */
const COLUMNS: readonly { readonly name: string; readonly type: string; readonly values: readonly string[] }[] = [
  { name: 'b', type: 'BOOLEAN', values: ['true', 'false'] },
  { name: 'c', type: 'BOOLEAN', values: ['true', 'false'] },
  { name: 'i', type: 'INTEGER', values: WHOLE.map(String) },
  { name: 'h', type: 'INTEGER', values: WHOLE.map(String) },
  {
    name: 'n',
    type: 'BIGINT',
    values: [...WHOLE.map(String), String(MIN), String(-MIN - 1n), String(2n ** 53n + 1n), '3000000000'],
  },
  { name: 'm', type: 'BIGINT', values: [...WHOLE.map(String), String(MIN), String(-MIN - 1n), '-3000000000'] },
  { name: 'x', type: 'DOUBLE', values: DOUBLES.map(String) },
  { name: 'y', type: 'DOUBLE', values: DOUBLES.map(String) },
  {
    name: 'd',
    type: 'DECIMAL(9,2)',
    values: [
      '0',
      '0.01',
      '-0.01',
      '1.5',
      '-1.5',
      '2.50',
      '0.99',
      '-0.5',
      '12.34',
      '9999999.99',
      '-9999999.99',
      '100',
      '0.05',
    ],
  },
  {
    name: 'f',
    type: 'DECIMAL(18,6)',
    values: [
      '0',
      '0.000001',
      '1.5',
      '-2.5',
      '0.333333',
      '123456.789',
      '999999999999.999999',
      '-999999999999.999999',
      '9007199254.740993',
      '2.345',
      '0.005',
    ],
  },
  {
    name: 'e',
    type: 'DECIMAL(38,10)',
    values: [
      '0',
      '0.0000000001',
      '1.5',
      '-2.5',
      '9999999999999999999999999999.9999999999',
      '-9999999999999999999999999999.9999999999',
      '12345678901234567890.5',
    ],
  },
  { name: 'q', type: 'DECIMAL(2,2)', values: ['0', '0.99', '-0.99', '0.5', '-0.05'] },
  { name: 's', type: 'VARCHAR', values: TEXTS },
  { name: 'u', type: 'VARCHAR', values: TEXTS },
  { name: 't', type: 'TIMESTAMP', values: TIMES },
  { name: 'v', type: 'TIMESTAMP', values: TIMES },
  { name: 'day', type: 'DATE', values: TIMES.map((time) => time.slice(0, 10)) },
  { name: 'eve', type: 'DATE', values: TIMES.map((time) => time.slice(0, 10)) },
]
/** Their elements, one of which may be NULL. */
const LISTS = [
  { name: 'l', type: 'VARCHAR[]', of: TEXTS },
  { name: 'k', type: 'BIGINT[]', of: ['1', '2', '-2', '3', String(MIN), '42'] },
  { name: 'w', type: 'BIGINT[]', of: ['1', '2', '7'] },
  { name: 'g', type: 'DOUBLE[]', of: ['1', '0.1', '-2.5', '0', '1e300'] },
] as const

export const VALUE_COLUMNS: ReadonlyMap<string, string> = new Map(
  [...COLUMNS, ...LISTS, { name: 'j', type: 'JSON' }].map(({ name, type }) => [name, type]),
)

/** Always the same rows: of every fourth value of a column one is NULL. @param seed of the choice */
export function valueRows(
  count: number,
  seed = 1,
): readonly (readonly (string | null | readonly (string | null)[])[])[] {
  const next = randomOf(seed)
  const pick = (values: readonly string[]): string | null =>
    next() < 0.08 ? null : values[Math.floor(next() * values.length)]!
  return Array.from({ length: count }, () => [
    ...COLUMNS.map(({ values }) => pick(values)),
    ...LISTS.map(({ of }) => (next() < 0.08 ? null : Array.from({ length: Math.floor(next() * 4) }, () => pick(of)))),
    next() < 0.1 ? null : `{"a":${Math.floor(next() * 5)}}`,
  ])
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

type Engine = 'duckdb' | 'trino'

/** SELECT of the rows, with their place as `_row`. */
export function valuesSql(engine: Engine, rows: ReturnType<typeof valueRows>): string {
  const columns = [...VALUE_COLUMNS]
  const items = columns.map(([name, type], at) => `CAST(c${at} AS ${typeOn(engine, type)}) AS ${quoteName(name)}`)
  const lines = rows.map(
    (row, at) => `(${[at, ...row.map((value, place) => literal(engine, value, columns[place]![1]))].join(', ')})`,
  )
  return `SELECT _row, ${items.join(', ')} FROM (VALUES ${lines.join(', ')}) AS given(_row, ${columns.map((_, at) => `c${at}`).join(', ')})`
}

function typeOn(engine: Engine, type: string): string {
  return engine === 'duckdb' ? type : trinoType(type)!
}

function literal(engine: Engine, value: string | null | readonly (string | null)[], type: string): string {
  if (value === null) return `CAST(NULL AS ${typeOn(engine, type)})`
  if (typeof value === 'string') return `CAST(${textOn(engine, value)} AS ${typeOn(engine, type)})`
  const elements = value.map((item) => literal(engine, item, type.slice(0, -2)))
  return `CAST(${engine === 'trino' ? 'ARRAY' : ''}[${elements.join(', ')}] AS ${typeOn(engine, type)})`
}

/** DuckDB's parser ends at a zero. */
function textOn(engine: Engine, text: string): string {
  const parts = text.split('\0').map(quoteText)
  return engine === 'duckdb' ? parts.join(' || chr(0) || ') : quoteText(text)
}
