/** Law: a time that is read from bytes is the one that the full check reads; what has another form is left to it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isoTimeMsAt } from './iso-time.ts'
import { timeMs } from './usable-value.ts'

const read = (text: string): number => isoTimeMsAt(Buffer.from(`1${text}1`), 1, 1 + Buffer.byteLength(text))
const number = (max: number, digits: number) => fc.nat(max).map((n) => String(n).padStart(digits, '0'))
const form = fc
  .tuple(
    fc.oneof(number(9_999, 4), fc.constantFrom('0000', '0001', '1900', '2000', '2024', '9999')),
    number(13, 2),
    fc.oneof(number(32, 2), fc.constantFrom('28', '29', '30', '31')),
    fc.constantFrom('T', ' ', 't', '-'),
    fc.oneof({ weight: 5, arbitrary: number(23, 2) }, { weight: 1, arbitrary: number(99, 2) }),
    fc.oneof({ weight: 5, arbitrary: number(59, 2) }, { weight: 1, arbitrary: number(99, 2) }),
    fc.oneof({ weight: 5, arbitrary: number(59, 2) }, { weight: 1, arbitrary: number(99, 2) }),
    fc.constantFrom('', '', '.5', '.050', '.123456789', '.1234567891', '.', '.x'),
    fc.constantFrom(
      '',
      'Z',
      'z',
      '+00',
      '-02',
      '+02:30',
      '+0230',
      '+15:59',
      '+16',
      '+2',
      ':00',
      '+02:3',
      '-00:00',
      ' ',
    ),
  )
  .map(([year, month, day, t, hours, minutes, seconds, fraction, offset]) => {
    return `${year}-${month}-${day}${t}${hours}:${minutes}:${seconds}${fraction}${offset}`
  })

test('times of the usual form, right or wrong', () => {
  let known = 0
  fc.assert(
    fc.property(form, (text) => {
      const ms = read(text)
      if (!Number.isNaN(ms)) known++
      expect([text, Number.isNaN(ms) ? null : ms]).toEqual([text, timeMs(text, 'iso')])
    }),
    { numRuns: 5_000 },
  )
  expect(known).toBeGreaterThan(300)
})

test('any bytes', () => {
  const damaged = fc
    .tuple(form, fc.nat(30), fc.constantFrom('', '0', 'é', '-', ':', '\u0000'))
    .map(([text, at, by]) => {
      return text.slice(0, at) + by + text.slice(at + 1)
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.string({ maxLength: 30 })), (text) => {
      const ms = read(text)
      if (!Number.isNaN(ms)) expect([text, ms]).toEqual([text, timeMs(text, 'iso')])
    }),
    { numRuns: 5_000 },
  )
})

test('a time of the year 0 is one where its offset brings it into the year 1, as the engine has it', () => {
  expect(timeMs('0000-12-31 10:20:30.5-14:59', 'iso')).toBe(Date.parse('0001-01-01T01:19:30.500Z'))
  expect(timeMs('0000-12-31 10:20:30.5', 'iso')).toBeNull()
  expect(timeMs('0000-12-31T23:59:59Z', 'iso')).toBeNull()
})
