import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isTooDeep, JSON_DEPTH_MAX, whyUnreadable } from './json-text.ts'

const why = (text: string) => whyUnreadable(text, JSON.parse(text))

test('finds a duplicate name in one object, however it is written', () => {
  expect(why('{"id":1,"id":2}')).toBe('the name "id" occurs twice in one object')
  expect(why('{"a":{"id":1 , "i\\u0064"\n:2}}')).toBe('the name "id" occurs twice in one object')
  expect(why('{"a":[{"b":1},{"b":2,"c":{},"b":3}]}')).toBe('the name "b" occurs twice in one object')
  expect(why('{"__proto__":1,"__proto__":2}')).toBe('the name "__proto__" occurs twice in one object')
  for (const fine of [
    '{"id":{"id":1}}',
    '[{"id":1},{"id":2}]',
    '{"a":"\\"a\\":1","b":"b\\\\"}',
    '{"a":":","b":"a\\" : "}',
    '5',
    'null',
  ])
    expect(why(fine)).toBeNull()
})

type Tree = number | string | Tree[] | { readonly members: readonly (readonly [string, Tree])[] }
const name = fc.constantFrom('a', 'b', 'a"', 'a":', '\\', '')
const space = fc.constantFrom('', ' ', '\t ')
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.nat(9),
    fc.constantFrom('a', '"a":', 'a\\":"', ':'),
    fc.array(tie('tree'), { maxLength: 2 }),
    fc.record({ members: fc.array(fc.tuple(name, tie('tree')), { maxLength: 3 }) }),
  ),
}))

function write(tree: Tree, gap: string): string {
  if (typeof tree !== 'object') return JSON.stringify(tree)
  if (Array.isArray(tree)) return `[${tree.map((item) => write(item, gap)).join(`,${gap}`)}]`
  const members = tree.members.map(([key, value]) => `${JSON.stringify(key)}${gap}:${gap}${write(value, gap)}`)
  return `{${members.join(`${gap},`)}}`
}
function repeats(tree: Tree): boolean {
  if (typeof tree !== 'object') return false
  if (Array.isArray(tree)) return tree.some(repeats)
  const names = tree.members.map(([key]) => key)
  return new Set(names).size < names.length || tree.members.some(([, value]) => repeats(value))
}

test('finds duplicate names in generated texts, and only those', () => {
  fc.assert(
    fc.property(tree, space, (value, gap) => {
      expect(why(write(value, gap)) !== null).toBe(repeats(value))
    }),
    { numRuns: 2_000 },
  )
})

test('finds excessive nesting, and only that', () => {
  const nested = (levels: number): string => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`
  const wide = `[${'{"a":[]},'.repeat(JSON_DEPTH_MAX)}"${'[{'.repeat(JSON_DEPTH_MAX)}\\""]`
  for (const [text, deep] of [
    [nested(JSON_DEPTH_MAX), false],
    [nested(JSON_DEPTH_MAX + 2), true],
    [wide, false],
    ['['.repeat(JSON_DEPTH_MAX * 3).padEnd(JSON_DEPTH_MAX * 4, ' '), true],
  ] as const)
    expect(isTooDeep(Buffer.from(text))).toBe(deep)
  expect(why(nested(JSON_DEPTH_MAX))).toBeNull()
  expect(why(wide)).toBeNull()
  expect(why(nested(JSON_DEPTH_MAX + 2))).toBe(`the event is nested deeper than ${JSON_DEPTH_MAX} levels`)
})

test('refuses an unpaired surrogate, but not a pair or an escaped backslash', () => {
  expect(why('{"a":["\\ud800"]}')).toMatch(/unpaired surrogate/)
  expect(why('{"\\udfff":1}')).toMatch(/unpaired surrogate/)
  expect(why('{"a":"\\ud83d\\ude00","b":"\\\\ud800"}')).toBeNull()
})
