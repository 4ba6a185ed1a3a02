import { expect, test } from 'vitest'
import { countryEntries } from './dictionaries/countries.ts'
import { topicEntries } from './dictionaries/topic-categories.ts'
import { RsvpGenerator } from './rsvp-generator.ts'

const lines = (count: number, options: object = {}): string[] => {
  const generator = new RsvpGenerator({ seed: 7, startMs: 1_700_000_000_000, ...options })
  return Array.from({ length: count }, () => generator.next())
}
const parsed = (texts: string[]) => texts.map((text) => JSON.parse(text))

test('the same seed and start give the same stream, another seed another one', () => {
  expect(lines(300)).toEqual(lines(300))
  expect(lines(300, { seed: 8 })).not.toEqual(lines(300))
})

test('about one line in a hundred can not be used, and none when told so', () => {
  const usable = (text: string): boolean => {
    try {
      const event = JSON.parse(text)
      return typeof event.rsvp_id === 'number' && typeof event.mtime === 'number' && typeof event.response === 'string'
    } catch {
      return false
    }
  }
  const bad = lines(5_000).filter((text) => !usable(text)).length
  expect(bad).toBeGreaterThan(20)
  expect(bad).toBeLessThan(100)
  expect(lines(2_000, { malformedShare: 0 }).every(usable)).toBe(true)
})

test('has what real streams have: skew, missing venues, repeated, late and future answers, no line breaks', () => {
  const events = parsed(lines(5_000, { malformedShare: 0, futureShare: 0.01 }))
  const countries = Map.groupBy(events, (event) => event.group.group_country)
  expect(countries.get('us')!.length).toBeGreaterThan(countries.get('kr')?.length ?? 0)
  const withoutVenue = events.filter((event) => event.venue === undefined).length / events.length
  expect(withoutVenue).toBeGreaterThan(0.1)
  expect(withoutVenue).toBeLessThan(0.3)
  expect(new Set(events.map((event) => event.rsvp_id)).size).toBeLessThan(events.length)
  const ahead = events.filter((event, index) => event.mtime > 1_700_000_000_000 + index * 10 + 86_400_000)
  expect(ahead.length).toBeGreaterThan(10)
  expect(events.some((event, index) => event.mtime < 1_700_000_000_000 + index * 10 - 60_000)).toBe(true)
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
