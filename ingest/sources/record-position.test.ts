import fc from 'fast-check'
import { expect, test } from 'vitest'
import { positionAt, valueIn } from './record-position.ts'

test('finds the outermost member as JSON.parse does, whatever is around it', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 6 }),
      fc.integer(),
      fc.nat(6),
      (others, at, place) => {
        const entries = Object.entries(others).filter(([name]) => name !== 'at' && name !== '__proto__')
        entries.splice(place, 0, ['at', at])
        const text = `{${entries.map(([name, value]) => `${JSON.stringify(name)} : ${JSON.stringify(value)}`).join(' , ')}}`
        expect(positionAt('$.at')(Buffer.from(text))).toBe(at)
        expect(JSON.parse(String(valueIn(Buffer.from(text), ['at'])))).toBe(at)
      },
    ),
  )
})

test.each([
  ['{"a":{"at":1}}', '$.at', null],
  ['{"a":{"at":1}}', '$.a.at', 1],
  ['{"a":"\\"at\\":5,","at":7.25}', '$.at', 7.25],
  ['{"at":"7"}', '$.at', null],
  ['{"at":1e3}', '$.at', 1_000],
  ['not json', '$.at', null],
  ['{"at', '$.at', null],
  ['', '$.at', null],
])('%s at %s: %s', (text, path, position) => {
  expect(positionAt(path)(Buffer.from(text))).toBe(position)
})

test('the bytes of a value are given as they are', () => {
  const text = Buffer.from('{"meta":{"a":[1,2]},"data" : [ {"id":12345678901234567890} , {"s":"]}"} ] ,"z":1}')
  expect(String(valueIn(text, ['data'])).trim()).toBe('[ {"id":12345678901234567890} , {"s":"]}"} ]')
  expect(String(valueIn(text, ['meta', 'a']))).toBe('[1,2]')
  expect(valueIn(text, ['none'])).toBeNull()
})
