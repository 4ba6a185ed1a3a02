/** A column that is added later gets its values from past events by `backfill`; where their JSON is not kept, the command says so. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Answer, watershed } from './watershed.ts'

const COUNT = 300
const eventOf = (id: number) => ({ id, at: 1_700_000_000_000 + id * 1_000, shop: { city: ['Ulm', 'Bonn'][id % 2]! } })

const definitionOf = (
  columns: string,
  view: string,
  more = '',
): string => `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: 'sales', time: 'at', key: 'id', ${more}
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    ${columns}
  },
  views: { sales: { ${view}, measures: { n: count() } } },
})
`
const FIRST = ['', 'dimensions: {}'] as const
const LATER = ["city: { type: 'VARCHAR', path: '$.shop.city' },", "dimensions: { city: 'city' }"] as const

let folder: string
let definition: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-added-'))
  definition = join(folder, 'sales.ts')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const command = (...words: string[]) => watershed([...words, '--dataset', definition], join(folder, 'data'))

async function ingestAndAdd(more: string): Promise<{ readonly stderr: string; readonly answer: Answer }> {
  await writeFile(definition, definitionOf(...FIRST, more))
  const file = join(folder, 'events.ndjson')
  const lines = Array.from({ length: COUNT }, (_, id) => JSON.stringify(eventOf(id)))
  await writeFile(file, lines.join('\n'))
  expect((await command('ingest', 'sales', file)).code).toBe(0)
  expect((await command('batch', 'run')).code).toBe(0)
  await writeFile(definition, definitionOf(...LATER, more))
  const backfill = await command('backfill', 'sales')
  expect(backfill.code, backfill.stderr).toBe(0)
  const verify = await command('verify')
  expect(verify.code, verify.stdout + verify.stderr).toBe(0)
  const answer = JSON.parse((await command('query', 'sales', 'sales', '--json')).stdout) as Answer
  return { stderr: backfill.stderr, answer }
}

test('backfill fills an added column from history', async () => {
  const { stderr, answer } = await ingestAndAdd('')
  expect(stderr).not.toContain('without their JSON')
  expect(answer.data).toEqual([
    { city: 'Bonn', n: COUNT / 2 },
    { city: 'Ulm', n: COUNT / 2 },
  ])
})

test("with raw: 'drop' it is NULL for past events, and backfill says for how many", async () => {
  const { stderr, answer } = await ingestAndAdd("raw: 'drop',")
  expect(stderr).toMatch(/sales: 300 events in \d segments are stored without their JSON: columns that were added/)
  expect(answer.data).toEqual([{ city: null, n: COUNT }])
})
