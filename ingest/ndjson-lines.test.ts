import fc from 'fast-check'
import { expect, test } from 'vitest'
import { textsOf } from './ingest-fixture.ts'
import { LineSplitter, linesOf } from './ndjson-lines.ts'

function split(
  text: string,
  chunkBytes: number,
  lineBytesMax = 1_000,
): { lines: (string | null)[]; numbers: number[] } {
  const bytes = Buffer.from(text)
  const splitter = new LineSplitter(lineBytesMax)
  const found = []
  for (let at = 0; at < bytes.length; at += chunkBytes)
    found.push(...splitter.push(bytes.subarray(at, at + chunkBytes)))
  found.push(...splitter.end())
  return {
    lines: found.map((line) => line.bytes?.toString() ?? null),
    numbers: found.map((line) => line.number),
  }
}

test('however the chunks fall, the lines are the same as of the whole text', () => {
  const text = fc
    .array(fc.constantFrom('a', '\n', '\r', '\r\n', ' ', '{"é":1}', '\u2028', '\uFEFF'), { maxLength: 60 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (body, chunkBytes) => {
      expect(split(body, chunkBytes).lines).toEqual(textsOf(linesOf(Buffer.from(body), 1_000)))
    }),
  )
})

test('line numbers count blank lines, as an editor does', () => {
  expect(split('\uFEFFa\n\n \r\nb', 2)).toEqual({ lines: ['a', 'b'], numbers: [1, 4] })
})

test('a line that is too long is told without keeping it, and the next one is whole', () => {
  const long = 'x'.repeat(5_000)
  expect(split(`aa\n${long}\nbb\n${long}`, 100, 10)).toEqual({ lines: ['aa', null, 'bb', null], numbers: [1, 2, 3, 4] })
  expect(split('0123456789\r\n0123456789a\n', 3, 10).lines).toEqual(['0123456789', null])
})
