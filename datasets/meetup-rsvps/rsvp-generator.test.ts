import { expect, test } from 'vitest'
import { eventCheck } from '#core/check-event.ts'
import { countryEntries } from '#datasets/dictionaries/countries.ts'
import { topicEntries } from '#datasets/dictionaries/topic-categories.ts'
import rsvps from './definition.ts'
import { RsvpGenerator } from './rsvp-generator.ts'

const START_MS = 1_700_000_000_000
const lines = (count: number, options: object = {}): string[] => {
  const generator = new RsvpGenerator({ seed: 7, startMs: START_MS, ...options })
  return Array.from({ length: count }, () => generator.next())
}
const parsed = (texts: string[]) => texts.map((text) => JSON.parse(text))

test('the same seed and start give the same stream, another seed another one', () => {
  expect(lines(300)).toEqual(lines(300))
  expect(lines(300, { seed: 8 })).not.toEqual(lines(300))
})

test('about one line in a hundred is spoiled; exactly those cannot be used', () => {
  const { check } = eventCheck(rsvps)
  const usable = (text: string): boolean => {
    try {
      return check(JSON.parse(text), text, START_MS).ok
    } catch {
      return false
    }
  }
  const generator = new RsvpGenerator({ seed: 7, startMs: START_MS })
  const made = Array.from({ length: 5_000 }, () => generator.nextLine())
  for (const { line, malformed } of made) expect(usable(line)).toBe(!malformed)
  const bad = made.filter(({ malformed }) => malformed).length
  expect(bad).toBeGreaterThan(25)
  expect(bad).toBeLessThan(90)
  expect(lines(2_000, { malformedShare: 0 }).every(usable)).toBe(true)
})

test('event time follows the given clock, and begins now when no start is given', () => {
  const generator = new RsvpGenerator({ seed: 1, lateShare: 0, futureShare: 0, malformedShare: 0 })
  const { timeMs, line } = generator.nextLine(START_MS)
  expect(timeMs).toBeGreaterThan(START_MS - 1_000)
  expect(timeMs).toBeLessThanOrEqual(START_MS)
  expect(JSON.parse(line).mtime).toBe(timeMs)
  expect(Math.abs(generator.nextLine().timeMs - Date.now())).toBeLessThan(60_000)
})

test('lines are as long as real ones, and whoever answers again mostly changes the answer', () => {
  const texts = lines(3_000, { malformedShare: 0 })
  const meanBytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / texts.length
  expect(meanBytes).toBeGreaterThan(1_100)
  expect(meanBytes).toBeLessThan(1_400)
  const byRsvp = Map.groupBy(parsed(texts), (event) => event.rsvp_id)
  const again = [...byRsvp.values()].filter((answers) => answers.length > 1)
  const changed = again.filter((answers) => new Set(answers.map((answer) => answer.response)).size > 1)
  expect(again.length).toBeGreaterThan(50)
  expect(changed.length / again.length).toBeGreaterThan(0.6)
  for (const answers of again) expect(new Set(answers.map((answer) => answer.member.member_id)).size).toBe(1)
})

test('bursts come and go: within minutes, another topic leads', () => {
  const texts = lines(20 * 60 * 20, { eventsPerSecond: 20, malformedShare: 0 })
  const leaders = Array.from({ length: 20 }, (_, minute) => {
    const mentions = new Map<string, number>()
    for (const event of parsed(texts.slice(minute * 1_200, (minute + 1) * 1_200))) {
      for (const { topic_name } of event.group.group_topics) {
        mentions.set(topic_name, (mentions.get(topic_name) ?? 0) + 1)
      }
    }
    return [...mentions].sort((a, b) => b[1] - a[1])[0]![0]
  })
  expect(new Set(leaders).size).toBeGreaterThan(2)
})

test('has what real streams have: skew, missing venues, repeated, late and future answers, no line breaks', () => {
  const events = parsed(lines(5_000, { malformedShare: 0, futureShare: 0.01 }))
  const countries = Map.groupBy(events, (event) => event.group.group_country)
  expect(countries.get('us')!.length).toBeGreaterThan(countries.get('kr')?.length ?? 0)
  const withoutVenue = events.filter((event) => event.venue === undefined).length / events.length
  expect(withoutVenue).toBeGreaterThan(0.1)
  expect(withoutVenue).toBeLessThan(0.3)
  expect(new Set(events.map((event) => event.rsvp_id)).size).toBeLessThan(events.length)
  const ahead = events.filter((event, index) => event.mtime > START_MS + index * 10 + 86_400_000)
  expect(ahead.length).toBeGreaterThan(10)
  expect(events.some((event, index) => event.mtime < START_MS + index * 10 - 60_000)).toBe(true)
  expect(lines(1_000).join('')).not.toContain('\n')
})

test('dictionaries know the countries by code and by odd names, and topics once each', () => {
  const countries = new Map([...countryEntries()].map((entry) => [entry.key, entry.attributes]))
  expect(countries.get('de')).toEqual({ name: 'Germany', iso2: 'DE', iso3: 'DEU', numeric: '276' })
  for (const [alias, iso2] of [
    ['EIRE', 'IE'],
    ['RSA', 'ZA'],
    ['Korea, South', 'KR'],
    ['sg', 'SG'],
  ] as const) {
    expect(countries.get(alias)?.iso2).toBe(iso2)
  }
  const topics = topicEntries().map((entry) => entry.key)
  expect(new Set(topics).size).toBe(topics.length)
  expect(topics.length).toBeGreaterThan(200)
})
