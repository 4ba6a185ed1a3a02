/** Flights of the United States, in the column names of the well-known 2015 files: delays and cancellations by airline, airport and day. */
import { avg, count, defineDataset, histogram, quantile, ratio, sliding } from '#core/definition.ts'

const share = (condition: string) => `CASE WHEN ${condition} THEN 1 ELSE 0 END`

/** Delays in minutes, early flights below 0; a cancelled flight has none. On time: less than 15 minutes late, as the statistics count it. */
const delays = {
  flights: count({ label: 'Flights' }),
  cancelled: count({ where: 'cancelled', label: 'Cancelled' }),
  cancelled_share: ratio(share('cancelled'), '1', { label: 'Share of cancelled flights', format: 'percent' }),
  departure_delay: avg('departure_delay', { label: 'Mean departure delay' }),
  median_departure_delay: quantile('departure_delay', 0.5),
  p90_departure_delay: quantile('departure_delay', 0.9),
  arrival_delay: avg('arrival_delay', { label: 'Mean arrival delay' }),
  p90_arrival_delay: quantile('arrival_delay', 0.9),
  on_time: ratio(share('arrival_delay < 15'), '1', {
    where: 'arrival_delay IS NOT NULL',
    label: 'Share of arrivals that are less than 15 minutes late',
    format: 'percent',
  }),
} as const

/** Those of 2015. */
const airlines = {
  ...{ AA: 'American', AS: 'Alaska', B6: 'JetBlue', DL: 'Delta', EV: 'ExpressJet', F9: 'Frontier', HA: 'Hawaiian' },
  ...{
    MQ: 'Envoy',
    NK: 'Spirit',
    OO: 'SkyWest',
    UA: 'United',
    US: 'US Airways',
    VX: 'Virgin America',
    WN: 'Southwest',
  },
} as const

export default defineDataset({
  name: 'flights',
  label: 'Flights',
  time: 'departs_at',
  key: 'origin',
  lateAfter: '1d',
  columns: {
    year: { type: 'INTEGER', path: '$.YEAR', required: true },
    month: { type: 'INTEGER', path: '$.MONTH', required: true },
    day: { type: 'INTEGER', path: '$.DAY', required: true },
    scheduled: { type: 'INTEGER', path: '$.SCHEDULED_DEPARTURE', required: true, label: 'HHMM, for example 0755' },
    // The files have no time zone: days and hours are those of the airport of origin.
    departs_at: {
      type: 'TIMESTAMP',
      as: 'make_timestamp(year, month, day, floor(scheduled / 100)::INTEGER, scheduled % 100, 0)',
    },
    airline: { type: 'VARCHAR', path: '$.AIRLINE', values: airlines },
    flight_number: { type: 'INTEGER', path: '$.FLIGHT_NUMBER' },
    tail_number: { type: 'VARCHAR', path: '$.TAIL_NUMBER' },
    origin: { type: 'VARCHAR', path: '$.ORIGIN_AIRPORT', required: true },
    destination: { type: 'VARCHAR', path: '$.DESTINATION_AIRPORT' },
    distance: { type: 'INTEGER', path: '$.DISTANCE', unit: 'miles' },
    departure_delay: { type: 'INTEGER', path: '$.DEPARTURE_DELAY', unit: 'min' },
    arrival_delay: { type: 'INTEGER', path: '$.ARRIVAL_DELAY', unit: 'min' },
    diverted: { type: 'BOOLEAN', path: '$.DIVERTED', default: false },
    cancelled: { type: 'BOOLEAN', path: '$.CANCELLED', default: false },
    reason: {
      type: 'VARCHAR',
      path: '$.CANCELLATION_REASON',
      label: 'Reason of the cancellation',
      values: { A: 'Airline', B: 'Weather', C: 'Air system', D: 'Security' },
    },
  },
  views: {
    airlines: {
      label: 'Delays and cancellations by airline',
      dimensions: { airline: 'airline' },
      time: ['day', 'week', 'month', 'year'],
      measures: delays,
    },
    arrivals: {
      label: 'How late flights arrive',
      dimensions: {},
      time: ['day', 'week', 'month', 'year'],
      measures: {
        minutes: histogram('arrival_delay', [-30, -15, 0, 15, 30, 45, 60, 90, 120, 180], {
          label: 'Flights by minutes of delay',
        }),
      },
    },
    airports: {
      label: 'Delays and cancellations by airport of origin',
      dimensions: { origin: 'origin' },
      time: ['day', 'week', 'month', 'year'],
      measures: delays,
    },
    routes: {
      label: 'Routes',
      dimensions: { origin: 'origin', destination: 'destination' },
      time: ['month', 'year'],
      measures: { flights: count(), arrival_delay: avg('arrival_delay'), distance: avg('distance') },
    },
    hours_of_day: {
      label: 'Delays by the scheduled hour of departure',
      dimensions: { hour_of_day: 'hour(departs_at)' },
      time: ['month', 'year'],
      measures: delays,
    },
    cancellations: {
      label: 'Cancelled flights by reason',
      dimensions: { reason: 'reason', airline: 'airline' },
      where: 'cancelled',
      time: ['day', 'month', 'year'],
      measures: { flights: count() },
    },
    delayed_airports: {
      label: 'Airports with the most late departures of the last three hours',
      dimensions: { origin: 'origin' },
      window: sliding({ size: '3h', every: '5m' }),
      measures: { late: count({ where: 'departure_delay >= 15' }), flights: count() },
      rank: { by: 'late', limit: 10, having: 'late > 0' },
    },
  },
  dashboard: [
    {
      section: 'Airlines',
      ...{ kind: 'number', title: 'All airlines', view: 'airlines' },
      measures: ['flights', 'cancelled', 'cancelled_share', 'departure_delay', 'arrival_delay', 'on_time'],
    },
    { kind: 'lines', title: 'Flights per day by airline', view: 'airlines', dimensions: ['airline'], limit: 8 },
    { kind: 'ranking', title: 'Flights by airline', view: 'airlines', limit: 14 },
    {
      ...{ kind: 'ranking', title: 'Latest arrivals by airline', view: 'airlines', measures: ['arrival_delay'] },
      limit: 14,
    },
    { kind: 'lines', title: 'Mean departure delay', view: 'airlines', measures: ['departure_delay'] },
    { kind: 'histogram', title: 'How late flights arrive', view: 'arrivals' },
    {
      ...{ kind: 'bars', title: 'Cancelled flights by reason', view: 'cancellations', dimensions: ['reason'] },
      width: 6,
    },
    {
      section: 'Airports and routes',
      kind: 'ranking',
      title: 'Most late departures, last three hours',
      view: 'delayed_airports',
    },
    { kind: 'lines', title: 'Late departures over time', view: 'delayed_airports', dimensions: ['origin'] },
    { kind: 'ranking', title: 'Busiest airports', view: 'airports', width: 4 },
    { kind: 'table', title: 'Routes', view: 'routes', order: '-flights', width: 8 },
    { kind: 'table', title: 'Delays by the hour of departure', view: 'hours_of_day', order: 'hour_of_day', limit: 24 },
  ],
})
