/** Topics against what they usually have at this hour of the week: five weeks in both layers, against plain code over the same lines. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BothLayers } from '#tests/shipped-datasets/both-layers.ts'
import definition from './definition.ts'
import { RsvpGenerator } from './rsvp-generator.ts'

interface Rsvp {
  readonly mtime: number
  readonly group: { readonly group_topics: readonly { readonly topic_name: string }[] }
}

const HOUR_MS = 3_600_000
const START_MS = Date.UTC(2026, 2, 2)
/** an answer every 25 minutes: the most common topics come up about once an hour */
const options = { seed: 5, startMs: START_MS, eventsPerSecond: 1 / 1_500, malformedShare: 0, futureShare: 0 }
const generator = new RsvpGenerator(options)
const lines = Array.from({ length: 2_400 }, () => generator.next())

let layers: BothLayers
beforeAll(async () => {
  layers = await BothLayers.of(definition, lines)
})
afterAll(() => layers.close())

/** hour of all time → topic → mentions */
const mentions = new Map<number, Map<string, number>>()
for (const line of lines) {
  const { mtime, group } = JSON.parse(line) as Rsvp
  const hour = Math.floor(mtime / HOUR_MS)
  const own = mentions.get(hour) ?? new Map<string, number>()
  mentions.set(hour, own)
  for (const { topic_name } of group.group_topics) own.set(topic_name, (own.get(topic_name) ?? 0) + 1)
}
const firstHour = Math.min(...[...mentions].filter(([, own]) => own.size > 0).map(([hour]) => hour))

function usual(hour: number, topic: string): number | null {
  const known = [1, 2, 3, 4].map((week) => hour - week * 168).filter((earlier) => earlier >= firstHour)
  if (known.length === 0) return null
  return known.reduce((sum, earlier) => sum + (mentions.get(earlier)?.get(topic) ?? 0), 0) / known.length
}

test('mentions, usual ones and the score of every topic in every hour of two days, five weeks after the first one', async () => {
  const [fromHour, toHour] = [START_MS / HOUR_MS + 35 * 24, START_MS / HOUR_MS + 37 * 24]
  const wanted = [...mentions]
    .filter(([hour]) => hour >= fromHour && hour < toHour)
    .flatMap(([hour, own]) => [...own].map(([topic, n]) => [hour, topic, n, usual(hour, topic)] as const))
  const question = `unusual_topics?from=${fromHour * HOUR_MS}&to=${toHour * HOUR_MS}&limit=10000`
  const rows = await layers.ask(question)
  const found = new Map(rows.map((row) => [`${Date.parse(String(row.time)) / HOUR_MS} ${row.topic}`, row]))
  expect(found.size).toBe(wanted.length)
  expect(wanted.filter(([, , , before]) => before !== null && before > 0).length).toBeGreaterThan(20)
  for (const [hour, topic, n, before] of wanted) {
    const row = found.get(`${hour} ${topic}`)!
    expect(row).toMatchObject({ mentions: n, usual_mentions: before })
    expect(row.score).toBeCloseTo((n - before!) / Math.sqrt(before! + 1), 12)
  }
})

test('in the first weeks only what is known counts', async () => {
  const hours = [...mentions.keys()].filter((hour) => hour < firstHour + 3 * 168)
  const rows = await layers.ask(
    `unusual_topics?to=${(firstHour + 3 * 168) * HOUR_MS}&limit=10000&measures=usual_mentions`,
  )
  const found = rows.map(({ time, topic, usual_mentions }) => [`${time} ${topic}`, usual_mentions])
  const wanted = hours.flatMap((hour) =>
    [...mentions.get(hour)!.keys()].map((topic) => [
      `${new Date(hour * HOUR_MS).toISOString()} ${topic}`,
      usual(hour, topic),
    ]),
  )
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted))
  expect(found.length).toBe(wanted.length)
})
