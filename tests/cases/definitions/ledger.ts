import { count, defineDataset, sum } from 'watershed'
export default defineDataset({
  name: 'ledger',
  time: 't',
  key: 'k',
  columns: {
    k: { type: 'VARCHAR', path: '$.k', required: true },
    t: { type: 'TIMESTAMP', path: '$.t', required: true },
    amount: { type: 'DOUBLE', path: '$.amount' },
  },
  views: { net: { dimensions: {}, measures: { n: count(), net: sum('amount') } } },
})
