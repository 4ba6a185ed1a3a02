/**
 * A user keeps raw events for a while only: old ones are removed, every answer stays what it was, and what can no longer be counted is said.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, type Ran, watershed } from './faults/watershed.ts'

const SETTINGS = ['--set', 'keepGenerations=2', '--set', 'lakeGraceMs=0', '--set', 'partitions=1']
const DEFINITION = 65

let folder: string
let data: string
let definition: string

/** @param measures more of them @param views more of them */
const textOf = (
  measures = '',
  views = '',
): string => `import { count, countDistinct, defineDataset, sum, stddevSamp } from 'watershed'
export default defineDataset({
  name: 'visits', time: 'at', key: 'id', keep: { raw: '1ms' },
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
    took: { type: 'DOUBLE', path: '$.took' },
  },
  views: {
    by_page: { dimensions: { page: 'page' }, time: ['minute', 'hour'], measures: { visits: count(), took: sum('took'), spread: stddevSamp('took')${measures} } },
    all: { dimensions: {}, measures: { visits: count(), pages: countDistinct('page') } },
    ${views}
  },
})
`

interface Visit {
  readonly id: number
  readonly at: number
  readonly page: string
  readonly took: number
}
/** Each batch overlaps the hours of the one before. */
const visitsOf = (batch: number): Visit[] =>
  Array.from({ length: 300 }, (_, index) => ({
    id: batch * 1_000 + index,
    at: Date.UTC(2026, 0, 1) + batch * 1_800_000 + index * 10_000,
    page: `/p${(index * index) % 5}`,
    took: (index % 97) / 7,
  }))
const all = [0, 1, 2, 3].flatMap(visitsOf)

const run = (...words: string[]): Promise<Ran> => watershed([...words, '--dataset', definition, ...SETTINGS], data)

async function taken(batch: number): Promise<void> {
  const file = join(folder, `${batch}.ndjson`)
  const lines = visitsOf(batch).map((visit) => JSON.stringify(visit))
  await writeFile(file, [...lines, '{"id": "no visit"}', ''].join('\n'))
  const ingested = await run('ingest', 'visits', file)
  expect(ingested.code, ingested.stderr).toBe(2)
  expect((await run('batch', 'run')).code).toBe(0)
}

async function asked(view: string, ...words: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await run('query', 'visits', view, '--json', ...words)
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as Answer
}

const rawFiles = async (): Promise<string[]> =>
  (await readdir(join(data, 'lake', 'visits', 'segments', 'p0000'))).filter((name) => !name.includes('-partial-'))

const visitsByPage = (visits: readonly Visit[]) => {
  const counts = Map.groupBy(visits, ({ page }) => page)
  return [...counts].map(([page, own]) => ({ page, visits: own.length })).toSorted((a, b) => (a.page < b.page ? -1 : 1))
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-retention-'))
  data = join(folder, 'data')
  definition = join(folder, 'visits.ts')
  await writeFile(definition, textOf())
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('raw events past keep.raw are removed, answers stay, and what cannot be counted any more is said', async () => {
  for (const batch of [0, 1, 2]) await taken(batch)
  const before = await asked('by_page', '--grain', 'hour')
  const files = await rawFiles()
  const dry = await run('retention', '--json')
  expect(JSON.parse(dry.stdout)).toMatchObject({
    raw: [{ dataset: 'visits', keepRaw: '1ms', floor: 0, statesBytes: 0, due: { rows: 300, floor: 300 } }],
    panes: [],
  })
  expect(await rawFiles()).toEqual(files)

  for (let full = 0; full < 2; full++) expect((await run('batch', 'run', '--full')).code).toBe(0)
  expect((await rawFiles()).length).toBeLessThan(files.length)
  expect(await rawFiles()).not.toContain(files.find((name) => name.startsWith('0000000000000000-events')))
  const { raw } = JSON.parse((await run('retention', '--json')).stdout)
  expect(raw).toMatchObject([{ floor: 300, due: { rows: 0 } }])
  expect(raw[0].statesBytes).toBeGreaterThan(0)
  expect((await asked('by_page', '--grain', 'hour')).data).toEqual(before.data)

  await taken(3)
  const answer = await asked('by_page', '--order', 'page')
  expect(answer.data.map(({ page, visits }) => ({ page, visits }))).toEqual(visitsByPage(all))
  expect(answer.meta).toMatchObject({ countsFrom: null, rows: { batch: all.length } })
  expect((await asked('all')).data).toEqual([{ visits: all.length, pages: new Set(all.map(({ page }) => page)).size }])

  const verified = await run('verify', '--json')
  expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([
    0,
    [{ equal: true, partitions: [{ summarized: 300, rows: 900, deadLetters: 0 }] }],
  ])
  const doctor = await run('doctor', '--deep', '--json')
  expect(doctor.stdout).toContain('raw events before offset 300 were removed')
  expect(JSON.parse(doctor.stdout)).toMatchObject([{ well: true }])
}, 120_000)

test('a changed view waits for a decision; a new one counts what is kept, and says so', async () => {
  await writeFile(
    definition,
    textOf(
      ", slowest: max('took')".replace('max', 'sum'),
      "added: { dimensions: { page: 'page' }, time: ['minute'], measures: { visits: count() } },",
    ),
  )
  const refused = await run('backfill', 'visits')
  expect(refused.code).toBe(DEFINITION)
  expect(refused.stderr).toMatch(
    /view 'by_page'.*raw events before offset 300 of partition 0 were removed by keep\.raw.*--from-kept/s,
  )
  const earlier = await asked('by_page', '--order', 'page', '--measures', 'visits')
  expect(earlier.data).toEqual(visitsByPage(all))

  const accepted = await run('backfill', 'visits', '--from-kept')
  expect([accepted.code, accepted.stderr]).toEqual([
    0,
    expect.stringContaining('view by_page does not count the events before offset 300'),
  ])
  const kept = all.filter(({ id }) => id >= 1_000)
  const complete = new Date(Math.max(...visitsOf(0).map(({ at }) => at)) + 1).toISOString()
  for (const view of ['by_page', 'added']) {
    const { data: rows, meta } = await asked(view, '--order', 'page', '--measures', 'visits')
    expect(rows).toEqual(visitsByPage(kept))
    expect(meta).toMatchObject({ exact: false, countsFrom: { position: [300], time: complete } })
  }
  expect((await asked('all')).meta).toMatchObject({ exact: true, countsFrom: null })
  // Of what is dated later everything is counted.
  const later = await asked('by_page', '--order', 'page', '--measures', 'visits', '--from', '2026-01-01T00:50:00Z')
  expect(later.meta).toMatchObject({ exact: true, countsFrom: null })
  expect(later.data).toEqual(visitsByPage(all.filter(({ at }) => at >= Date.UTC(2026, 0, 1, 0, 50))))
  const verified = await run('verify')
  expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining('states were taken as given')])
}, 120_000)
