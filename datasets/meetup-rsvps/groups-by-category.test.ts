/** Groups by the categories of their topics, which the dictionary knows: at every cut between the layers, against plain code. */
import { expect, test } from 'vitest'
import { runCases } from 'watershed/testing'
import { TOPICS_BY_CATEGORY } from '../dictionaries/topic-categories.ts'
import definition from './definition.ts'
import { RsvpGenerator } from './rsvp-generator.ts'

interface Rsvp {
  readonly mtime: number
  readonly member: { readonly member_id: number }
  readonly group: { readonly group_id: number; readonly group_topics: readonly { readonly topic_name: string }[] }
}

const options = { seed: 8, startMs: Date.UTC(2026, 2, 1, 9), eventsPerSecond: 1, malformedShare: 0, futureShare: 0 }
const generator = new RsvpGenerator({ ...options, lateShare: 0 })
const rsvps = Array.from({ length: 12 }, () => JSON.parse(generator.next()) as Rsvp)

const categoriesOf = ({ group }: Rsvp): string[] =>
  Object.entries(TOPICS_BY_CATEGORY)
    .filter(([, topics]) => group.group_topics.some(({ topic_name }) => topics.includes(topic_name)))
    .map(([category]) => category)

const groups = [...Map.groupBy(rsvps, ({ group }) => group.group_id).values()]
const rows = groups.flatMap((own) =>
  categoriesOf(own[0]!).map((category) => ({
    category,
    responses: own.length,
    members: new Set(own.map(({ member }) => member.member_id)).size,
  })),
)
const wanted = [...Map.groupBy(rows, ({ category }) => category)]
  .map(([category, own]) => ({
    category,
    groups: own.length,
    memberships: own.reduce((sum, { members }) => sum + members, 0),
    responses: own.reduce((sum, { responses }) => sum + responses, 0),
  }))
  .toSorted((a, b) => (a.category < b.category ? -1 : 1))

test('groups, memberships and responses by category', async () => {
  expect(wanted.length).toBeGreaterThan(5)
  expect(rows.length).toBeGreaterThan(groups.length)
  const most = wanted.toSorted((a, b) => b.groups - a.groups || (a.category < b.category ? -1 : 1)).slice(0, 3)
  const [result] = await runCases(definition, {
    categories: {
      given: rsvps,
      answers: {
        'groups_by_category?order=category': wanted,
        'groups_by_category?order=-groups&limit=3&measures=groups': most.map(({ category, groups }) => ({
          category,
          groups,
        })),
        [`groups_by_category?filter=category:eq:${most[0]!.category}&measures=groups`]: [
          { category: most[0]!.category, groups: most[0]!.groups },
        ],
      },
    },
  })
  expect(result!.failures).toEqual([])
})
