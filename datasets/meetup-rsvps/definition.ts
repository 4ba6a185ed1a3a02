/** Answers to meetup invitations (RSVPs), as the public stream of meetup.com gave them: who answers what, where, about which topics. */
import {
  calculate,
  count,
  countDistinct,
  defineDataset,
  latest,
  lookup,
  type MeasureDefinition,
  max,
  sliding,
  sum,
  usual,
} from '#core/definition.ts'

/** measures that every view of answers has; an attendee is a member who said yes, and each guest that came along */
const answers = {
  responses: count({ label: 'Responses' }),
  yes: count({ where: "response = 'yes'", label: 'Yes' }),
  no: count({ where: "response = 'no'", label: 'No' }),
  guests: sum('guests', { label: 'Guests' }),
  attendees: sum("CASE WHEN response = 'yes' THEN 1 + guests ELSE 0 END", { label: 'Attendees' }),
} satisfies Record<string, MeasureDefinition>

const country = {
  country_name: lookup('countries', 'country', 'name'),
  country_iso2: lookup('countries', 'country', 'iso2'),
  country_iso3: lookup('countries', 'country', 'iso3'),
  country_numeric: lookup('countries', 'country', 'numeric'),
}

/** what the stream does not say of a group: from a file, or fetched from a source that knows it */
const groupDetails = {
  group_category: lookup('group_details', 'group_id', 'category'),
  group_members: lookup('group_details', 'group_id', 'members'),
  group_founded: lookup('group_details', 'group_id', 'founded'),
}

/** the venue's position; 0/0 is how the stream says that it has none; then the group's */
const noVenue = 'venue_lat IS NULL OR venue_lon IS NULL OR (venue_lat = 0 AND venue_lon = 0)'
const latitude = `CASE WHEN ${noVenue} THEN group_lat ELSE venue_lat END`
const longitude = `CASE WHEN ${noVenue} THEN group_lon ELSE venue_lon END`
/** a tenth of a degree; adding 0 makes -0 (just south or west of zero) the same cell as 0 */
const cell = (degrees: string) => `round(${degrees}, 1) + 0.0`

export default defineDataset({
  name: 'meetup_rsvps',
  label: 'Meetup RSVPs',
  time: 'mtime',
  key: 'rsvp_id',
  lateAfter: '1m',
  columns: {
    rsvp_id: { type: 'BIGINT', path: '$.rsvp_id', required: true },
    mtime: { type: 'TIMESTAMP', path: '$.mtime', unit: 'ms', required: true, label: 'Answered at' },
    response: { type: 'VARCHAR', path: '$.response', required: true },
    guests: { type: 'INTEGER', path: '$.guests', default: 0 },
    visibility: { type: 'VARCHAR', path: '$.visibility' },
    member_id: { type: 'BIGINT', path: '$.member.member_id' },
    member_name: { type: 'VARCHAR', path: '$.member.member_name' },
    venue_id: { type: 'BIGINT', path: '$.venue.venue_id' },
    venue_name: { type: 'VARCHAR', path: '$.venue.venue_name' },
    venue_lat: { type: 'DOUBLE', path: '$.venue.lat' },
    venue_lon: { type: 'DOUBLE', path: '$.venue.lon' },
    event_id: { type: 'VARCHAR', path: '$.event.event_id', required: true },
    event_name: { type: 'VARCHAR', path: '$.event.event_name' },
    event_time: { type: 'TIMESTAMP', path: '$.event.time', unit: 'ms' },
    event_url: { type: 'VARCHAR', path: '$.event.event_url' },
    group_id: { type: 'BIGINT', path: '$.group.group_id', required: true },
    group_name: { type: 'VARCHAR', path: '$.group.group_name' },
    group_urlname: { type: 'VARCHAR', path: '$.group.group_urlname' },
    city: { type: 'VARCHAR', path: '$.group.group_city' },
    country: { type: 'VARCHAR', path: '$.group.group_country' },
    state: { type: 'VARCHAR', path: '$.group.group_state' },
    group_lat: { type: 'DOUBLE', path: '$.group.group_lat' },
    group_lon: { type: 'DOUBLE', path: '$.group.group_lon' },
    topics: { type: 'VARCHAR[]', path: '$.group.group_topics[*].topic_name' },
  },
  views: {
    responses_by_country: {
      label: 'Responses by country',
      dimensions: { country: 'country' },
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: answers,
      enrich: country,
    },
    responses_by_city: {
      label: 'Responses by city',
      dimensions: { country: 'country', city: 'city' },
      time: ['hour', 'day', 'week', 'month'],
      measures: answers,
      enrich: country,
    },
    responses_map: {
      label: 'Responses on the map, in cells of a tenth of a degree',
      dimensions: { lat: cell(latitude), lon: cell(longitude) },
      time: ['hour', 'day', 'week', 'month'],
      measures: answers,
    },
    activity: {
      label: 'Groups, events and members by city',
      dimensions: { country: 'country', city: 'city' },
      time: ['day', 'week', 'month'],
      measures: {
        groups: countDistinct('group_id', { exact: true, label: 'Groups' }),
        events: countDistinct('event_id', { exact: true, label: 'Events' }),
        members: countDistinct('member_id', { exact: true, label: 'Members who answered' }),
        responses: answers.responses,
        attendees: answers.attendees,
      },
      enrich: { country_name: country.country_name },
    },
    trending_topics: {
      label: 'Topics that are answered to right now',
      unnest: { topic: 'topics' },
      dimensions: { topic: 'topic', country: 'country' },
      window: sliding({ size: '5m', every: '10s' }),
      measures: { mentions: count({ label: 'Mentions' }) },
      rank: { by: 'mentions', limit: 10, dimensions: ['topic'], having: 'mentions > 5' },
      enrich: {
        category: lookup('topic_categories', 'topic', 'category'),
        country_name: lookup('countries', 'country', 'name'),
      },
    },
    topics: {
      label: 'Topics by hour',
      unnest: { topic: 'topics' },
      dimensions: { topic: 'topic' },
      time: ['hour', 'day', 'week'],
      measures: { mentions: count({ label: 'Mentions' }) },
      enrich: { category: lookup('topic_categories', 'topic', 'category') },
    },
    group_summary: {
      label: 'Groups',
      dimensions: { group_id: 'group_id' },
      measures: {
        members: countDistinct('member_id', { exact: true, label: 'Members who answered' }),
        events: countDistinct('event_id', { exact: true, label: 'Events answered to' }),
        ...answers,
        name: latest('group_name'),
        urlname: latest('group_urlname'),
        topics: latest('topics'),
        city: latest('city'),
        country: latest('country'),
        lat: latest('group_lat'),
        lon: latest('group_lon'),
        last_activity: max('mtime', { label: 'Last answer' }),
      },
      enrich: { ...country, ...groupDetails, categories: lookup('topic_categories', 'topics', 'category') },
    },
    event_summary: {
      label: 'Events',
      dimensions: { event_id: 'event_id' },
      measures: {
        members: countDistinct('member_id', { exact: true, label: 'Members who answered' }),
        ...answers,
        name: latest('event_name'),
        date: latest('event_time', { label: 'Takes place at' }),
        url: latest('event_url'),
        group_id: latest('group_id'),
        group_name: latest('group_name'),
        group_urlname: latest('group_urlname'),
        venue: latest('venue_name'),
        topics: latest('topics'),
        city: latest('city'),
        country: latest('country'),
        lat: latest(latitude),
        lon: latest(longitude),
        last_activity: max('mtime', { label: 'Last answer' }),
      },
      enrich: { ...country, ...groupDetails, categories: lookup('topic_categories', 'topics', 'category') },
    },
  },
  series: {
    unusual_topics: {
      label: 'Topics against what they usually have at this hour of the week',
      over: 'topics',
      grain: 'hour',
      columns: {
        usual_mentions: usual('mentions', { every: '7d', times: 4, label: 'Usual mentions' }),
        // As of counts whose usual deviation is the square root of their mean: a rare topic that is named twice is nothing special.
        score: calculate('(mentions - usual_mentions) / sqrt(usual_mentions + 1)', { label: 'Score' }),
      },
    },
  },
  groupings: {
    groups_by_category: {
      label: 'Groups by the categories of their topics; a group that has several counts for each',
      over: 'group_summary',
      unnest: { category: 'categories' },
      dimensions: { category: 'category' },
      measures: {
        groups: count({ label: 'Groups' }),
        memberships: sum('members', { label: 'Members who answered, once for each of their groups' }),
        responses: sum('responses', { label: 'Responses' }),
        attendees: sum('attendees::BIGINT', { label: 'Attendees' }),
      },
    },
  },
  dashboard: [
    { section: 'Responses', kind: 'number', title: 'Answers', view: 'responses_by_country' },
    { kind: 'points', title: 'Responses on the map', view: 'responses_map' },
    { kind: 'ranking', title: 'Top 5 cities', view: 'responses_by_city', dimensions: ['city'], limit: 5 },
    { kind: 'bars', title: 'Responses over time', view: 'responses_by_country', width: 6 },
    { kind: 'stacked', title: 'Yes and no over time', view: 'responses_by_country', measures: ['yes', 'no'], width: 6 },
    {
      ...{ kind: 'ranking', title: 'Top 10 countries by attendees', view: 'responses_by_country' },
      measures: ['attendees'],
    },
    {
      ...{ kind: 'ranking', title: 'Top 10 countries by guests', view: 'responses_by_country' },
      measures: ['guests'],
    },
    { kind: 'ranking', title: 'Top 5 countries by responses', view: 'responses_by_country', limit: 5 },
    {
      ...{ kind: 'lines', title: 'Two countries compared', view: 'responses_by_country', dimensions: ['country'] },
      ...{ filter: { country: ['us', 'gb'] }, width: 12 },
    },
    { kind: 'table', title: 'Cities', view: 'responses_by_city', dimensions: ['city', 'country'], order: '-responses' },
    { kind: 'heat', view: 'responses_by_country' },
    { section: 'Trending', kind: 'number', title: 'Mentions in 5 minutes', view: 'trending_topics' },
    { kind: 'ranking', title: 'Top 10 topics', view: 'trending_topics', dimensions: ['topic'] },
    { kind: 'lines', title: 'Topics over time', view: 'trending_topics', dimensions: ['topic'], limit: 10 },
    { kind: 'map', title: 'Where topics trend', view: 'trending_topics', dimensions: ['country'] },
    {
      ...{ kind: 'table', title: 'Top topics by country', view: 'trending_topics', dimensions: ['country', 'topic'] },
      ...{ limit: 10, width: 4 },
    },
    {
      ...{ kind: 'table', title: 'Topics above what is usual at this hour of the week', view: 'unusual_topics' },
      ...{ measures: ['mentions', 'usual_mentions', 'score'], order: '-score', limit: 15 },
    },
    {
      section: 'Groups',
      kind: 'number',
      title: 'Active groups',
      view: 'activity',
      measures: ['groups', 'members', 'events', 'attendees'],
    },
    { kind: 'ranking', title: 'Top 15 cities by groups', view: 'activity', dimensions: ['city'], limit: 15 },
    { kind: 'map', title: 'Groups on the map', view: 'activity' },
    { kind: 'ranking', title: 'Top 15 countries by groups', view: 'activity', dimensions: ['country'], limit: 15 },
    { kind: 'bars', title: 'Groups by date', view: 'activity' },
    { kind: 'ranking', title: 'Groups by category', view: 'groups_by_category', limit: 15 },
    { kind: 'table', title: 'Groups and members by country', view: 'activity', dimensions: ['country'], width: 8 },
    {
      ...{ kind: 'table', title: 'Members, events and attendees by group', view: 'group_summary' },
      ...{ measures: ['name', 'city', 'country', 'members', 'events', 'responses', 'attendees', 'last_activity'] },
      order: '-responses',
    },
    {
      section: 'Events',
      kind: 'points',
      title: 'Events on the map',
      view: 'event_summary',
      measures: ['responses', 'attendees'],
    },
    {
      ...{ kind: 'ranking', title: 'Top 15 cities by events', view: 'activity' },
      ...{ dimensions: ['city'], measures: ['events'], limit: 15 },
    },
    {
      ...{ kind: 'ranking', title: 'Top 15 countries by events', view: 'activity' },
      ...{ dimensions: ['country'], measures: ['events'], limit: 15 },
    },
    { kind: 'bars', title: 'Events by date', view: 'activity', measures: ['events'] },
    {
      ...{ kind: 'table', title: 'Responses by event and country', view: 'event_summary', order: '-responses' },
      measures: ['name', 'group_name', 'city', 'country', 'date', 'members', 'responses', 'attendees'],
    },
  ],
})
