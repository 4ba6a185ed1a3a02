/** A dataset with a dimension or a measure of every type that an answer can have, and events with the values that formats get wrong. */
import {
  boolAnd,
  count,
  countDistinct,
  defineDataset,
  histogram,
  latest,
  max,
  min,
  quantile,
  sum,
} from '#core/definition.ts'

export const KINDS = defineDataset({
  name: 'kinds',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'us', required: true },
    text: { type: 'VARCHAR', path: '$.text' },
    small: { type: 'INTEGER', path: '$.small' },
    price: { type: 'DECIMAL(12,2)', path: '$.price' },
    ratio: { type: 'DOUBLE', path: '$.ratio' },
    flag: { type: 'BOOLEAN', path: '$.flag' },
    day: { type: 'DATE', path: '$.day' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
    sizes: { type: 'BIGINT[]', path: '$.sizes' },
    note: { type: 'JSON', path: '$.note' },
  },
  views: {
    by_kind: {
      dimensions: { n: 'id::VARCHAR', text: 'text', small: 'small', flag: 'flag', day: 'day' },
      time: ['15m', 'hour', 'day'],
      measures: {
        rows: count(),
        ids: sum('id'),
        top: max('id'),
        turnover: sum('price'),
        cheapest: min('price'),
        ratio: max('ratio'),
        all: boolAnd('flag'),
        last: latest('at'),
        last_day: latest('day'),
        tags: latest('tags'),
        sizes: latest('sizes'),
        note: latest('note'),
        texts: countDistinct('text'),
        median: quantile('ratio', 0.5),
        bins: histogram('ratio', [0, 10]),
      },
    },
  },
})

const START_US = 1_489_917_600_000_000

/** Texts that formulas, quotes, lines, encodings and missing values are confused with. */
export const TEXTS = [
  '=1+1',
  '+49 30',
  '-5',
  '@sum',
  "'=x",
  "'plain",
  '\ttab',
  '\rcr',
  '\nlf',
  'a,b',
  'say "hi"',
  'two\nlines',
  '',
  ' ',
  'null',
  'NULL',
  '\\N',
  '0042',
  'ÄΔ😀',
  '\u0001',
  'x'.repeat(40),
]

/** JSON texts: numbers beyond 2^53, decimals with all of their digits, missing values. */
export function kindEvents(): string[] {
  return TEXTS.flatMap((text, at) => [
    event({ id: `90071992547409${at}93`, atUs: START_US + at * 900_000_000 + 1, text, small: at - 3, at }),
    event({ id: `-${at + 1}`, atUs: START_US + at * 900_000_000 + 999_999, text, small: null, at: at + 1 }),
  ])
}

interface Kinds {
  readonly id: string
  readonly atUs: number
  readonly text: string
  readonly small: number | null
  readonly at: number
}

function event({ id, atUs, text, small, at }: Kinds): string {
  const price = `${at % 2 === 0 ? '-' : ''}${1_234_567_890 - at}.${String(at % 100).padStart(2, '0')}`
  const ratio = ['0.1', '-1e-7', '1e300', '5e-324', '123456789.123', 'null'][at % 6]
  const missing = at % 5 === 4
  const tags = missing ? 'null' : JSON.stringify(at % 5 === 3 ? [] : [text, `t${at}`])
  return `{"id":${id},"at":${atUs},"text":${JSON.stringify(at % 7 === 6 ? null : text)},"small":${small},"price":"${price}","ratio":${ratio},"flag":${['true', 'false', 'null'][at % 3]},"day":${missing ? 'null' : `"2017-02-${String(1 + (at % 28)).padStart(2, '0')}"`},"tags":${tags},"sizes":[${id},-7],"note":{"k":${id},"t":"=x"}}`
}
