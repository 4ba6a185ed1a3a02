/** Every function of the definition language has an example, and a measure gives what its example says, merged and recounted. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import * as language from './definition.ts'
import { GRAIN_MS } from './grains.ts'
import { BEGIN, WALL } from './series/recurrence.ts'
import { calculatedSql } from './series/series-sql.ts'
import * as seriesColumns from './series-columns.ts'

const SOURCE = ['./definition.ts', './measure-definitions.ts', './series-columns.ts']
  .map((file) => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8'))
  .join('\n')
const OTHERS = ['defineDataset', 'defineTests', 'lookup', 'sliding']
const connection = await testConnection()

/** the lines of the example before an exported function */
function exampleOf(name: string): string[] {
  const comment = SOURCE.split(new RegExp(`\n \\*/\nexport function ${name}\\b`))[0]!
    .split('/**')
    .at(-1)!
  const [, example] = comment.split(' * @example\n')
  return (example ?? '').split('\n').map((line) => line.replace(/^ \* ?/, ''))
}

const evaluated = (text: string): unknown =>
  new Function(...Object.keys(language), `return ${text}`)(...Object.values(language))

/** `// amount: 5, 8, NULL`: a column's values as SQL, in the order of event time */
function columnsOf(example: readonly string[]): ReadonlyMap<string, string> {
  const lines = example.flatMap((line) => [...line.matchAll(/^\/\/ (\w+): (.+)$/g)])
  return new Map(lines.map(([, name, values]) => [name!, values!]))
}

const typeOf = (values: string) => (values.includes("'") ? 'VARCHAR' : 'BIGINT')

async function viewOf(columns: ReadonlyMap<string, string>, measure: language.MeasureDefinition) {
  const definition: language.DatasetDefinition = {
    name: 'examples',
    time: 'at',
    key: 'id',
    columns: {
      id: { type: 'BIGINT', path: '$.id', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
      ...Object.fromEntries([...columns].map(([name, values]) => [name, { type: typeOf(values), path: `$.${name}` }])),
    },
    views: { all: { dimensions: {}, measures: { value: measure } } },
  }
  return (await compileDataset(definition, connection)).views.get('all')!
}

/** The rows whose position satisfies the condition. */
function rowsSql(columns: ReadonlyMap<string, string>, where: string): string {
  const lists = [...columns].map(([name, values]) => `unnest([${values}]::${typeOf(values)}[]) AS ${name}`)
  const length = [...columns.values()][0]!.split(', ').length
  return `(SELECT 0::INTEGER AS _partition, o AS _offset, o AS _time, 0::BIGINT AS _arrival, o AS id, epoch_ms(o) AS at, * EXCLUDE o
    FROM (SELECT unnest(range(${length})) AS o, ${lists.join(', ')}) WHERE ${where})`
}

test.each(Object.keys(language))('%s has an example', (name) => {
  expect(exampleOf(name).join('\n')).toContain(`${name}(`)
})

const measures = Object.keys(language).filter((name) => !OTHERS.includes(name) && !(name in seriesColumns))
const results = measures.flatMap((name) => {
  const example = exampleOf(name)
  const lines = example.flatMap((line) => [...line.matchAll(/^(\w+\(.*\)) \/\/ (.+)$/g)])
  return lines.map(([, call, result]) => ({ name, call: call!, result: result!, columns: columnsOf(example) }))
})

test('every measure has a result', () => {
  expect([...new Set(results.map(({ name }) => name))]).toEqual(measures)
})

test.each(results)('$call is $result', async ({ call, result, columns }) => {
  const view = await viewOf(columns, evaluated(call) as language.MeasureDefinition)
  const [even, odd] = ['o % 2 = 0', 'o % 2 = 1'].map(
    (where) => `SELECT * FROM (${view.partialSql(rowsSql(columns, where))})`,
  )
  await connection.run(`CREATE OR REPLACE TABLE merged AS ${view.mergeSql(`(${even} UNION ALL ${odd})`)}`)
  const [merged] = await connection.rows<{ value: unknown }>(view.presentSql('merged', []))
  const [recounted] = await connection.rows<{ value: unknown }>(view.recountSql(rowsSql(columns, 'true')))
  const expected = evaluated(result)
  const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
  expect([merged, recounted].map((row) => plain(row!.value))).toEqual([expected, expected])
})

const calculations = Object.keys(seriesColumns).flatMap((name) => {
  const example = exampleOf(name)
  const lines = example.flatMap((line) => [...line.matchAll(/^(\w+\(.*\)) \/\/ (.+)$/g)])
  const inputs = example.flatMap((line) => [...line.matchAll(/^\/\/ (\w+)(, of \w+ keys at one time)?: (.+)$/g)])
  const columns = new Map(inputs.map(([, column, , values]) => [column!, values!]))
  const across = inputs.some(([, , keys]) => keys !== undefined)
  return lines.map(([, call, result]) => ({ name, call: call!, result: result!, columns, across }))
})

test('every calculation of a series has a result', () => {
  expect([...new Set(calculations.map(({ name }) => name))]).toEqual(Object.keys(seriesColumns))
})

test.each(calculations)('$call gives $result', async ({ call, result, columns, across }) => {
  const definition: language.DatasetDefinition = {
    name: 'examples',
    time: 'at',
    key: 'key',
    columns: {
      key: { type: 'BIGINT', path: '$.key', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
      ...Object.fromEntries([...columns.keys()].map((name) => [`of_${name}`, { type: 'BIGINT', path: `$.${name}` }])),
    },
    views: {
      rows: {
        dimensions: { key: 'key' },
        time: ['day'],
        measures: Object.fromEntries([...columns.keys()].map((name) => [name, language.sum(`of_${name}`)])),
      },
    },
    series: {
      one: { over: 'rows', grain: 'day', columns: { value: evaluated(call) as language.SeriesColumnDefinition } },
    },
  }
  const { steps } = (await compileDataset(definition, connection)).series.get('one')!.columns[0]!
  const values = [...columns].map(([name, list]) => `unnest([${list}]::BIGINT[])::DECIMAL(38,0) AS ${name}`)
  const times = `"time", "time" AS ${WALL}, 0 AS ${BEGIN}`
  const places = across ? `0::BIGINT AS ${times}, o AS key` : `o * ${GRAIN_MS.day} AS ${times}, 0::BIGINT AS key`
  const rows = `(SELECT ${places}, * EXCLUDE o FROM (SELECT unnest(range(${[...columns.values()][0]!.split(', ').length})) AS o, ${values.join(', ')}))`
  const found = await connection.rows<{ value: unknown }>(
    `SELECT "value"::DOUBLE AS value FROM ${calculatedSql(rows, steps, ['key'])} ORDER BY "time", key`,
  )
  const wanted = result.split(', ').map((text) => (text === 'NULL' ? null : Number.parseFloat(text)))
  expect(found.map(({ value }) => (typeof value === 'number' ? Number(value.toFixed(3)) : value))).toEqual(
    wanted.map((value) => (value === null ? null : Number(value.toFixed(3)))),
  )
})

test('the example of defineDataset compiles', async () => {
  const text = exampleOf('defineDataset').filter((line) => !line.startsWith('//'))
  const definition = evaluated(text.join('\n').replace('export default ', '')) as language.DatasetDefinition
  const { views } = await compileDataset(definition, connection)
  expect([...views.keys()]).toEqual(['by_shop'])
})
