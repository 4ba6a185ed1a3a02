/** Viewed, then bought: small histories, each answered at every cut between the layers. */

import { expect, test } from 'vitest'
import { runCases } from 'watershed/testing'
import definition from './definition.ts'

const click = (action: string, second: number, user = 1) => ({
  id: `${action}-${second}-${user}`,
  at: new Date(Date.UTC(2026, 2, 1, 12, 0, second)).toISOString(),
  action,
  user: { id: user },
  course: { id: 'c1' },
})
const bought = [{ course_id: 'c1', user_id: 1 }]

const cases = {
  'a view, then a purchase': { given: [click('view', 1), click('purchase', 2)], viewed: bought },
  'the purchase arrives first': { given: [click('purchase', 2), click('view', 1)], viewed: bought },
  'bought without a view': { given: [click('purchase', 2), click('cart', 1)], viewed: [] },
  'viewed after the purchase': { given: [click('purchase', 1), click('view', 2)], viewed: [] },
  'bought again after a view': {
    given: [click('purchase', 1), click('view', 2), click('purchase', 3)],
    viewed: bought,
  },
  'another user buys': { given: [click('view', 1), click('purchase', 2, 2)], viewed: [] },
  'at the same moment': { given: [click('view', 1), click('purchase', 1)], viewed: [] },
}

test('who viewed a course and bought it afterwards', async () => {
  const asked = Object.entries(cases).map(([name, { given, viewed }]) => [
    name,
    {
      given,
      answers: {
        viewed_then_bought: viewed,
        'funnel?measures=viewed_then_bought&having=viewed_then_bought:gt:0': viewed.map(({ course_id }) => ({
          course_id,
          viewed_then_bought: 1,
        })),
      },
    },
  ])
  const results = await runCases(definition, Object.fromEntries(asked))
  expect(results.map(({ name, failures }) => [name, failures])).toEqual(Object.keys(cases).map((name) => [name, []]))
})
