/** Questions over all views of the RSVPs and of the winds, each of them another one. */
import { STATIONS } from './event-makers.ts'

const RSVPS = '/v1/datasets/meetup_rsvps/views'
const WINDS = '/v1/datasets/winds/views'
/** of the generated world: groups are numbered in sevens */
const GROUP_FIRST = 1_000_000
const GROUP_STEP = 7
const GROUPS = 3_000

/** What people ask of these views; `n` makes each question another one. */
const SHAPES: readonly ((n: number) => string)[] = [
  (n) => `${RSVPS}/responses_by_country?filter=country:ne:x${n}`,
  (n) => `${RSVPS}/responses_by_country?grain=minute&order=-time&limit=60&dimensions=&filter=country:ne:x${n}`,
  (n) => `${RSVPS}/responses_by_country?dimensions=&measures=attendees&filter=country:in:us,gb,x${n}`,
  (n) => `${RSVPS}/responses_by_city?order=-responses&limit=10&filter=city:ne:x${n}`,
  (n) => `${RSVPS}/responses_by_city?grain=hour&filter=country:eq:us&filter=city:ne:x${n}`,
  (n) => `${RSVPS}/responses_map?order=-attendees&limit=50&filter=lat:ne:${90 + n}`,
  (n) =>
    `${RSVPS}/responses_map?measures=responses&limit=100&filter=lat:gt:${(n % 400) / 10 - 20}&filter=lon:ne:${180 + n}`,
  (n) => `${RSVPS}/trending_topics?at=latest&filter=country:ne:x${n}`,
  (n) => `${RSVPS}/trending_topics?at=latest&limit=25&filter=topic:ne:x${n}`,
  (n) => `${RSVPS}/trending_topics?at=latest&per=country&limit=3&filter=country:in:us,gb,de,x${n}`,
  (n) => `${RSVPS}/group_summary?filter=group_id:eq:${GROUP_FIRST + GROUP_STEP * (n % GROUPS)}&filter=group_id:ne:${n}`,
  (n) => `${RSVPS}/group_summary?order=-responses&limit=10&measures=responses,name&filter=group_id:ne:${n}`,
  (n) => `${RSVPS}/event_summary?order=-attendees&limit=10&measures=attendees,name,date&filter=event_id:ne:x${n}`,
  (n) =>
    `${RSVPS}/event_summary?measures=responses&limit=20&filter=event_id:contains:${n % 100}x&filter=event_id:ne:x${n}`,
  (n) => `${WINDS}/by_station?grain=minute&dimensions=&filter=station:ne:x${n}`,
  (n) => `${WINDS}/by_station?filter=station:in:s${n % STATIONS},x${n}`,
  (n) => `${WINDS}/storms?at=latest&filter=station:ne:x${n}`,
  (n) => `${WINDS}/records?order=-strongest&limit=10&filter=station:ne:x${n}`,
]

export const SHAPE_COUNT = SHAPES.length

/** @returns paths, one shape after the other */
export function differentQuestions(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => SHAPES[n % SHAPES.length]!(n))
}
