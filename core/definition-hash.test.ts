/** What changes the hashes of a definition, and so what is recomputed: exactly what changes stored values. */
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import { count, type DatasetDefinition, latest, sum } from './definition.ts'

const connection = await testConnection()

const plain = {
  name: 'winds',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    gust: { type: 'INTEGER', path: '$.gust', default: 0 },
    place: { type: 'VARCHAR', path: '$.place' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    all: { unnest: { tag: 'tags' }, dimensions: { place: 'place' }, time: ['hour'], measures: { total: sum('gust') } },
  },
} as const satisfies DatasetDefinition

async function hashes(definition: DatasetDefinition): Promise<{ schema: string; view: string }> {
  const { schemaHash, views } = await compileDataset(definition, connection)
  return { schema: schemaHash, view: views.get('all')!.hash }
}
const withColumns = (columns: DatasetDefinition['columns']): DatasetDefinition => ({
  ...plain,
  columns: { ...plain.columns, ...columns },
})
const withView = (view: object): DatasetDefinition => ({ ...plain, views: { all: { ...plain.views.all, ...view } } })

test('labels, the order of options, coarser grains, ranks and lookups change no hash', async () => {
  const before = await hashes(plain)
  const { gust, id, at } = plain.columns
  const same: DatasetDefinition[] = [
    { ...plain, label: 'Winds', description: 'Gusts of all stations', lateAfter: '1h' },
    withColumns({
      gust: { ...gust, label: 'Gust', unit: 'km/h', values: { '0': 'Calm' } },
      id: { ...id, label: 'Id' },
      at: { ...at, label: 'When' },
    }),
    withColumns({ gust: { default: 0, path: '$.gust', required: false, type: 'INTEGER' } }),
    withView({
      label: 'All',
      description: 'x',
      measures: { total: sum('gust', { label: 'Total', description: 'y', unit: 'km' }) },
    }),
    withView({ time: ['hour', 'day', 'month'] }),
    withView({ rank: { by: 'total', limit: 3 } }),
    withView({ enrich: { name: { dictionary: 'places', key: 'place', attribute: 'name' } } }),
  ]
  for (const definition of same) expect(await hashes(definition)).toEqual(before)
})

test('a change of a column changes the schema, and the views that read it', async () => {
  const before = await hashes(plain)
  const { gust, at, place } = plain.columns
  const read: DatasetDefinition[] = [
    withColumns({ gust: { ...gust, default: 1 } }),
    withColumns({ gust: { ...gust, type: 'BIGINT' } }),
    withColumns({ gust: { ...gust, path: '$.gusts' } }),
    withColumns({ at: { ...at, unit: 's' } }),
    withColumns({ tags: { ...plain.columns.tags, path: '$.t' } }),
  ]
  for (const definition of read) {
    const after = await hashes(definition)
    expect(after.schema).not.toBe(before.schema)
    expect(after.view).not.toBe(before.view)
  }
  const unread = await hashes({ ...withColumns({ extra: { ...place, path: '$.extra' } }) })
  expect(unread.schema).not.toBe(before.schema)
  expect(unread.view).toBe(before.view)
})

test('whatever a view stores changes its hash', async () => {
  const { view } = await hashes(plain)
  const others = [
    { measures: { total: sum('gust + 1') } },
    { measures: { total: sum('gust', { where: 'gust > 1' }) } },
    { measures: { total: sum('gust'), n: count() } },
    { measures: { total: latest('gust') } },
    { dimensions: { place: 'upper(place)' } },
    { where: 'gust > 1' },
    { time: ['minute'] },
    { unnest: {}, measures: { total: sum('gust') } },
  ]
  const all = [view]
  for (const other of others) all.push((await hashes(withView(other))).view)
  expect(new Set(all).size).toBe(all.length)
})

test('sums that might need more than 38 digits are refused with their place', async () => {
  const price = (type: 'DECIMAL(28,2)' | 'DECIMAL(29,2)') =>
    hashes({
      ...withColumns({ price: { type, path: '$.price' } }),
      views: { all: { dimensions: {}, measures: { total: sum('price') } } },
    })
  await expect(price('DECIMAL(28,2)')).resolves.toBeDefined()
  await expect(price('DECIMAL(29,2)')).rejects.toThrow(
    "view 'all', measure 'total': sum of DECIMAL(29,2) may need more than 38 digits; cast to at most 28",
  )
})
