/** The four dashboards over the presented indices of meetup_rsvps. */
import type { Bucket, Dashboard, Metric, PresentedData, TermsBucket } from './panel.ts'

export const DATASET = 'meetup_rsvps'

export const DATA_VIEWS: readonly PresentedData[] = [
  { view: 'responses_by_country', title: 'RSVPs by country', time: 'time' },
  { view: 'responses_by_city', title: 'RSVPs by city', time: 'time' },
  { view: 'responses_map', title: 'RSVPs on the map', time: 'time' },
  { view: 'trending_topics', title: 'Trending topics', time: 'window_end' },
  { view: 'group_summary', title: 'Groups', time: 'last_activity' },
  { view: 'event_summary', title: 'Events', time: 'last_activity' },
]

const sum = (field: string, label: string): Metric => ({ kind: 'sum', field, label })
const count = (label: string): Metric => ({ kind: 'count', label })
const top = (size: number, field: string, label: string): TermsBucket => ({ kind: 'terms', field, size, label })
const over = (field: string): Bucket => ({ kind: 'time', field })

const responses = sum('responses', 'Responses')
const attendees = sum('attendees', 'Attendees')
const guests = sum('guests', 'Guests')
// A member of two groups would count twice in a sum: distinct counts are shown where a group of the panel is one row, and nowhere else.
const members: Metric = { kind: 'max', field: 'members', label: 'Members' }
const events: Metric = { kind: 'max', field: 'events', label: 'Events' }
// Windows overlap: a topic's mentions are those of its strongest window, never a sum over windows.
const mentions: Metric = { kind: 'max', field: 'mentions', label: 'Mentions in 5 minutes' }
const third = { width: 16, height: 14 } as const
const half = { width: 24, height: 14 } as const
const whole = { width: 48, height: 18 } as const
const tile = { width: 12, height: 8 } as const

const RESPONSES: Dashboard = {
  id: 'responses',
  title: 'RSVPs: responses',
  description: 'Who answers, what, and where',
  from: 'now-24h',
  panels: [
    {
      id: 'responses-map',
      title: 'Responses on the map',
      shape: 'map',
      view: 'responses_map',
      place: 'location',
      show: [responses],
      ...whole,
    },
    {
      id: 'responses-over-time',
      title: 'Responses over time',
      shape: 'bars',
      view: 'responses_by_country',
      by: [over('time')],
      show: [responses],
      ...half,
    },
    {
      id: 'responses-yes-no',
      title: 'Yes and no over time',
      shape: 'stacked',
      view: 'responses_by_country',
      by: [over('time')],
      show: [sum('yes', 'Yes'), sum('no', 'No')],
      ...half,
    },
    {
      id: 'responses-countries-attendees',
      title: 'Top 10 countries by attendees',
      shape: 'ranking',
      view: 'responses_by_country',
      by: [top(10, 'country_name', 'Country')],
      show: [attendees],
      ...third,
    },
    {
      id: 'responses-countries-guests',
      title: 'Top 10 countries by guests',
      shape: 'ranking',
      view: 'responses_by_country',
      by: [top(10, 'country_name', 'Country')],
      show: [guests],
      ...third,
    },
    {
      id: 'responses-countries',
      title: 'Top 5 countries by responses',
      shape: 'donut',
      view: 'responses_by_country',
      by: [top(5, 'country_name', 'Country')],
      show: [responses],
      ...third,
    },
    {
      id: 'responses-cities',
      title: 'Cities',
      shape: 'table',
      view: 'responses_by_city',
      by: [top(100, 'city', 'City')],
      show: [responses, sum('yes', 'Yes'), sum('no', 'No'), attendees],
      ...half,
    },
    {
      id: 'responses-two-countries',
      title: 'Two countries compared',
      shape: 'lines',
      view: 'responses_by_country',
      by: [{ kind: 'values', field: 'country', values: ['us', 'gb'] }, over('time')],
      show: [responses],
      ...half,
    },
  ],
}

const TRENDING: Dashboard = {
  id: 'trending',
  title: 'RSVPs: trending topics',
  description: 'Topics of windows of five minutes, every ten seconds; one row per place in a ranking',
  from: 'now-15m',
  panels: [
    {
      id: 'trending-counter',
      title: 'Topics that trend',
      shape: 'number',
      view: 'trending_topics',
      where: { field: 'scope', value: 'global' },
      by: [],
      show: [{ kind: 'distinct', field: 'topic', label: 'Topics' }],
      ...third,
    },
    {
      id: 'trending-top',
      title: 'Top 10 topics',
      shape: 'ranking',
      view: 'trending_topics',
      where: { field: 'scope', value: 'global' },
      by: [top(10, 'topic', 'Topic')],
      show: [mentions],
      ...third,
    },
    {
      id: 'trending-over-time',
      title: 'Top 10 topics over time',
      shape: 'lines',
      view: 'trending_topics',
      where: { field: 'scope', value: 'global' },
      by: [top(10, 'topic', 'Topic'), over('window_end')],
      show: [mentions],
      ...third,
    },
    {
      id: 'trending-by-country',
      title: 'Top topics by country',
      shape: 'table',
      view: 'trending_topics',
      where: { field: 'scope', value: 'country' },
      by: [top(10, 'country_name', 'Country'), top(5, 'topic', 'Topic')],
      show: [mentions],
      ...half,
    },
    {
      id: 'trending-map',
      title: 'Where topics trend',
      shape: 'map',
      view: 'trending_topics',
      where: { field: 'scope', value: 'country' },
      place: 'location',
      show: [mentions],
      ...half,
    },
  ],
}

const GROUPS: Dashboard = {
  id: 'groups',
  title: 'RSVPs: groups',
  description: 'Groups as of the last batch result. Members of several groups together are not a sum: ask the HTTP API',
  from: 'now-30d',
  panels: [
    {
      id: 'groups-count',
      title: 'Groups',
      shape: 'number',
      view: 'group_summary',
      by: [],
      show: [count('Groups')],
      ...tile,
    },
    {
      id: 'groups-responses',
      title: 'Responses',
      shape: 'number',
      view: 'group_summary',
      by: [],
      show: [responses],
      ...tile,
    },
    {
      id: 'groups-events',
      title: 'Events answered to',
      shape: 'number',
      view: 'event_summary',
      by: [],
      show: [count('Events')],
      ...tile,
    },
    {
      id: 'groups-attendees',
      title: 'Attendees',
      shape: 'number',
      view: 'group_summary',
      by: [],
      show: [attendees],
      ...tile,
    },
    {
      id: 'groups-cities',
      title: 'Top 15 cities',
      shape: 'ranking',
      view: 'group_summary',
      by: [top(15, 'city', 'City')],
      show: [count('Groups')],
      ...half,
    },
    {
      id: 'groups-countries',
      title: 'Top 15 countries',
      shape: 'ranking',
      view: 'group_summary',
      by: [top(15, 'country_name', 'Country')],
      show: [count('Groups')],
      ...half,
    },
    {
      id: 'groups-by-group',
      title: 'Members, events and attendees by group',
      shape: 'table',
      view: 'group_summary',
      by: [top(50, 'name', 'Group'), { ...top(5, 'group_id', 'Id'), type: 'number' }],
      show: [members, events, attendees],
      ...half,
    },
    {
      id: 'groups-by-country',
      title: 'Groups, responses and attendees by country',
      shape: 'table',
      view: 'group_summary',
      by: [top(50, 'country_name', 'Country')],
      show: [count('Groups'), responses, attendees],
      ...half,
    },
    {
      id: 'groups-by-date',
      title: 'Groups by the date of their last answer',
      shape: 'bars',
      view: 'group_summary',
      by: [over('last_activity')],
      show: [count('Groups')],
      ...whole,
    },
  ],
}

const EVENTS: Dashboard = {
  id: 'events',
  title: 'RSVPs: events',
  description: 'Events as of the last batch result',
  from: 'now-30d',
  panels: [
    {
      id: 'events-map',
      title: 'Events on the map',
      shape: 'map',
      view: 'event_summary',
      place: 'location',
      show: [count('Events')],
      ...whole,
    },
    {
      id: 'events-count',
      title: 'Events',
      shape: 'number',
      view: 'event_summary',
      by: [],
      show: [count('Events')],
      ...third,
    },
    {
      id: 'events-responses',
      title: 'Responses',
      shape: 'number',
      view: 'event_summary',
      by: [],
      show: [responses],
      ...third,
    },
    {
      id: 'events-attendees',
      title: 'Attendees',
      shape: 'number',
      view: 'event_summary',
      by: [],
      show: [attendees],
      ...third,
    },
    {
      id: 'events-cities',
      title: 'Top 15 cities',
      shape: 'ranking',
      view: 'event_summary',
      by: [top(15, 'city', 'City')],
      show: [count('Events')],
      ...half,
    },
    {
      id: 'events-countries',
      title: 'Top 15 countries',
      shape: 'ranking',
      view: 'event_summary',
      by: [top(15, 'country_name', 'Country')],
      show: [count('Events')],
      ...half,
    },
    {
      id: 'events-by-event',
      title: 'Responses by event and country',
      shape: 'table',
      view: 'event_summary',
      by: [top(50, 'name', 'Event'), top(10, 'country_name', 'Country')],
      show: [responses, attendees],
      ...whole,
    },
  ],
}

export const DASHBOARDS: readonly Dashboard[] = [RESPONSES, TRENDING, GROUPS, EVENTS]
