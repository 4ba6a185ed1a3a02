/** Compares docs/lake-layout.md with a lake: its SQL reads every event once, and its tables list the fields and columns of the files. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { BatchFixture, PARTITIONS } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'

const PAGE = readFileSync(fileURLToPath(new URL('../docs/lake-layout.md', import.meta.url)), 'utf8')
const SQL = /^```sql\n([\s\S]*?)^```/m.exec(PAGE)![1]!

/** the names in the first column of the table with this head */
function documented(head: string): string[] {
  const lines = PAGE.split('\n')
  const at = lines.findIndex((line) => line.startsWith(`| ${head} |`))
  const rows = lines.slice(at + 2, lines.indexOf('', at))
  return rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!))
}

let batch: BatchFixture
beforeAll(async () => {
  batch = await BatchFixture.open()
  await batch.land(0, 100, 3)
  await batch.land(0, 200)
  await batch.land(1, 50)
  await batch.run({ mode: 'full' })
  await compactSegments({ lake: batch.lake, engine: batch.engine, partitions: PARTITIONS })
  await batch.land(0, 70)
  await batch.run({ mode: 'incremental' })
})
afterAll(() => batch.close())

const manifestsOf = (folder: string, pattern: RegExp): object[] =>
  readdirSync(join(batch.lake.folder, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => JSON.parse(readFileSync(join(batch.lake.folder, folder, name), 'utf8')) as object)

async function columnsOf(path: string): Promise<string[]> {
  const rows = await batch.connection.rows<{ name: string }>(
    `SELECT column_name AS name FROM (DESCRIBE FROM read_parquet(${quoteText(path)}))`,
  )
  return rows.map(({ name }) => name)
}

test('its SQL reads each event of closed and compacted segments once', async () => {
  const statements = SQL.replace('watershed-data/lake/meetup_rsvps', batch.lake.folder).split(/;\n/)
  for (const statement of statements.slice(0, -2)) await batch.connection.run(statement)
  const answer = statements
    .at(-2)!
    .replace(
      'SELECT country, count(*) AS responses',
      'SELECT count(*) AS n, count(DISTINCT (_partition, _offset)) AS d',
    )
    .replace(/GROUP BY.*/, '')
  const files = await batch.connection.rows<{ n: number }>(`SELECT len(getvariable('files')) AS n`)
  expect(files.map(({ n }) => Number(n))).toEqual([3])
  const [row] = await batch.connection.rows<{ n: number; d: number }>(answer)
  expect([Number(row!.n), Number(row!.d)]).toEqual([420, 420])
})

test('it lists every field of the manifests', () => {
  const segments = manifestsOf('manifests', /\/.*\.json$/)
  const generations = manifestsOf('generations', /manifest\.json$/)
  expect(segments.some((manifest) => 'replaces' in manifest)).toBe(true)
  const fieldsOf = (manifests: readonly object[]): string[] => [...new Set(manifests.flatMap(Object.keys))]
  // The page also lists fields that these manifests do not need, such as holes of a log on Kafka.
  expect(documented('segment')).toEqual(expect.arrayContaining(fieldsOf(segments)))
  expect(documented('generation')).toEqual(expect.arrayContaining(fieldsOf(generations)))
})

test('it lists the columns of events and dead letters', async () => {
  const segment = (await batch.lake.chains(PARTITIONS))[0]!.segments[0]!
  const events = await columnsOf(batch.lake.resolve(segment.events!))
  expect(events.filter((name) => name.startsWith('_'))).toEqual(documented('event column'))
  const letters = await columnsOf(batch.lake.resolve(segment.deadLetterFile!))
  expect(letters).toEqual(documented('dead-letter column'))
})
