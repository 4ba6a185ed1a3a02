/** Times in a format: what validation at ingest reads is what the engine reads, to the millisecond, in every zone. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import { type ColumnDefinition, count, type DatasetDefinition } from './definition.ts'
import { formattedTimeMs, formattedTimeSql, isReadAsJson } from './formatted-time.ts'
import { quoteText } from './sql-names.ts'
import { epochMsSql } from './stored-value.ts'
import { parseTimeFormat, TIME_SPECIFIERS, type TimeFormat, wholeText } from './time-format.ts'

const connection = await testConnection()

type Formatted = Pick<ColumnDefinition, 'format' | 'zone'>

/** What decoding makes of the JSON values. */
async function engineMs(values: readonly string[], column: Formatted): Promise<(number | null)[]> {
  const raw = isReadAsJson(column) ? 'v' : "(v ->> '$')"
  const list = `[${values.map((value) => `${quoteText(value)}::JSON`).join(', ')}]`
  const [found] = await connection.columns(
    `SELECT ${epochMsSql(formattedTimeSql(raw, column))} FROM (SELECT unnest(${list}) AS v)`,
  )
  return found!.map((at) => (at === null ? null : Number(at)))
}

async function readings(column: Formatted, values: readonly unknown[]): Promise<(string | null)[]> {
  const door = values.map((value) => formattedTimeMs(value, column))
  expect(
    await engineMs(
      values.map((value) => JSON.stringify(value)),
      column,
    ),
  ).toEqual(door)
  return door.map((ms) => (ms === null ? null : new Date(ms).toISOString()))
}

test('expressions of JavaScript ignore case without modifiers, which V8 sometimes forgets', () => {
  for (const specifier of TIME_SPECIFIERS) {
    const named = ['%B', '%b'].includes(specifier) ? '' : ' %m'
    const parsed = parseTimeFormat(`%Y %d${named} %H ${specifier}`)
    if (typeof parsed === 'string') continue
    expect(wholeText(parsed).source).not.toMatch(/\(\?[a-z]/)
  }
  const month = wholeText(parseTimeFormat('%b %d, %Y') as TimeFormat)
  const texts = ['Mar 1, 2017', 'mAR 1, 2017', 'MAR 01, 2017', 'Mär 1, 2017', 'Mar 1, 2017 ', 'ar 1, 2017']
  expect(texts.map((text) => month.test(text))).toEqual([true, true, true, false, false, false])
  expect(month.exec('MAY 12, 2018')!.slice(1)).toEqual(['MAY', '12', '2018'])
})

test.each<[string | string[], string | undefined, unknown[], (string | null)[]]>([
  [
    '%Y/%m/%d %H:%M',
    undefined,
    [
      '2017/03/01 10:00',
      '2017/3/1 9:05',
      '2017-03-01 10:00',
      '2017/02/29 10:00',
      ' 2017/03/01 10:00',
      '2017/03/01 24:00',
    ],
    ['2017-03-01T10:00:00.000Z', '2017-03-01T09:05:00.000Z', null, null, null, null],
  ],
  [
    ['%d.%m.%Y', '%d.%m.%y'],
    undefined,
    ['01.03.2017', '1.3.17', '1.3.69', '1.3.68', '31.04.2017'],
    [
      '2017-03-01T00:00:00.000Z',
      '2017-03-01T00:00:00.000Z',
      '1969-03-01T00:00:00.000Z',
      '2068-03-01T00:00:00.000Z',
      null,
    ],
  ],
  [
    ['%m/%d/%Y', '%d/%m/%Y'],
    undefined,
    ['02/01/2017', '13/02/2017'],
    ['2017-02-01T00:00:00.000Z', '2017-02-13T00:00:00.000Z'],
  ],
  [
    '%a %b %d %H:%M:%S %z %Y',
    undefined,
    [
      'Wed Aug 29 17:12:58 +0000 2012',
      'wed aug 29 17:12:58 -08:30 2012',
      'Wed Aug 29 17:12:58 Z 2012',
      'Wed Aug 29 17:12:58 +16 2012',
    ],
    ['2012-08-29T17:12:58.000Z', '2012-08-30T01:42:58.000Z', '2012-08-29T17:12:58.000Z', null],
  ],
  [
    '%B %d, %Y %I:%M %p',
    undefined,
    ['March 1, 2017 12:05 AM', 'march 1, 2017 1:05 pm', 'March 1, 2017 13:05 PM', 'Mar 1, 2017 1:05 PM'],
    ['2017-03-01T00:05:00.000Z', '2017-03-01T13:05:00.000Z', null, null],
  ],
  [
    ['%Y%m%d', '%Y%m%d%H%M%S'],
    undefined,
    [20170301, '20170301', '20170301101530', 20170301101530, 2017031, 201703.5, true, null],
    [
      '2017-03-01T00:00:00.000Z',
      '2017-03-01T00:00:00.000Z',
      '2017-03-01T10:15:30.000Z',
      '2017-03-01T10:15:30.000Z',
      null,
      null,
      null,
      null,
    ],
  ],
  [
    '%d/%m/%Y %H:%M:%S.%f',
    undefined,
    ['01/03/2017 10:00:30.5', '01/03/2017 10:00:30.123456', '01/03/1969 10:00:30.1234567'],
    ['2017-03-01T10:00:30.500Z', '2017-03-01T10:00:30.123Z', null],
  ],
  [
    '%d/%m/%Y %H:%M',
    'Europe/Berlin',
    ['26/03/2017 02:30', '29/10/2017 02:30', '01/07/2017 00:00', '01/01/1850 00:00'],
    ['2017-03-26T01:30:00.000Z', '2017-10-29T01:30:00.000Z', '2017-06-30T22:00:00.000Z', '1849-12-31T23:06:32.000Z'],
  ],
  ["%Y年%m月%d日 %H o'clock 100%%", undefined, ["2017年03月01日 7 o'clock 100%"], ['2017-03-01T07:00:00.000Z']],
  ['%-d/%-m/%Y', undefined, ['1/3/2017', '01/03/2017'], ['2017-03-01T00:00:00.000Z', '2017-03-01T00:00:00.000Z']],
])('%j in %s', async (format, zone, values, times) => {
  expect(await readings({ format, ...(zone !== undefined && { zone }) }, values)).toEqual(times)
})

test('in every zone the two read the same instant, also where clocks change', async () => {
  const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'))
  // Of rules that changed lately the engine's and Node's releases of the tz database may know different ones.
  const times = fc.array(fc.integer({ min: Date.UTC(1972, 0), max: Date.UTC(2025, 11) }), {
    minLength: 300,
    maxLength: 300,
  })
  await fc.assert(
    fc.asyncProperty(zones, times, async (zone, times) => {
      const texts = times.map((ms) => new Date(ms).toISOString().slice(0, 16).replace('T', ' '))
      await readings({ format: '%Y-%m-%d %H:%M', zone }, texts)
    }),
    { numRuns: 30, endOnFailure: true },
  )
})

test.each([
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Casablanca',
  'Asia/Gaza',
])('each quarter of an hour near a change of the clocks of %s', async (zone) => {
  const quarters = (from: number) => Array.from({ length: 4 * 24 * 4 }, (_, at) => from + at * 900_000)
  const days = [2011, 2017, 2024].flatMap((year) =>
    Array.from({ length: 92 }, (_, at) => Date.UTC(year, 0, 1 + at * 4)),
  )
  const change = (day: number) =>
    new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
      .formatToParts(day)
      .find(({ type }) => type === 'timeZoneName')!.value
  const near = days.filter((day) => change(day) !== change(day + 4 * 86_400_000)).flatMap(quarters)
  expect(near.length).toBeGreaterThan(0)
  const texts = near.map((ms) => new Date(ms).toISOString().slice(0, 16).replace('T', ' '))
  await readings({ format: '%Y-%m-%d %H:%M', zone }, texts)
})

describe('generated formats', () => {
  const separators = ['-', '/', '.', ' ', '', ', ', 'T', ' h ', '$', '(']
  const format = fc
    .tuple(
      fc.shuffledSubarray(['Y', 'm', 'd'], { minLength: 3 }),
      fc.constantFrom(
        [],
        ['H'],
        ['H', 'M'],
        ['H', 'M', 'S'],
        ['I', 'p', 'M'],
        ['H', 'M', 'S', 'f'],
        ['H', 'M', 'S', 'g', 'z'],
        ['H', 'z'],
      ),
      fc.array(fc.constantFrom(...separators), { minLength: 9, maxLength: 9 }),
      fc.boolean(),
    )
    .map(([date, clock, between, names]) =>
      [...date.map((part) => (names && part === 'm' ? 'b' : part)), ...clock]
        .map((part, at) => `${at === 0 ? '' : between[at]}%${part}`)
        .join(''),
    )
  const texts = fc.array(
    fc.tuple(fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2099, 0) }), fc.nat(9), fc.nat(40)),
    { minLength: 20, maxLength: 20 },
  )

  test('read what the engine writes in them, or refuse alike', async () => {
    await fc.assert(
      fc.asyncProperty(format, texts, async (format, times) => {
        const parsed = parseTimeFormat(format)
        expect(typeof parsed).toBe('object')
        // Damaged by leaving a character out, or by none; with the leading zeros that strftime writes.
        const [written] = await connection.columns(
          `SELECT strftime(make_timestamp(unnest([${times.map(([ms]) => ms * 1000)}])), ${quoteText(format.replaceAll('%z', '+01:30'))})`,
        )
        const values = (written as string[]).map((text, at) => {
          const [, kind, place] = times[at]!
          return kind < 6
            ? text
            : kind < 8
              ? text.slice(0, place) + text.slice(place + 1)
              : text.replaceAll(/(?<![0-9])0(?=[0-9])/g, '')
        })
        const read = await readings({ format }, values)
        expect(read.filter((time) => time !== null).length).toBeGreaterThan(0)
      }),
      { numRuns: 60, endOnFailure: true },
    )
  })
})

const definitionOf = (v: object): DatasetDefinition => ({
  name: 'values',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id' },
    at: { type: 'TIMESTAMP', path: '$.at' },
    v: { type: 'TIMESTAMP', path: '$.v', ...v } as ColumnDefinition,
  },
  views: { all: { dimensions: {}, measures: { n: count() } } },
})

test.each([
  [{ format: '%Y-%m' }, "the format '%Y-%m' has no day (%d)"],
  [{ format: '%H:%M' }, "the format '%H:%M' has no year (%Y or %y)"],
  [
    { format: '%Y-%m-%d %Q' },
    "the format '%Y-%m-%d %Q' contains '%Q'; known are %Y %y %m %B %b %d %H %I %p %M %S %f %g %z %A %a %%",
  ],
  [
    { format: '%Y-%m-%d %' },
    "the format '%Y-%m-%d %' contains '%'; known are %Y %y %m %B %b %d %H %I %p %M %S %f %g %z %A %a %%",
  ],
  [{ format: '%Y-%m-%d %I:%M' }, "the format '%Y-%m-%d %I:%M' needs %I and %p together, or %H"],
  [{ format: '%Y-%m-%d %m' }, "the format '%Y-%m-%d %m' names a part of the time twice"],
  [{ format: ' %Y-%m-%d' }, "the format ' %Y-%m-%d' begins or ends with white space"],
  [{ format: [] }, 'a column can have 1 to 8 formats'],
  [{ format: '%Y-%m-%d', unit: 'ms' }, 'a TIMESTAMP has a unit or a format, not both'],
  [{ format: '%Y-%m-%d', type: 'DATE' }, 'only a TIMESTAMP can have a format'],
  [{ zone: 'Europe/Berlin' }, 'only a TIMESTAMP with a format can have a zone'],
  [{ format: '%Y-%m-%d', zone: 'Berlin' }, "zone 'Berlin' is not an IANA time zone (example: Europe/Berlin)"],
  [{ format: '%Y-%m-%d %z', zone: 'Europe/Berlin' }, 'its formats have an offset (%z), so a zone has no effect'],
  [
    { format: '%Y/%m/%d', default: '2017-03-01' },
    'its default "2017-03-01" is not a valid time (%Y/%m/%d, years 1 to 9999)',
  ],
])('%j is refused', async (column, problem) => {
  await expect(compileDataset(definitionOf(column), connection)).rejects.toMatchObject({
    problems: [`column 'v': ${problem}`],
  })
})

test('a format and a zone are part of what is stored; how one format is written is not', async () => {
  const hash = async (column: object): Promise<string> =>
    (await compileDataset(definitionOf(column), connection)).schemaHash
  expect(await hash({ format: '%Y/%m/%d' })).toBe(await hash({ format: ['%Y/%m/%d'], zone: 'UTC' }))
  expect(
    new Set([
      await hash({}),
      await hash({ format: '%Y/%m/%d' }),
      await hash({ format: '%Y/%m/%d', zone: 'Asia/Tokyo' }),
    ]).size,
  ).toBe(3)
})
