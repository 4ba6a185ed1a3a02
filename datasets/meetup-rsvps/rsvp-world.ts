/** The made-up world that the RSVP generator draws from: cities, groups with topics and members, and their events. */
import { TOPICS_BY_CATEGORY } from '#datasets/dictionaries/topic-categories.ts'
import { Random } from '#datasets/random.ts'

/** country, city, latitude, longitude; the order is the skew: early ones come more often */
const CITIES: readonly (readonly [string, string, number, number])[] = [
  ['us', 'New York', 40.75, -73.99],
  ['us', 'San Francisco', 37.77, -122.41],
  ['gb', 'London', 51.52, -0.1],
  ['us', 'Chicago', 41.88, -87.62],
  ['us', 'Los Angeles', 34.05, -118.24],
  ['us', 'Austin', 30.27, -97.74],
  ['au', 'Sydney', -33.87, 151.21],
  ['ca', 'Toronto', 43.67, -79.38],
  ['us', 'Seattle', 47.61, -122.33],
  ['gb', 'Manchester', 53.48, -2.24],
  ['de', 'Berlin', 52.52, 13.38],
  ['es', 'Barcelona', 41.4, 2.17],
  ['us', 'Boston', 42.36, -71.06],
  ['us', 'Denver', 39.74, -104.98],
  ['fr', 'Paris', 48.86, 2.34],
  ['au', 'Melbourne', -37.81, 144.96],
  ['jp', 'Tokyo', 35.67, 139.77],
  ['in', 'Bangalore', 12.97, 77.56],
  ['nl', 'Amsterdam', 52.37, 4.89],
  ['es', 'Madrid', 40.42, -3.71],
  ['de', 'München', 48.14, 11.58],
  ['ie', 'Dublin', 53.33, -6.25],
  ['sg', 'Singapore', 1.3, 103.85],
  ['ch', 'Zürich', 47.38, 8.54],
  ['br', 'São Paulo', -23.53, -46.63],
  ['it', 'Milano', 45.48, 9.19],
  ['se', 'Stockholm', 59.33, 18.07],
  ['ae', 'Dubai', 25.27, 55.33],
  ['il', 'Tel Aviv-Yafo', 32.07, 34.77],
  ['tw', 'Taipei', 25.02, 121.45],
  ['za', 'Cape Town', -33.93, 18.46],
  ['dk', 'København', 55.68, 12.57],
  ['pl', 'Kraków', 50.06, 19.96],
  ['mx', 'México City', 19.43, -99.14],
  ['tr', 'İstanbul', 41.01, 28.96],
  ['kr', 'Seoul', 37.56, 126.99],
]
const STATES: Readonly<Record<string, string>> = {
  'New York': 'NY',
  'San Francisco': 'CA',
  Chicago: 'IL',
  'Los Angeles': 'CA',
  Austin: 'TX',
  Seattle: 'WA',
  Boston: 'MA',
  Denver: 'CO',
}
const FIRST_NAMES = [
  'Anna',
  'Ben',
  'Chloé',
  'Dmitri',
  'Elif',
  'Fatima',
  'Grace',
  'Hiro',
  'Inês',
  'José',
  'Kim',
  'Łukasz',
  'María',
  'Noah',
  'Olga',
  'Priya',
  'Quinn',
  'Rosa',
  'Søren',
  'Tom',
  'Uma',
  'Wei',
  'Yuki',
  'Zoë',
  '小明',
  'Игорь',
]
const VENUES = [
  'Public Library',
  'The Old Oak',
  'Community Hall',
  'Café Central',
  'City Park Entrance',
  'Town Hall',
  'Tech Hub',
  'Riverside Bar',
  'Sports Centre',
  'Coworking Loft',
]

export interface World {
  readonly groups: readonly Group[]
}

export interface Group {
  /** JSON text of the group member of an RSVP */
  readonly json: string
  readonly topics: readonly string[]
  readonly events: readonly WorldEvent[]
  /** members are numbered from 0; `memberJson` makes one when it is needed: all at once would be some 300,000 texts */
  readonly memberCount: number
  readonly memberSeed: number
}

export interface WorldEvent {
  readonly id: string
  readonly name: string
  readonly url: string
  /** starts this long after the stream's beginning, ms */
  readonly afterMs: number
  /** JSON text of the venue; null: about one in five has none */
  readonly venue: string | null
}

const GROUPS = 3_000
const EVENTS_PER_GROUP_MAX = 5

/** Makes the world; the same random numbers make the same world. */
export function makeWorld(random: Random): World {
  const categories = Object.keys(TOPICS_BY_CATEGORY)
  return { groups: Array.from({ length: GROUPS }, (_, index) => makeGroup(random, index, categories)) }
}

function makeGroup(random: Random, index: number, categories: readonly string[]): Group {
  const [country, city, lat, lon] = random.pickSkewed(CITIES)
  const topics = new Set<string>()
  const category = random.pickSkewed(categories)
  // One group in thirty has no topics at all.
  if (!random.chance(1 / 30)) {
    for (let i = 4 + random.below(12); i > 0; i--) {
      topics.add(random.pickSkewed(TOPICS_BY_CATEGORY[random.chance(0.7) ? category : random.pick(categories)]!))
    }
  }
  const name = `${city} ${[...topics][0] ?? 'Friends'} Group ${index}`
  const urlname = name.normalize('NFKD').replaceAll(/[^\w]+/g, '-')
  const group = {
    group_topics: [...topics].map((topic) => ({
      urlkey: topic.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'),
      topic_name: topic,
    })),
    group_city: city,
    group_country: country,
    group_id: 1_000_000 + index * 7,
    group_name: name,
    group_lon: lon,
    group_urlname: urlname,
    ...(country === 'us' ? { group_state: STATES[city] } : {}),
    group_lat: lat,
  }
  const events = Array.from({ length: 1 + random.below(EVENTS_PER_GROUP_MAX) }, (_, at) =>
    makeEvent(random, index, at, urlname, lat, lon),
  )
  return {
    json: JSON.stringify(group),
    topics: [...topics],
    events,
    memberCount: 20 + random.below(180),
    memberSeed: random.below(2 ** 32),
  }
}

/** JSON text of a group's member; the same number gives the same member. */
export function memberJson(group: Group, number: number): string {
  const random = new Random(group.memberSeed + number)
  const id = 10_000_000 + random.below(90_000_000)
  const photo = `http://photos${id % 4}.meetupstatic.com/photos/member/${(id % 4096).toString(16)}/thumb_${id}.jpeg`
  const name = `${random.pick(FIRST_NAMES)} ${String.fromCharCode(65 + random.below(26))}.`
  return `{"member_id":${id},"photo":"${photo}","member_name":"${name}"}`
}

function makeEvent(random: Random, group: number, at: number, urlname: string, lat: number, lon: number): WorldEvent {
  const id = `${(group * 7 + 13).toString(36)}x${at}${random.below(1e6).toString(36)}`
  const place = {
    venue_name: random.pick(VENUES),
    lon: round(lon + (random.next() - 0.5) / 5),
    lat: round(lat + (random.next() - 0.5) / 5),
    venue_id: 20_000_000 + group * 5 + at,
  }
  const venue = random.chance(0.2) ? null : JSON.stringify(random.chance(0.1) ? { ...place, lon: 0, lat: 0 } : place)
  return {
    id,
    name: `Meeting ${at + 1} at ${place.venue_name}`,
    url: `https://www.meetup.com/${urlname}/events/${id}/`,
    afterMs: (1 + random.below(30)) * 86_400_000,
    venue,
  }
}

function round(degrees: number): number {
  return Math.round(degrees * 1e4) / 1e4
}
