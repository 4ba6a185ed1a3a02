import { expect, test } from 'vitest'
import { type ColumnDraft, draftColumns } from './column-draft.ts'
import { draftDataset } from './dataset-draft.ts'
import { definitionText } from './definition-text.ts'
import { latinWord } from './latin-word.ts'
import { MEMBERS_MAX, Survey } from './survey.ts'

function columnsOf(events: readonly object[], keywords: readonly string[] = []): ReturnType<typeof draftColumns> {
  const survey = new Survey()
  for (const event of events) survey.add(event)
  return draftColumns(survey, new Set(keywords))
}
const typeOf = (...values: unknown[]): string => {
  const [column] = columnsOf(values.map((created_at) => ({ created_at }))).columns
  return [column!.type, column!.unit ?? column!.format?.join(' or ') ?? ''].join(' ').trim()
}
const doubtsOf = (...values: unknown[]): string => columnsOf(values.map((v) => ({ v }))).columns[0]!.doubts.join('; ')

test.each<[string, unknown[]]>([
  ['BIGINT', [1, -2, null]],
  ['DECIMAL(18,2)', [1, 2.5, 3.25]],
  ['DOUBLE', [0.123456, 1]],
  ['DOUBLE', [1e-7, 1]],
  ['BOOLEAN', [true, false]],
  ['BOOLEAN', ['true', 'False']],
  ['VARCHAR', ['a', '2']],
  ['VARCHAR', ['007', '12']],
  ['BIGINT', ['7', '12']],
  ['DECIMAL(18,1)', ['7', '12.5']],
  ['DECIMAL(18,1)', [7, '12.5']],
  ['DECIMAL(28,2)', ['1234567890123456.78']],
  ['DECIMAL(28,2)', ['1234567890123456.00', '7']],
  ['DECIMAL(28,2)', [5.5, 7, '-12345678901234567890.25']],
  ['DECIMAL(28,18)', ['0.123456789012345678']],
  ['DECIMAL(38,10)', ['12345678901234567890.0123456789', '1.5']],
  ['DECIMAL(28,0)', [7, '12345678901234567890']],
  ['DOUBLE', ['0.30000000000000004', '1']],
  ['DOUBLE', [Number('1234567890123456.7')]],
  ['DOUBLE', [`${'1'.repeat(30)}.${'1'.repeat(20)}`]],
  ['DOUBLE', ['0.5', '1e-07', '3.25']],
  ['DOUBLE', ['1E5', '-2.5e+10']],
  ['DOUBLE', [0.5, '1e-07']],
  ['VARCHAR', ['1e5', '2e']],
  ['VARCHAR', ['1e999']],
  ['VARCHAR', [7, 'x']],
  ['TIMESTAMP', ['2026-01-01T10:00:00Z', '2026-01-02']],
  ['TIMESTAMP s', [1_767_225_600]],
  ['TIMESTAMP ms', [1_767_225_600_000]],
  ['TIMESTAMP us', ['1767225600000000']],
  ['TIMESTAMP s', [1_767_225_600, 1_767_225_600.5]],
  ['TIMESTAMP ms', [1_767_225_600_000, 1_767_225_600_000.25]],
  ['DOUBLE', [1_767_225_600_000_000, 1_767_225_600_000_000.5]],
  ['TIMESTAMP %Y/%m/%d %H:%M', ['2017/03/01 10:00', '2017/3/1 9:05']],
  ['TIMESTAMP %d/%m/%Y', ['01/02/2017', '28/02/2017']],
  ['TIMESTAMP %m/%d/%Y', ['01/02/2017', '02/28/2017']],
  ['TIMESTAMP %d.%m.%Y %H:%M or %d.%m.%Y', ['01.02.2017 10:00', '28.02.2017 11:00', '28.02.2017']],
  ['TIMESTAMP %a %b %d %H:%M:%S %z %Y', ['Wed Aug 29 17:12:58 +0000 2012']],
  ['TIMESTAMP %b %d, %Y', ['Mar 1, 2017', 'May 12, 2018']],
  ['TIMESTAMP %m/%d/%Y %I:%M %p', ['12/31/2017 9:05 AM']],
  ['TIMESTAMP %Y%m%d', [20170301, 20171231]],
  ['BIGINT', [20170301, 20179999]],
  ['VARCHAR', ['2001/01/01 25h10']],
  ['VARCHAR', ['01/02/2017', 'never']],
  ['VARCHAR[]', [['a', null], []]],
  ['BIGINT[]', [[1], [2, 3]]],
  ['DOUBLE[]', [[1.5], [2]]],
  ['VARCHAR[]', [['2026-01-01T10:00:00Z']]],
])('%s for %j', (type, values) => {
  expect(typeOf(...values)).toBe(type)
})

test('fractions of an epoch are rounded, and the comment says so; those in texts are derived', () => {
  const { columns } = columnsOf(
    [
      { at: 1_767_225_600, seen_at: '1767225600.25', sent_at: '1767225600123.5', time: '1767225600' },
      { at: 1_767_225_600.5, seen_at: '1767225600', sent_at: null, time: 1767225601 },
    ],
    ['at'],
  )
  expect(columns.map(({ name, type, unit, as }) => [name, type, unit, as])).toEqual([
    ['at_value', 'TIMESTAMP', 's', undefined],
    ['seen_at_text', 'VARCHAR', undefined, undefined],
    ['seen_at', 'TIMESTAMP', 'us', 'round(seen_at_text::DECIMAL(28,6) * 1000000)'],
    ['sent_at_text', 'VARCHAR', undefined, undefined],
    ['sent_at', 'TIMESTAMP', 'us', 'round(sent_at_text::DECIMAL(28,6) * 1000)'],
    ['time_value', 'TIMESTAMP', 's', undefined],
  ])
  expect(columns.flatMap(({ doubts }) => doubts)).toEqual([
    expect.stringMatching(
      /^its seconds have fractions, which the unit 's' rounds to whole seconds; .*round\(at_value \* 1000000\)/,
    ),
  ])
  expect(
    draftDataset(
      'x',
      columns.filter(({ name }) => name.startsWith('se')),
      2,
    ).time.name,
  ).toBe('seen_at')
})

test('a whole number is a time only under the name of one', () => {
  expect(columnsOf([{ views: 1_767_225_600 }]).columns[0]!.type).toBe('BIGINT')
})

test('says what is doubtful, with an example', () => {
  expect(doubtsOf('2001/01/01 25h10')).toMatch(
    /looks like a time, but no known format reads all of its values \(2001\/01\/01 25h10\)/,
  )
  expect(doubtsOf('01/02/2017')).toMatch(/its times fit '%m\/%d\/%Y' as well as '%d\/%m\/%Y'; its times have no offset/)
  expect(doubtsOf('Wed Aug 29 17:12:58 +0000 2012')).toBe('')
  expect(doubtsOf(7, 'x', true)).toMatch(/several kinds \(1 × integer, 1 × text, 1 × boolean\)/)
  expect(doubtsOf(...Array(19).fill('7'), 'n/a')).toMatch(/1 of 20 values are not numbers \(n\/a\)/)
})

test('names a whole number of which a DOUBLE keeps no digits', () => {
  expect(columnsOf([{ v: '12345678901234567890' }]).columns[0]).toMatchObject({ type: 'VARCHAR' })
  expect(columnsOf([{ v: 12345678901234567000 }]).columns[0]).toMatchObject({ type: 'DOUBLE' })
  expect(doubtsOf(12345678901234567000)).toMatch(/whole numbers have 19 digits or more, of which a DOUBLE keeps 15/)
  expect(doubtsOf(0.123456789)).toBe('')
})

test('says which digits a DOUBLE does not keep, and no more', () => {
  expect(doubtsOf(Number('1234567890123456.7'))).toMatch(
    /a fraction and 16 digits or more, of which reading JSON keeps 15/,
  )
  expect(doubtsOf(0.1 + 0.2)).toMatch(/16 digits or more/)
  expect(doubtsOf('1234567890123456.78', '1e-07')).toMatch(/more than 15 digits, which a DOUBLE does not keep/)
  expect(doubtsOf(`${'1'.repeat(30)}.${'1'.repeat(20)}`)).toMatch(/more than 15 digits, which a DOUBLE does not keep/)
  expect(doubtsOf('12345678901234567890.0123456789')).toMatch(/up to 30 digits, and sum, avg and ratio take at most 28/)
  expect(doubtsOf(['1234567890123456.78'])).toMatch(/no lists of decimals, and a DOUBLE keeps 15 digits/)
  expect(doubtsOf('1234567890123456789012')).toMatch(/19 digits or more, so they stay texts/)
  expect(doubtsOf(1e22)).toMatch(/whole numbers have 19 digits or more/)
  for (const exact of ['1234567890123456.78', '0.30000000000000004', '1e-07', 1e-7, 12.5, '0.5'])
    expect(doubtsOf(exact)).toBe('')
})

test('decimals that sum does not take are not added', () => {
  const events = Array.from({ length: 3 }, (_, at) => ({
    at: `2026-01-0${at + 1}T10:00:00Z`,
    id: at,
    wide: `${'1'.repeat(20)}.${'1'.repeat(10)}`,
    long: '1234567890123456.78',
  }))
  expect(draft(events).draft.views[0]!.measures.map(({ name }) => name)).toEqual(['events', 'total_long', 'avg_long'])
})

test.each([
  ['Départ (UTC)', 'depart_utc'],
  ['Größe', 'grosse'],
  ['Łódź', 'lodz'],
  ['smørrebrød æøå', 'smorrebrod_aeoa'],
  ['orderId', 'order_id'],
  ['价格', ''],
])('%s is written as %s', (name, word) => {
  expect(latinWord(name)).toBe(word)
})

test('columns are the innermost values, named by their member, and by those above it where that is taken', () => {
  const { columns } = columnsOf(
    [
      {
        id: 1,
        user: { id: 2, 'Full Name': 'a' },
        'Départ (UTC)': 'x',
        order: 1,
        '7': 'y',
        time: 'z',
        tags: [{ id: 1 }],
      },
    ],
    ['order'],
  )
  expect(columns.map(({ name, path }) => [name, path])).toEqual([
    ['c_7', '$."7"'],
    ['id', '$.id'],
    ['user_id', '$.user.id'],
    ['full_name', '$.user."Full Name"'],
    ['depart_utc', '$."Départ (UTC)"'],
    ['order_value', '$.order'],
    ['time_value', '$.time'],
    ['tags_id', '$.tags[*].id'],
  ])
})

test('a member that is sometimes an object, a list within a list and a dictionary are told', () => {
  const dictionary = (at: number): object => ({ [`key${at}`]: 1 })
  const events = Array.from({ length: MEMBERS_MAX + 10 }, (_, at) => ({
    course: at === 0 ? 'text' : { slug: 'a' },
    grid: [[1, 2]],
    scores: dictionary(at),
  }))
  const { columns, doubts } = columnsOf(events)
  expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual(['scores JSON', 'slug VARCHAR'])
  expect(doubts.join('\n')).toMatch(/\$\.grid\[\*\] is a list within a list/)
  expect(doubts.join('\n')).toMatch(/\$\.course is sometimes a value and sometimes an object/)
})

test.each<[string, object, string[], RegExp]>([
  [
    'names that differ in case',
    { ID: 1, id: 2, x: 3 },
    ['$.ID', '$.x'],
    /^left out: \$\.id; another path differs only in letter/,
  ],
  ['objects that do', { A: { x: 1 }, a: { y: 1, z: 2 } }, ['$.A.x'], /^left out: \$\.a\.y, \$\.a\.z; another path/],
  ['elements that do', { a: [{ X: 1, x: 2 }] }, ['$.a[*].X'], /^left out: \$\.a\[\*\]\.x; another path/],
  ['letters beyond ASCII', { É: 1, é: 2 }, ['$."É"'], /^left out: \$\."é"; another path/],
  ['an empty name', { '': 1, x: 2 }, ['$.x'], /^left out: \$\.""; a JSON path cannot have a name that is empty/],
  ['a quote', { 'a"b': { c: 1 }, x: 2 }, ['$.x'], /^left out: \$\."a\\"b"\.c; a JSON path cannot/],
  ['a backslash', { 'a\\b': 1, x: 2 }, ['$.x'], /^left out: \$\."a\\\\b"; a JSON path cannot/],
  ['a line break', { 'a\r\nb': 1, x: 2 }, ['$.x'], /^left out: \$\."a\\r\\nb"; a JSON path cannot/],
  ['a tabulator', { 'a\tb': 1, x: 2 }, ['$.x'], /^left out: \$\."a\\tb"; a JSON path cannot/],
  [
    'the sign of a list',
    { 'a[*]': 1, '[*]': 2, x: { '[*]': 3 } },
    [],
    /^left out: \$\."a\[\*\]", \$\."\[\*\]", \$\.x\."\[\*\]"; /,
  ],
  ['a very long name', { ['n'.repeat(1_100)]: 1, x: 2 }, ['$.x'], /^left out: \$\.n+; /],
])('%s: what a path cannot name is left out, and said', (_what, event, paths, doubt) => {
  const { columns, doubts } = columnsOf([event])
  expect(columns.map(({ path }) => path)).toEqual(paths)
  expect(doubts).toEqual([expect.stringMatching(doubt)])
})

test('of paths that differ in case, the one of most events stays', () => {
  expect(columnsOf([{ Id: 1 }, { id: 2 }, { id: 3 }]).columns.map(({ path }) => path)).toEqual(['$.id'])
})

test('many places that are left out are counted', () => {
  const event = Object.fromEntries(Array.from({ length: 14 }, (_, at) => [`"${at}`, 1]))
  expect(columnsOf([event]).doubts).toEqual([expect.stringMatching(/\$\."\\"9" and 4 more; /)])
})

const draft = (
  events: readonly object[],
): { draft: ReturnType<typeof draftDataset>; columns: readonly ColumnDraft[] } => {
  const { columns } = columnsOf(events)
  return { columns, draft: draftDataset('x', columns, events.length) }
}

test('the event time is always there and named like one, the key identifies, and what repeats is grouped by', () => {
  const events = Array.from({ length: 40 }, (_, at) => ({
    id: `e${at}`,
    updated_at: '2026-01-01T10:00:00Z',
    occurred_at: `2026-01-01T10:00:${10 + at}Z`,
    city: ['Oslo', 'Bergen', 'Bodø'][at % 3],
    price: at / 4,
    seconds: at / 7,
    user_id: at % 9,
    lat: 1.5,
    labels: ['x', `l${at % 5}`],
  }))
  const { time, key, views, doubts } = draft(events).draft
  expect([time.name, key.name]).toEqual(['occurred_at', 'id'])
  expect(doubts).toEqual(['occurred_at is the event time; updated_at could be it as well'])
  expect(views).toMatchObject([
    {
      name: 'by_city',
      dimensions: ['city'],
      time: { grains: ['minute', 'hour', 'day'] },
      measures: [
        { text: 'count()' },
        { text: "countDistinct('user_id')" },
        { text: "sum('price')" },
        { text: "avg('price')" },
        { text: "avg('seconds')" },
        { text: "quantile('seconds', 0.95)" },
      ],
    },
    { name: 'top_labels', unnest: 'labels', dimensions: ['labels'], time: { size: '10m', every: '1m' } },
  ])
})

test('a number is the key under the name of an identifier, or if nothing else can be', () => {
  const events = Array.from({ length: 4 }, (_, at) => ({ at: `2026-01-0${at + 1}T10:00:00Z`, visits: at, shop: 'A' }))
  expect(draft(events).draft.key.name).toBe('shop')
  expect(draft(events.map(({ visits, ...event }) => ({ ...event, shop_no: visits }))).draft.key.name).toBe('shop_no')
  expect(draft(events.map(({ shop, ...event }) => event)).draft.key.name).toBe('visits')
})

test('without a time the message says what was seen', () => {
  expect(() => draft([{ a: 1, when: '2001/01/01 25h' }])).toThrow(
    /no column is an event time .*\$\.when \(2001\/01\/01 25h\)/,
  )
  expect(() => draft([{ a: 1 }])).toThrow(/no column is an event time .*; \$\.a$/)
})

test('doubts and odd names are written so that the file stays valid', () => {
  const { columns, draft: drafted } = draft([
    { at: '2026-01-01', "it's": 'a\nb', n: 1 },
    { at: '2026-01-02', "it's": 7, n: 2 },
  ])
  const text = definitionText(drafted, columns, 'x.ndjson')
  expect(text).toContain(
    `// Please check: its values are of several kinds (1 × text, 1 × integer).\n    it_s: { type: 'VARCHAR', path: "$.\\"it's\\"", required: true },`,
  )
})
