import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { count, defineDataset, sum } from '#core/definition.ts'
import type { Filter, ViewQuery } from '#core/query.ts'
import { LiveVisits, WHEN_TOLD } from '#tests/live-visits-fixture.ts'
import { until } from '#tests/until.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { LiveAnswers } from './live-answers.ts'
import type { LiveDataset } from './live-dataset.ts'
import type { LiveLimits } from './live-limits.ts'
import { scannedRows } from './scanned-rows-fixture.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    keys: { type: 'BIGINT[]', path: '$.keys[*]', default: [] },
  },
  views: {
    by_key: {
      unnest: { key: 'keys' },
      dimensions: { key: 'key', category: "CASE WHEN key % 4 > 0 THEN 'c' || key % 4 END" },
      // Some sums fit into the narrower type that tables have, others do not.
      measures: { uses: count(), weight: sum('key * 7919 % 10007'), heavy: sum('9200000000000000000 - key') },
    },
  },
})
const KEYS = 300_000
const KEYS_PER_EVENT = 1_000
/** of the engine's tables in memory: what it skips or reads */
const ROW_GROUP_ROWS = 122_880
const LARGE = { ...WHEN_TOLD, generationFileBytesMax: 0, largePieceRows: 2 * ROW_GROUP_ROWS }

let own: LiveVisits
let followed: LiveDataset[] = []
beforeAll(async () => {
  own = await LiveVisits.open(definition)
  await use(0, KEYS)
  await own.publish('full')
})
afterEach(async () => {
  for (const live of followed) await live.stop()
  followed = []
})
afterAll(() => own.end())

/** Puts events that use these keys into closed segments. */
async function use(from: number, before: number): Promise<void> {
  const events = (before - from) / KEYS_PER_EVENT
  for (const partition of [0, 1]) {
    const lines = Array.from({ length: events / 2 }, (_, index) => {
      const id = own.appended + index * 2 + partition
      const first = from + (index * 2 + partition) * KEYS_PER_EVENT
      const keys = Array.from({ length: KEYS_PER_EVENT }, (_, at) => first + at)
      return `${JSON.stringify({ id, at: 1_700_000_000_000 + id, keys })}\n`
    })
    await own.log.append([{ partition, lines: Buffer.from(lines.join('')), count: events / 2 }])
  }
  own.appended += events
  await own.close()
}

function follow(limits: Partial<LiveLimits>): { live: LiveDataset; answers: LiveAnswers } {
  const live = own.follow(limits)
  followed.push(live)
  return { live, answers: new LiveAnswers(live) }
}

type Question = Pick<ViewQuery, 'filters' | 'order' | 'limit'>
const where = (dimension: string, operator: Filter['operator'], ...values: string[]): Question => ({
  filters: [{ dimension, operator, values }],
})
const QUESTIONS: readonly Question[] = [
  { ...where('category', 'eq', 'c1'), order: [{ by: 'weight', direction: 'desc' }], limit: 10 },
  { ...where('category', 'null'), order: [{ by: 'heavy', direction: 'asc' }], limit: 3 },
  where('key', 'eq', '123457'),
  where('key', 'eq', '299999'),
  where('key', 'eq', '-1'),
  where('key', 'gte', '305990'),
  { order: [{ by: 'weight', direction: 'desc' }], limit: 20 },
]

async function rowsOf(answers: LiveAnswers, question: Question): Promise<unknown[]> {
  const asked = answers.asked({ dataset: 'visits', view: 'by_key', ...question })
  return JSON.parse((await answers.answer(asked)).rowsJson) as unknown[]
}

/** How many files of the generation a relation of its states reads. */
async function filesNamed(live: LiveDataset): Promise<number> {
  const head = await live.head('by_key')
  const sql = head.sql(new BoundValues())
  head.release()
  const { files } = (await own.lake.current())!.views.by_key!
  return files.filter(({ path }) => sql.includes(path)).length
}

async function tablesOf(live: LiveDataset, answers: LiveAnswers): Promise<void> {
  for (const key of ['1', '2']) await rowsOf(answers, where('key', 'eq', key))
  await until('the files are tables', async () => (await filesNamed(live)) === 0)
}

test('tables give the answers of the files, also after a run that added one, and an export reads the files', async () => {
  const [tables, files] = [follow(LARGE), follow({ ...LARGE, largeFilesBytesMax: 0 })]
  expect(await filesNamed(tables.live)).toBe(1)
  await tablesOf(tables.live, tables.answers)
  const compare = async (): Promise<void> => {
    for (const question of QUESTIONS)
      expect(await rowsOf(tables.answers, question)).toEqual(await rowsOf(files.answers, question))
  }
  await compare()
  const [heaviest] = (await rowsOf(tables.answers, QUESTIONS[0]!)) as { key: number; weight: number; heavy: unknown }[]
  expect(heaviest!.weight).toBe((heaviest!.key * 7919) % 10007)
  const head = await tables.live.head('by_key')
  expect(head.inFiles()[0]).toContain((await own.lake.current())!.views.by_key!.files[0]!.path)
  head.release()

  // Some keys again, and new ones.
  await use(KEYS - 4_000, KEYS + 6_000)
  await own.publish('incremental')
  for (const { live } of [tables, files]) await live.refresh()
  await compare()
  await until('the added file is a table', async () => (await filesNamed(tables.live)) === 0)
  await compare()
  expect(await rowsOf(tables.answers, where('key', 'eq', '299999'))).toMatchObject([{ uses: 2 }])
  expect(await filesNamed(files.live)).toBe((await own.lake.current())!.views.by_key!.files.length)
})

test('a key and a value of another column are looked for in a part of the table, and their rows alone leave it', async () => {
  const { live, answers } = follow(LARGE)
  await tablesOf(live, answers)
  const all = await scannedRows(live, { view: 'by_key' })
  expect(all.scanned).toBeGreaterThanOrEqual(KEYS)
  // Two row groups have each key's neighbours; of two that follow one another, one has each category.
  const key = await scannedRows(live, { view: 'by_key', ...where('key', 'eq', '123457') })
  expect(key.left).toBe(1)
  expect(key.scanned).toBeLessThanOrEqual(2 * ROW_GROUP_ROWS)
  const category = await scannedRows(live, { view: 'by_key', ...where('category', 'eq', 'c1') })
  expect(category.left).toBeGreaterThanOrEqual(KEYS / 4)
  expect(category.left).toBeLessThan(KEYS / 3)
  expect(category.scanned).toBeLessThanOrEqual(all.scanned - ROW_GROUP_ROWS)
})

test('no more bytes than the limit become tables, over all datasets of an engine, and a stopped one gives its share back', async () => {
  const [first] = (await own.lake.current())!.views.by_key!.files
  const limits = { ...LARGE, largeFilesBytesMax: first!.bytes }
  const one = follow(limits)
  for (const id of ['1', '2', '3']) await rowsOf(one.answers, where('key', 'eq', id))
  const files = (await own.lake.current())!.views.by_key!.files.length
  await until('there is a table', async () => (await filesNamed(one.live)) < files)
  const other = follow(limits)
  for (const id of ['1', '2', '3', '4']) await rowsOf(other.answers, where('key', 'eq', id))
  expect(await filesNamed(other.live)).toBe(files)
  await one.live.stop()
  await rowsOf(other.answers, where('key', 'eq', '5'))
  await until('there is room for a table', async () => (await filesNamed(other.live)) < files)
})
