/** Generators of JSON texts for tests: values near every limit of the column types, and whole events with every kind of damage. */
import fc from 'fast-check'

const LIMITS = [
  0n,
  1n,
  10n ** 4n,
  2n ** 31n,
  10n ** 12n,
  2n ** 53n,
  10n ** 18n,
  2n ** 63n,
  2n ** 64n,
  10n ** 38n,
  62_135_596_800n,
  253_402_300_800n,
  62_135_596_800_000n,
  253_402_300_800_000n,
  62_135_596_800_000_000n,
  253_402_300_800_000_000n,
]
const whole = fc
  .tuple(fc.constantFrom(...LIMITS), fc.bigInt({ min: -1_100n, max: 1_100n }), fc.constantFrom(1n, -1n))
  .map(([limit, off, sign]) => String(sign * (limit + (off > 20n || off < -20n ? off : off / 5n))))
const fraction = fc.constantFrom('', '', '', '.0', '.5', '.25', '.499', '.50', '.995', '.005', '.123456789012345678')
const exponent = fc.constantFrom('', '', '', '', 'e0', 'E1', 'e-2', 'e+3', 'e18', 'e400', 'e-400')
const numberText = fc.oneof(
  fc.tuple(whole, fraction, exponent).map((parts) => parts.join('')),
  fc.integer({ min: -30, max: 30 }).map((n) => String(n / 4)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => String(n)),
  fc.integer({ min: -(10 ** 7), max: 10 ** 7 }).map((n) => String(n / 1_000)),
  fc.constantFrom('20170301', '20170230', '20170301.0', '2.0170301e7', '2017.0301', '20170301.5', '-20170301'),
  fc.constantFrom('-0', '-0.0', '1.005', '9999.995', '9999.994', '0.994', '0.995', '123456789012345678.91'),
)

const day = fc
  .tuple(
    fc.constantFrom('2024', '2023', '0001', '9999', '0000', '1900'),
    fc.constantFrom('02-29', '02-28', '12-31', '01-01', '13-01', '04-31'),
  )
  .map((parts) => parts.join('-'))
const clock = fc.constantFrom(
  '00:00',
  '23:59',
  '23:59:59',
  '10:20:30',
  '24:00',
  '24:00:00',
  '10:60',
  '10:20:60',
  '10:20:30.5',
  '23:59:59.999999999',
  '1:2:3',
)
const zone = fc.constantFrom(
  '',
  'Z',
  'z',
  '+01',
  '+0130',
  '+01:30',
  '-14:59',
  '+15:59',
  '+16',
  ' UTC',
  ' Europe/Berlin',
  '+1',
)
const isoText = fc
  .tuple(day, fc.constantFrom('', 'T', ' ', 'x'), clock, zone)
  .map(([date, join, time, offset]) => (join === '' ? date : date + join + time + offset))
const dates = fc
  .tuple(
    fc.constantFrom('2017', '0001', '9999', '0000', '1'),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: 0, max: 32 }),
  )
  .chain(([year, month, day]) =>
    fc.constantFrom(
      `${year}/${month}/${day}`,
      `${String(day).padStart(2, '0')}.${month}.${year}`,
      `${year}${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}`,
      `${year}.${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}`,
      `${day} ${['jan', 'FEB', 'May', 'Juli'][month % 4]} ${year}`,
    ),
  )
const clocks = fc.constantFrom(
  ' 10:00',
  ' 2:30',
  ' 02:30:10',
  ' 24:00',
  ' 12:00:01.5 am',
  ' 1:02:03.123456 PM',
  ' 0:00:00.1 AM',
)
const formattedText = fc
  .tuple(dates, fc.oneof(fc.constant(''), clocks), fc.constantFrom('', '', ' Z', ' +0130', ' -08', ' +16', 'Z'))
  .map((parts) => parts.join(''))
const words = fc.constantFrom(
  'true',
  'T',
  'yes',
  'Y',
  'fAlse',
  'f',
  'no',
  'N',
  '1',
  '0',
  'on',
  'infinity',
  'NaN',
  'null',
  '',
  '[]',
  '[1.0]',
  '{"a": 1.0}',
  '{"a":1}',
  'today',
  'epoch',
)

const plainText = fc.oneof(
  numberText,
  fc.tuple(fc.constantFrom(' ', '\t', '+', '--', '00', '\u00a0', '_'), numberText).map((parts) => parts.join('')),
  fc.tuple(numberText, fc.constantFrom(' ', '_0', '.', 'x', '\n')).map((parts) => parts.join('')),
  isoText,
  formattedText,
  words,
  fc.string({ unit: 'binary', maxLength: 4 }),
)
const scalarText = fc.oneof(
  numberText,
  plainText.map((text) => JSON.stringify(text)),
  fc.constantFrom('true', 'false', 'null', '{}', '{"a": 1.0}', '"\\u0000"', '"\\ud800"'),
)
/** JSON of one value */
export const valueText = fc.oneof(
  { weight: 5, arbitrary: scalarText },
  { weight: 1, arbitrary: fc.array(scalarText, { maxLength: 3 }).map((items) => `[${items.join(', ')}]`) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.tuple(fc.constantFrom('x', 'X', 'y'), scalarText), { maxLength: 3 })
      .map((items) => `[${items.map(([name, value]) => `{"${name}":${value}}`).join(',')}]`),
  },
)

const name = fc.constantFrom(
  '"v"',
  '"V"',
  '"\\u0076"',
  '"m"',
  '"id"',
  '"at"',
  '""',
  '"a\\"b"',
  '"\\\\"',
  '"x:y"',
  "'v'",
  'v',
  '"__proto__"',
)
const space = fc.constantFrom('', '', '', ' ', '\t', '\r', '\u00a0', '\f')
const small = fc.constantFrom(
  '1',
  '2',
  '"3"',
  'null',
  '{}',
  '[]',
  '[{"v":1,"v":2}]',
  '"a\\":1"',
  'NaN',
  '-Infinity',
  '01',
  '.5',
  '1e400',
  '"\\ud800"',
  '"\\x41"',
  '{"v":7}',
  '{"v":1,"v":"x"}',
  '/**/1',
)
const member = fc.tuple(space, name, space, small, space).map(([a, key, b, value, c]) => `${a}${key}${b}:${c}${value}`)
const inner = fc.array(member, { maxLength: 3 }).map((members) => `"m":{${['"v":5', ...members].join(',')}}`)
const whole_ = fc.tuple(fc.array(member, { maxLength: 3 }), inner, fc.array(member, { maxLength: 2 }), space)
/** one line, most often a JSON object with `$.m.v` */
export const eventText: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: whole_.map(([a, m, b, end]) => `${end}{${[...a, m, ...b].join(',')}}${end}`) },
  { weight: 1, arbitrary: whole_.map(([a, m]) => `{${[...a, m].join(',')},}`) },
  {
    weight: 1,
    arbitrary: fc.tuple(whole_, fc.nat(60)).map(([[a, m], at]) => `{${[...a, m].join(',')}}`.slice(0, at) || '1'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'null',
      '5',
      '[]',
      '[{"m":{"v":1}}]',
      '{"m":{"v":1}}{"m":{"v":2}}',
      '{"m":{"v":1}} x',
      '\ufeff{"m":{"v":1}}',
      '"{}"',
    ),
  },
)
