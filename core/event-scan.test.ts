/** The fast path against the full check: ordinary events take it, and it never disagrees. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { eventCheck } from './check-event.ts'
import { count, defineDataset } from './definition.ts'
import { eventText } from './event-texts-fixture.ts'
import { whyUnreadable } from './json-text.ts'

const definition = defineDataset({
  name: 'events',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'VARCHAR', path: '$.id' },
    at: { type: 'TIMESTAMP', path: '$.at', default: '2024-01-01' },
    v: { type: 'DOUBLE', path: '$.m.v', required: true },
  },
  views: { all: { dimensions: {}, measures: { n: count() } } },
})
const events = eventCheck(definition)
const answers = eventCheck(rsvps)

const ARRIVAL_MS = Date.UTC(2026, 10, 26)

type Checked = Pick<typeof events, 'check' | 'scanKey'>

function scanned({ scanKey }: Checked, text: string, around = ''): string | null {
  const bytes = Buffer.from(around + text + around)
  const from = Buffer.byteLength(around)
  return scanKey(bytes, from, bytes.length - from, ARRIVAL_MS)
}

/** The key found by the full check; null: it rejects the event, or has failed conversions. */
function checked({ check }: Checked, text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    const verdict = whyUnreadable(text, value) === null ? check(value, text, ARRIVAL_MS) : null
    return verdict?.ok && verdict.failures.length === 0 ? verdict.key : null
  } catch {
    return null
  }
}

/** The neighbouring bytes must not matter. */
function agrees(dataset: Checked, text: string): void {
  for (const around of ['', '\n', '"', '}', ',0']) {
    const key = scanned(dataset, text, around)
    if (key !== null) expect([text, key]).toEqual([text, checked(dataset, text)])
  }
}

test('every ordinary event takes the fast path', () => {
  const generator = new RsvpGenerator({ seed: 3, startMs: 1_700_000_000_000, malformedShare: 0 })
  for (let some = 0; some < 2_000; some++) {
    const line = generator.next()
    expect(scanned(answers, line)).toBe(String((JSON.parse(line) as { rsvp_id: number }).rsvp_id))
  }
})

describe('a key is returned only where the full check returns the same', () => {
  test('for texts with all kinds of damage', () => {
    fc.assert(
      fc.property(eventText, (text) => agrees(events, text)),
      { numRuns: 3_000 },
    )
  })

  test('for real events with a few characters changed', () => {
    const generator = new RsvpGenerator({ seed: 4, startMs: 1_700_000_000_000 })
    const lines = Array.from({ length: 200 }, () => generator.next())
    const part = fc.constantFrom(
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '0',
      '-',
      '.',
      'e',
      ' ',
      '\t',
      '\n',
      'é',
      '\\u',
    )
    const change = fc.tuple(fc.nat(1_500), fc.nat(2), part)
    fc.assert(
      fc.property(fc.constantFrom(...lines), fc.array(change, { maxLength: 3 }), (line, changes) => {
        let text = line
        for (const [at, removed, added] of changes) text = text.slice(0, at) + added + text.slice(at + removed)
        agrees(answers, text)
      }),
      { numRuns: 3_000 },
    )
  })

  test('for any JSON as a value, with any key', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.constantFrom('', '\n', '\r', ' \t'), (id, more, space) => {
        const text = JSON.stringify({ more, id, m: { v: 1, more } }).replaceAll('":', `"${space}:${space}`)
        agrees(events, text)
        const simple = typeof id !== 'object' && !/[\\\n]/.test(text)
        if (simple && depthOf(more) < 20) expect([text, scanned(events, text)]).toEqual([text, checked(events, text)])
      }),
      { numRuns: 2_000 },
    )
  })
})

function depthOf(value: unknown): number {
  return value === null || typeof value !== 'object' ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

test.each([
  ['{"m":{"v":1}}', 'null'],
  [' {"m" : {"v":-1.5e3 , "w":[1,[],{},"\\u00e9\\n"]}\t,"id":"a"} ', 'a'],
  ['{"m":{"v":"2.5"},"id":1.0}', '1'],
  ['{"m":{"v":true},"id":"é"}', 'é'],
])('%s has the key %s', (text, key) => {
  expect([scanned(events, text), checked(events, text)]).toEqual([key, key])
})

test.each([
  ['a repeated name', '{"id":1,"m":{"v":1},"id":1}'],
  ['a repeated name inside a list', '{"m":{"v":1,"x":[{"a":1,"a":2}]}}'],
  ['a name repeated as an escape', '{"m":{"v":1},"\\u006d":{}}'],
  ['half a surrogate pair', '{"m":{"v":1},"x":"\\ud83d"}'],
  ['deep nesting', `{"m":{"v":1},"x":${'['.repeat(40)}${']'.repeat(40)}}`],
  ['many names', `{"m":{"v":1},"x":{${Array.from({ length: 600 }, (_, n) => `"n${n}":0`).join(',')}}}`],
  ['a key that is an object', '{"m":{"v":1},"id":{"a":1}}'],
  ['a missing value', '{"m":{"v":null}}'],
  ['a path that leads through a list', '{"m":[{"v":1}]}'],
  ['a line feed between tokens', '{"m":\n{"v":1}}'],
  ['two events', '{"m":{"v":1}}{"m":{"v":1}}'],
  ['no text', ''],
])('%s is left to the full check', (_what, text) => {
  expect(scanned(events, text)).toBeNull()
})
