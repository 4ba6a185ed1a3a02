/** The questions of the classic dashboards, answered by both layers together, against plain code over the same lines. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AnswerRow, BothLayers } from '#tests/shipped-datasets/both-layers.ts'
import definition from './definition.ts'
import { RsvpGenerator } from './rsvp-generator.ts'

interface Rsvp {
  readonly mtime: number
  readonly response: string
  readonly guests: number
  readonly member: { readonly member_id: number }
  readonly event: { readonly event_id: string }
  readonly group: { readonly group_id: number; readonly group_country: string; readonly group_city: string }
}

const START_MS = Date.UTC(2026, 2, 1, 9)
const options = { seed: 21, startMs: START_MS, eventsPerSecond: 1, malformedShare: 0, futureShare: 0 }
const generator = new RsvpGenerator(options)
const lines = Array.from({ length: 3_000 }, () => generator.next())
const rsvps = lines.map((line) => JSON.parse(line) as Rsvp)

let layers: BothLayers
beforeAll(async () => {
  layers = await BothLayers.of(definition, lines)
})
afterAll(() => layers.close())

const attendees = (some: readonly Rsvp[]): number =>
  some.filter(({ response }) => response === 'yes').reduce((sum, { guests }) => sum + 1 + guests, 0)

interface Counted {
  readonly key: string
  readonly own: readonly Rsvp[]
}

/** Most responses first, then by key. */
function most(some: readonly Rsvp[], keyOf: (rsvp: Rsvp) => string): Counted[] {
  const groups = [...Map.groupBy(some, keyOf)].map(([key, own]) => ({ key, own }))
  return groups.toSorted((a, b) => b.own.length - a.own.length || (a.key < b.key ? -1 : 1))
}

const shown = (rows: readonly AnswerRow[], ...names: string[]): unknown[] =>
  rows.map((row) => names.map((name) => row[name]))

test('the top five cities', async () => {
  const wanted = most(rsvps, ({ group }) => `${group.group_country} ${group.group_city}`).slice(0, 5)
  const rows = await layers.ask('responses_by_city?order=-responses&limit=5')
  expect(rows.map(({ country, city, responses, attendees }) => [`${country} ${city}`, responses, attendees])).toEqual(
    wanted.map(({ key, own }) => [key, own.length, attendees(own)]),
  )
})

test('the most active countries', async () => {
  const wanted = most(rsvps, ({ group }) => group.group_country).slice(0, 5)
  const rows = await layers.ask('responses_by_country?order=-responses&limit=5')
  expect(shown(rows, 'country', 'responses')).toEqual(wanted.map(({ key, own }) => [key, own.length]))
})

test('two countries compared over time', async () => {
  const two = rsvps.filter(({ group }) => ['gb', 'de'].includes(group.group_country))
  const hourOf = (mtime: number): string => new Date(mtime - (mtime % 3_600_000)).toISOString()
  const wanted = most(two, ({ mtime, group }) => `${hourOf(mtime)} ${group.group_country}`)
  const rows = await layers.ask('responses_by_country?filter=country:in:gb,de&grain=hour&limit=10000')
  const found = rows.map(({ time, country, responses }) => [`${time} ${country}`, responses])
  expect(found).toEqual(wanted.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, own }) => [key, own.length]))
  expect(found.length).toBeGreaterThan(3)
})

test('responses by event and country', async () => {
  const british = rsvps.filter(({ group }) => group.group_country === 'gb')
  const wanted = most(british, ({ event }) => event.event_id)
  const rows = await layers.ask('event_summary?having=country:eq:gb&order=-responses&limit=10000')
  expect(shown(rows, 'event_id', 'responses', 'attendees')).toEqual(
    wanted.map(({ key, own }) => [key, own.length, attendees(own)]),
  )
})

test('groups by the members who answered', async () => {
  const members = (own: readonly Rsvp[]): number => new Set(own.map(({ member }) => member.member_id)).size
  const wanted = most(rsvps, ({ group }) => String(group.group_id)).map(({ key, own }) => [Number(key), members(own)])
  const rows = await layers.ask('group_summary?limit=10000&order=group_id')
  expect(shown(rows, 'group_id', 'members')).toEqual(wanted.toSorted(([a], [b]) => a! - b!))
})
