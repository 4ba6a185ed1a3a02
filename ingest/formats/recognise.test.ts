import { expect, test } from 'vitest'
import { recognise } from './recognise.ts'

const ofWhole = (text: string, name?: string) => recognise(Buffer.from(text), true, name)

test.each([
  ['{"a":1}\n{"a":2}\n', undefined, 'ndjson'],
  ['\uFEFF\n  {"a":1}', undefined, 'ndjson'],
  [' \n[{"a":1}]', undefined, 'json'],
  ['PAR1...', undefined, 'parquet'],
  ['', undefined, 'ndjson'],
  ['not json, really\n{"a":1, "b":2}\n', undefined, 'ndjson'],
  ['one line, with a comma', undefined, 'ndjson'],
  ['a,b\n1,2\n', undefined, 'csv ","'],
  ['a;b\n1,5;2\n', undefined, 'csv ";"'],
  ['a\tb\n1,5\t2\n', undefined, 'csv "\\t"'],
  ['a|b\n1|2\n', undefined, 'csv "|"'],
  ['one\n1\n2\n', 'x.csv', 'csv ","'],
  ['one\n1\n2\n', 'x.tsv.gz', 'csv "\\t"'],
  ['a;b\n', 'X.CSV', 'csv ";"'],
])('%j named %s is %s', (text, name, expected) => {
  const found = ofWhole(text, name)!
  expect(found.format === 'csv' ? `csv ${JSON.stringify(found.delimiter)}` : found.format).toBe(expected)
})

test('waits for what it needs, and no longer', () => {
  const ofPart = (text: string) => recognise(Buffer.from(text), false)?.format ?? null
  expect([' ', 'PA', 'a,b', 'a,b\n1,2'].map(ofPart)).toEqual([null, null, null, null])
  expect(['{"a"', '[{"a', 'a,b\n1,2\n'].map(ofPart)).toEqual(['ndjson', 'json', 'csv'])
})
