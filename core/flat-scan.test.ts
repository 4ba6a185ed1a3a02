/** Law: for events that are made flat, the places of their values give the key that the full check gives, or none. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventCheck } from './check-event.ts'
import { count, defineDataset } from './definition.ts'
import type { FlatShape } from './flat-scan.ts'

const ARRIVAL_MS = Date.UTC(2026, 10, 26)
const base = {
  at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  text: { type: 'VARCHAR', path: '$.text' },
  kept: { type: 'VARCHAR', path: '$.kept' },
  n: { type: 'DOUBLE', path: '$.n' },
  whole: { type: 'INTEGER', path: '$.whole' },
  day: { type: 'DATE', path: '$.day' },
  inner: { type: 'BIGINT', path: '$.inner.n' },
  list: { type: 'BIGINT[]', path: '$.list' },
  price: { type: 'DECIMAL(9,2)', path: '$.price', required: true, default: '0' },
} as const
const views = { all: { dimensions: { kept: 'kept' }, measures: { n: count() } } }

const KEYS = {
  whole: { type: 'BIGINT', path: '$.id', required: true },
  text: { type: 'VARCHAR', path: '$.id' },
  absent: { type: 'VARCHAR', path: '$.other', default: 'none' },
  within: { type: 'BIGINT', path: '$.inner.id' },
  double: { type: 'DOUBLE', path: '$.id' },
} as const
const datasets = Object.entries(KEYS).map(([name, id]) =>
  eventCheck(defineDataset({ name, time: 'at', key: 'id' as never, columns: { ...base, id }, views })),
)

const value = fc.oneof(
  fc.constantFrom('null', 'true', 'false', '0', '-0.5', '1e3', '""', '"x"', '"7"', '"007"', '"-1.50"', '"1e3"', '"é"'),
  fc.constantFrom('"2026-01-31"', '"2026-01-31 10:00"', '1700000000000', '"1700000000000"', '2147483648', '"+3"'),
  fc.constantFrom('123456789012345678', '"123456789012345"', '0.1', '"999999999.99"', '"a\\nb"', '" 5 "', '"12:00"'),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
  fc.string({ unit: 'grapheme', maxLength: 5 }).map((text) => JSON.stringify(text)),
  fc.nat(6_000).map((length) => `"${'x'.repeat(length)}"`),
)
/** Values that fit, by name. */
const FITTING: Record<string, readonly string[]> = {
  id: ['1', '"1"', '"007"', '-12', '"x"', '1.5'],
  at: ['1700000000000', '"1700000000000"'],
  text: ['"a"', '"b\\n"', '7'],
  kept: ['"a"', 'null'],
  n: ['1.5', '"2.50"', '3', 'true'],
  whole: ['5', '"6"', '2147483647'],
  day: ['"2026-01-31"', 'null'],
  inner: ['null', 'null', '1'],
  list: ['null', 'null', '1'],
  price: ['12.50', '"12.5"', '3'],
  more: ['1'],
}
const member = (name: string) =>
  fc
    .oneof({ weight: 6, arbitrary: fc.constantFrom(...FITTING[name]!) }, { weight: 1, arbitrary: value })
    .map((json) => [name, json] as const)
const event = fc
  .shuffledSubarray(Object.keys(FITTING), { minLength: 4 })
  .chain((names) => fc.tuple(...names.map(member)))

/** The event, with bytes around it, and where its values end. */
function made(members: readonly (readonly [string, string])[], around: string) {
  let text = around
  const ends: number[] = []
  const keyBytes: number[] = []
  for (const [at, [name, json]] of members.entries()) {
    const key = `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`
    keyBytes.push(Buffer.byteLength(key))
    text += key + json
    ends.push(Buffer.byteLength(text))
  }
  const shape: FlatShape = { names: members.map(([name]) => name), keyBytes }
  return { shape, bytes: Buffer.from(`${text}}${around}`), ends: Int32Array.from(ends), start: around.length }
}

function verdict(dataset: (typeof datasets)[number], text: string): string | null {
  const found = dataset.check(JSON.parse(text), text, ARRIVAL_MS)
  return found.ok && found.failures.length === 0 ? found.key : null
}

test('a key is given only where the full check gives the same, and for ordinary events', () => {
  let given = 0
  fc.assert(
    fc.property(fc.constantFrom(...datasets), event, fc.constantFrom('', '"', '0'), (dataset, members, around) => {
      const { shape, bytes, ends, start } = made(members, around)
      const text = bytes.toString('utf8', start, bytes.length - start)
      const key = dataset.scanFlat(shape)!.keyOf(bytes, start, ends, 0, ARRIVAL_MS)
      if (key !== null) expect([text, key]).toEqual([text, verdict(dataset, text)])
      if (key === null) expect(dataset.scanKey(bytes, start, bytes.length - start, ARRIVAL_MS)).toBeNull()
      else given++
    }),
    { numRuns: 5_000 },
  )
  expect(given).toBeGreaterThan(300)
})

test.each([
  ['is repeated', ['id', 'id']],
  ['needs an escape', ['id', 'a"b']],
])('a name that %s makes events be scanned', (_what, used) => {
  expect(
    datasets[0]!.scanFlat(
      made(
        used.map((name) => [name, '1']),
        '',
      ).shape,
    ),
  ).toBeNull()
})
