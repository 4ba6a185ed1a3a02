/** Events at times that are hard to place, from the command line: by the microsecond, around clock changes, before 1970 and in the year 1. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, type Ran, watershed } from './watershed.ts'

const DEFINITION = `
  import { count, defineDataset, first, latest, max } from 'watershed'
  export default defineDataset({
    name: 'micro', time: 't', key: 'k',
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
  })`

const EVENTS = [
  { k: 'a', t: '2026-01-01T00:00:00.000900Z', i: 1 },
  { k: 'a', t: '2026-01-01T00:00:00.000100Z', i: 2 },
  { k: 'mon', t: '2006-10-29T03:10:00Z', i: 1 },
  { k: 'sj', t: '2006-10-29T02:32:00Z', i: 1 },
  { k: 'now', t: '2026-11-26T10:00:00Z', i: 1 },
  { k: 'zero', t: '0001-01-01T00:00:00Z', i: 2 },
  { k: 'old', t: '1969-12-31T23:59:59.999900Z', i: 1 },
]
const USAGE = 64

let folder: string
let definition: string
const command = (words: readonly string[]): Promise<Ran> =>
  watershed([...words, '--dataset', definition], join(folder, 'data'))
const query = (view: string, key: string, ...words: string[]): Promise<Ran> =>
  command(['query', 'micro', view, '--filter', `k:eq:${key}`, '--json', ...words])
const rowsOf = ({ stdout, stderr }: Ran) => (stdout === '' ? stderr : (JSON.parse(stdout) as Answer).data)

let ingested: Ran
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-times-'))
  definition = join(folder, 'micro.ts')
  await writeFile(definition, DEFINITION)
  const file = join(folder, 'micro.ndjson')
  await writeFile(file, EVENTS.map((event) => JSON.stringify(event)).join('\n'))
  ingested = await command(['ingest', 'micro', file])
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('an event of the year 1 is rejected with the range of accepted times', () => {
  expect(ingested.stderr).toMatch(
    /t \(\$\.t\): "0001-01-01T00:00:00Z" is outside the accepted times, 1969-12-31T00:00:00\.000Z to 20/,
  )
})

test('first and latest order by the microsecond, and the recount agrees', async () => {
  expect(rowsOf(await query('v', 'a'))).toEqual([
    { k: 'a', n: 2, last: 1, first: 2, newest: '2026-01-01T00:00:00.000900Z' },
  ])
  expect((await command(['verify'])).code).toBe(0)
})

test('local days of another zone are answered, whatever others sent', async () => {
  expect(rowsOf(await query('day', 'now', '--grain', 'day', '--timezone', 'Europe/Berlin'))).toEqual([
    { time: '2026-11-25T23:00:00.000Z', k: 'now', n: 1 },
  ])
})

test.each([
  ['hr', 'mon', 'America/Moncton', '60 minutes that begins at 2006-10-29T03:00:00.000Z'],
  ['day', 'sj', 'America/St_Johns', '15 minutes that begins at 2006-10-29T02:30:00.000Z'],
])('%s of %s: a pane in which the clocks of %s change is refused', async (view, key, timezone, pane) => {
  const refused = await query(view, key, '--grain', 'day', '--timezone', timezone)
  expect([refused.code, refused.stderr]).toEqual([
    USAGE,
    expect.stringContaining(`the clocks of ${timezone} change inside the pane of ${pane}`),
  ])
})

test('a fraction of a second before 1970 is in 1969', async () => {
  expect(rowsOf(await query('day', 'old', '--grain', 'day'))).toEqual([
    { time: '1969-12-31T00:00:00.000Z', k: 'old', n: 1 },
  ])
})
