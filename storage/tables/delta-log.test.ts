/** A log of many versions: read from its last checkpoint on, or from what is known of it, and no version is written twice. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import { testEngine } from '../engine/engine-fixture.ts'
import { LocalLake } from '../lake/local/local-lake.ts'
import type { TablePlace } from '../lake/table-place.ts'
import { DeltaLog } from './delta-log.ts'
import { deltaSchema, storableType } from './delta-schema.ts'
import type { TableFile, TableState } from './table-state.ts'

const HOUR = 3_600_000
const SCHEMA = deltaSchema([{ name: 'id', type: 'BIGINT' }])

const { folder, connection } = await testEngine()
const lake = await LocalLake.open({ folder, dataset: 'd' })
const place = lake.tables()

/** As a process reads it that begins. */
async function reread(table: string): Promise<TableState> {
  const another = await LocalLake.open({ folder, dataset: 'd' })
  return new DeltaLog(another.tables(), table, connection).read()
}

const fileOf = (number: number): TableFile => ({
  path: `f${number}.parquet`,
  bytes: 10 + number,
  rows: number,
  createdAtMs: number * HOUR,
  bounds: { min: { id: number }, max: { id: number + 1 } },
  source: `made from ${number}`,
})

function write(
  log: DeltaLog,
  before: TableState,
  files: readonly TableFile[],
  atMs: number,
  graceMs = HOUR,
): Promise<TableState> {
  return log.write(before, { schema: SCHEMA, files, isRearranged: () => false, properties: {}, atMs, graceMs })
}

test('a log of 45 versions is read from the last checkpoint on, and versions older than a day are gone', async () => {
  const table = join(lake.folder, 'many')
  const log = new DeltaLog(place, 'many', connection)
  let state = await log.read()
  expect(state).toMatchObject({ version: -1, schema: null })
  const files: TableFile[] = []
  for (let number = 0; number < 45; number++) {
    files.push(fileOf(number))
    if (number % 9 === 8) files.shift()
    state = await write(log, state, files, number * HOUR)
  }
  const names = readdirSync(join(table, '_delta_log')).sort()
  expect(names[0]).toBe('00000000000000000016.json')
  expect(names.filter((name) => name.includes('checkpoint'))).toEqual([
    '00000000000000000020.checkpoint.parquet',
    '00000000000000000040.checkpoint.parquet',
    '_last_checkpoint',
  ])
  expect(JSON.parse(readFileSync(join(table, '_delta_log/_last_checkpoint'), 'utf8'))).toMatchObject({
    version: 40,
    size: 2 + 41 - 4 + 3,
  })
  const again = await reread('many')
  // Readers that began with a file have finished with it after a day.
  expect([...again.removed.keys()]).toEqual(['f1.parquet', 'f2.parquet', 'f3.parquet', 'f4.parquet'])
  expect({ ...again, removed: null }).toEqual({ ...state, removed: null })
  expect([...again.files.values()]).toEqual(files)
  expect(again.version).toBe(44)
})

test('the checkpoint holds what its readers need', async () => {
  const checkpoint = join(lake.folder, 'many/_delta_log/00000000000000000040.checkpoint.parquet')
  const rows = await connection.rows<{ feature: string; schema: string; adds: number; removes: number }>(
    `SELECT any_value(protocol.readerFeatures[1]) AS feature, any_value(metaData.schemaString) AS schema, count(add)::INTEGER AS adds, count(remove)::INTEGER AS removes FROM read_parquet(${quoteText(checkpoint)})`,
  )
  expect(rows).toEqual([{ feature: 'timestampNtz', schema: SCHEMA, adds: 37, removes: 3 }])
})

test('a file that left is named for as long as readers may use it, also for longer than a day', async () => {
  const log = new DeltaLog(place, 'slow', connection)
  let state = await log.read()
  for (let number = 0; number <= 20; number++)
    state = await write(log, state, [fileOf(number)], number * 4 * HOUR, 60 * HOUR)
  const { removed } = await reread('slow')
  expect([...removed.values()].map((atMs) => atMs / HOUR)).toEqual([
    20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80,
  ])
  expect(readdirSync(join(lake.folder, 'slow/_delta_log')).toSorted()[0]).toBe('00000000000000000005.json')
})

test('a process reads only the versions since the one that it read or wrote last', async () => {
  const [another, asked] = [await LocalLake.open({ folder, dataset: 'd' }), [] as string[]]
  const log = new DeltaLog(place, 'since', connection)
  let state = await log.read()
  for (let number = 0; number < 25; number++) state = await write(log, state, [fileOf(number)], number)
  const follower = new DeltaLog(askedPlace(another.tables(), asked), 'since', connection)
  expect(await follower.read()).toMatchObject({ version: 24, files: state.files })
  expect(asked.splice(0)).toEqual(['_last_checkpoint', '20.checkpoint', '21', '22', '23', '24', '25'])
  expect(await follower.read()).toMatchObject({ version: 24, files: state.files })
  expect(asked.splice(0)).toEqual(['24', '25'])
  for (let number = 25; number < 27; number++) state = await write(log, state, [fileOf(number)], number)
  expect(await follower.read()).toMatchObject({ version: 26, files: state.files })
  expect(asked.splice(0)).toEqual(['24', '25', '26', '27'])
  state = await write(follower, await follower.read(), [fileOf(27)], 27)
  asked.splice(0)
  expect(await follower.read()).toBe(state)
  expect(asked).toEqual(['27', '28'])
})

test('a table that was made anew, or restored from an older copy, is read as a whole', async () => {
  const [table, log] = [join(lake.folder, 'anew/_delta_log'), new DeltaLog(place, 'anew', connection)]
  let state = await log.read()
  for (let number = 0; number < 3; number++) state = await write(log, state, [fileOf(number)], number)
  rmSync(join(table, '00000000000000000002.json'))
  expect(await log.read()).toMatchObject({ version: 1, files: new Map([['f1.parquet', fileOf(1)]]) })
  rmSync(table, { recursive: true })
  expect(await log.read()).toMatchObject({ version: -1, schema: null, files: new Map() })
  const other = new DeltaLog((await LocalLake.open({ folder, dataset: 'd' })).tables(), 'anew', connection)
  await write(other, await other.read(), [fileOf(7)], 7)
  const again = await log.read()
  expect([again.version, [...again.files.keys()]]).toEqual([0, ['f7.parquet']])
  rmSync(table, { recursive: true })
  await write(other, await other.read(), [fileOf(8)], 8)
  expect([...(await log.read()).files.keys()]).toEqual(['f8.parquet'])
})

test('of many files a checkpoint is written more seldom', async () => {
  const log = new DeltaLog(place, 'large', connection)
  const files = Array.from({ length: 10_000 }, (_, number) => fileOf(number))
  let state = await log.read()
  for (let number = 0; number <= 20; number++) state = await write(log, state, [...files, fileOf(10_000 + number)], 0)
  expect(readdirSync(join(lake.folder, 'large/_delta_log')).filter((name) => name.includes('checkpoint'))).toEqual([])
})

test('nothing differs: no version; a version that somebody else has written is an error', async () => {
  const table = join(lake.folder, 'shared')
  const log = new DeltaLog(place, 'shared', connection)
  const first = await write(log, await log.read(), [fileOf(1)], 0)
  expect(await write(log, first, [fileOf(1)], 1)).toBe(first)
  writeFileSync(join(table, '_delta_log/00000000000000000001.json'), '')
  await expect(write(log, first, [fileOf(2)], 2)).rejects.toThrow(/version 1 .* was written by somebody else/)
})

test('the history of a table says when it began, and of each version what it counts', async () => {
  const log = new DeltaLog(place, 'history', connection)
  let state = await log.read()
  for (let number = 0; number < 22; number++) {
    const next = {
      schema: SCHEMA,
      files: [fileOf(number)],
      isRearranged: () => false,
      atMs: number * HOUR,
      graceMs: HOUR,
    }
    state = await log.write(state, { ...next, properties: { counted: `[${number}]` } })
  }
  const actionsOf = (version: number): Record<string, Record<string, unknown>>[] =>
    readFileSync(join(lake.folder, `history/_delta_log/000000000000000000${version}.json`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>)
  expect(actionsOf(20)).toMatchObject([
    { commitInfo: { operation: 'WRITE', readVersion: 19, operationParameters: { counted: '[20]' } } },
    { metaData: { createdTime: 0, configuration: { counted: '[20]' } } },
    { remove: { path: 'f19.parquet' } },
    { add: { path: 'f20.parquet' } },
  ])
  const { createdAtMs, properties, id } = await reread('history')
  expect({ createdAtMs, properties, id }).toEqual({ createdAtMs: 0, properties: { counted: '[21]' }, id: state.id })
})

test('a writer that dies at any step of a checkpoint leaves a table that the next one goes on with', async () => {
  for (const [table, dies] of [
    ['unstaged', { stage: true }],
    ['unnoted', { replace: true }],
    ['not-cleaned', { remove: true }],
  ] as const) {
    const [whole, dying] = [new DeltaLog(place, table, connection), new DeltaLog(dyingPlace(dies), table, connection)]
    let state = await whole.read()
    for (let number = 0; number < 20; number++) state = await write(whole, state, [fileOf(number)], number * HOUR)
    await expect(write(dying, state, [fileOf(20)], 50 * HOUR)).rejects.toThrow('it died')
    const found = await reread(table)
    expect([found.version, [...found.files.keys()]]).toEqual([20, ['f20.parquet']])
    for (let number = 21; number <= 41; number++)
      state = await write(whole, await whole.read(), [fileOf(number)], number * 50 * HOUR)
    expect(await reread(table)).toMatchObject({ version: 41, files: state.files })
    expect(readdirSync(join(lake.folder, table, '_delta_log')).toSorted()[0]).toBe(
      '00000000000000000040.checkpoint.parquet',
    )
  }
})

/** Notes what is read of a log, by short names. */
function askedPlace(whole: TablePlace, asked: string[]): TablePlace {
  const note = (path: string): void =>
    void asked.push(path.replace(/^.*\/(?:0{18})?/, '').replace(/\.(json|parquet)$/, ''))
  return new Proxy(whole, {
    get: (_, name: keyof TablePlace) => {
      if (name !== 'read' && name !== 'bring') return whole[name].bind(whole)
      return (path: string) => {
        note(path)
        return whole[name](path)
      }
    },
  })
}

/** Dies before the first effect of a kind. */
function dyingPlace(dies: { readonly [Effect in 'stage' | 'replace' | 'remove']?: boolean }): TablePlace {
  const died = (): never => {
    throw new Error('it died')
  }
  return new Proxy(place, {
    get: (whole, name: keyof TablePlace) => ((dies as Record<string, boolean>)[name] ? died : whole[name].bind(whole)),
  })
}

test.each([
  ['BIGINT', 'BIGINT'],
  ['DECIMAL(38,3)', 'DECIMAL(38,3)'],
  ['VARCHAR[]', 'VARCHAR[]'],
  ['HUGEINT', 'DECIMAL(38,0)'],
  ['UBIGINT[]', 'DECIMAL(20,0)[]'],
  ['TIME', 'VARCHAR'],
  ['STRUCT(a BIGINT)[]', 'VARCHAR'],
])('values of %s are written as %s', (type, stored) => {
  expect(storableType(type)).toBe(stored)
})

test('a type that a table has not is an error, not another type', () => {
  expect(() => deltaSchema([{ name: 't', type: 'TIME' }])).toThrow(/no type for TIME/)
  expect(JSON.parse(deltaSchema([{ name: 'tags', type: 'VARCHAR[]' }])).fields[0].type).toEqual({
    type: 'array',
    elementType: 'string',
    containsNull: true,
  })
})
