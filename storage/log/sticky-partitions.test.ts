import fc from 'fast-check'
import { expect, test } from 'vitest'
import { spread } from './sticky-partitions.ts'

const shares = (map: Map<string, number[]>) => Object.fromEntries(map)

test('a member that leaves gives its partitions to the others, which keep theirs', () => {
  const before = spread(
    [0, 1, 2, 3, 4, 5],
    ['a', 'b', 'c'].map((id) => ({ id, owned: [] })),
  )
  const left = ['a', 'c'].map((id) => ({ id, owned: before.get(id)! }))
  const after = spread([0, 1, 2, 3, 4, 5], left)
  for (const { id, owned } of left) expect(after.get(id)).toEqual(expect.arrayContaining(owned))
  expect([...after.values()].flat().sort()).toEqual([0, 1, 2, 3, 4, 5])
})

test('a member that comes takes only its share', () => {
  expect(
    shares(
      spread(
        [0, 1, 2, 3],
        [
          { id: 'a', owned: [0, 1, 2, 3] },
          { id: 'b', owned: [] },
        ],
      ),
    ),
  ).toEqual({ a: [0, 1], b: [2, 3] })
})

test('each partition has one owner and shares differ by one at the most, whatever members say of themselves', () => {
  const member = fc.record({
    id: fc.string({ minLength: 1, maxLength: 4 }),
    owned: fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 8 }),
  })
  const members = fc.uniqueArray(member, { minLength: 1, maxLength: 6, selector: ({ id }) => id })
  fc.assert(
    fc.property(members, fc.integer({ min: 0, max: 12 }), (group, count) => {
      const partitions = Array.from({ length: count }, (_, index) => index)
      const spreadOut = [...spread(partitions, group).values()]
      expect(spreadOut.flat().sort((a, b) => a - b)).toEqual(partitions)
      const sizes = spreadOut.map(({ length }) => length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      expect(spread(partitions, group.toReversed())).toEqual(spread(partitions, group))
    }),
  )
})
