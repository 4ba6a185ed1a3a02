/** What a definition says for people reaches whoever describes the dataset, and fits the documented schema. */
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, type DatasetDefinition, max } from '#core/definition.ts'
import { DATASET } from '#serving/http/contract/schemas/dataset.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { describeDataset } from './describe-dataset.ts'

const definition: DatasetDefinition = {
  name: 'winds',
  label: 'Winds',
  description: 'Gusts of all stations',
  time: 'at',
  key: 'station',
  columns: {
    station: {
      type: 'VARCHAR',
      path: '$.s',
      label: 'Station',
      description: 'Name as in the register',
      values: { bro: 'Brocken' },
    },
    gust: { type: 'DOUBLE', path: '$.g', unit: 'km/h' },
    at: { type: 'TIMESTAMP', path: '$.at' },
    hour: { type: 'INTEGER', as: 'hour("at")', label: 'Hour of the day' },
  },
  views: {
    all: {
      label: 'Everything',
      description: 'Each reading once',
      dimensions: { station: 'station' },
      measures: { n: count({ label: 'Readings', description: 'Also those that came late' }), strongest: max('gust') },
    },
  },
}

test('labels and descriptions of dataset, columns, views and measures are described', async () => {
  const described = DATASET.parse(describeDataset(await compileDataset(definition, await testConnection())))
  expect(described).toMatchObject({
    label: 'Winds',
    description: 'Gusts of all stations',
    columns: [
      { name: 'station', path: '$.s', as: null, label: 'Station', description: 'Name as in the register' },
      { name: 'gust', unit: 'km/h' },
      { name: 'at' },
      { name: 'hour', path: null, as: 'hour("at")', label: 'Hour of the day' },
    ],
    views: [{ label: 'Everything', description: 'Each reading once' }],
  })
  expect(described.views[0]!.measures[0]).toMatchObject({ label: 'Readings', description: 'Also those that came late' })
})

test('names of values and units are described where they are shown', async () => {
  const { columns, views } = DATASET.parse(describeDataset(await compileDataset(definition, await testConnection())))
  expect(columns.find(({ name }) => name === 'station')!.values).toEqual({ bro: 'Brocken' })
  expect(views[0]!.dimensions).toEqual([{ name: 'station', type: 'VARCHAR', values: { bro: 'Brocken' } }])
  expect(views[0]!.measures.map(({ name, unit }) => [name, unit])).toEqual([
    ['n', undefined],
    ['strongest', 'km/h'],
  ])
})
