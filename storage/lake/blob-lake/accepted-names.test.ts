import { expect, test } from 'vitest'
import { AcceptedNames } from './accepted-names.ts'

test('a name is looked at once, and the version changes with the accepted names', () => {
  const lookedAt: string[] = []
  const accepted = new AcceptedNames((name) => {
    lookedAt.push(name)
    return name.endsWith('.json')
  })
  expect(accepted.listing).toEqual({ version: 0, names: [] })
  accepted.take(['a.json', '.draft', 'b.json'])
  expect(accepted.listing).toEqual({ version: 1, names: ['a.json', 'b.json'] })
  accepted.take(['b.json', 'a.json'])
  expect(accepted.listing.version).toBe(1)
  accepted.take(['b.json', 'a.json', '.another'])
  expect(accepted.listing.version).toBe(1)
  accepted.take(['c.json', 'a.json'])
  expect(accepted.listing).toEqual({ version: 2, names: ['c.json', 'a.json'] })
  accepted.take(['a.json', 'b.json', 'c.json'])
  expect(accepted.listing.version).toBe(3)
  accepted.take([])
  expect(accepted.listing).toEqual({ version: 4, names: [] })
  expect(lookedAt).toEqual(['a.json', '.draft', 'b.json', '.another', 'c.json', 'b.json'])
})
