import { count, defineDataset, first, latest, max } from 'watershed'
export default defineDataset({
  name: 'micro',
  time: 't',
  key: 'k',
  columns: {
    k: { type: 'VARCHAR', path: '$.k', required: true },
    t: { type: 'TIMESTAMP', path: '$.t', required: true },
    i: { type: 'INTEGER', path: '$.i' },
  },
  views: {
    v: { dimensions: { k: 'k' }, measures: { n: count(), last: latest('i'), first: first('i'), newest: max('t') } },
    day: { dimensions: { k: 'k' }, time: ['15m', 'hour', 'day'], measures: { n: count() } },
    hr: { dimensions: { k: 'k' }, time: ['hour', 'day'], measures: { n: count() } },
  },
})
