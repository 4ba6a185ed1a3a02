/** Problems for which a definition is refused when it is loaded, with their places; and unusual but valid definitions. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import { count, type DatasetDefinition, first, latest, max, sum } from './definition.ts'
import { DefinitionError } from './definition-error.ts'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-compile-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const columns = {
  id: { type: 'BIGINT', path: '$.id', required: true },
  at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  order: { type: 'VARCHAR', path: '$.order' },
  gust: { type: 'DOUBLE', path: '$.gust' },
  calm: { type: 'BOOLEAN', path: '$.calm' },
  tags: { type: 'VARCHAR[]', path: '$.tags' },
} as const
const view = { dimensions: {}, measures: { n: count() } }
const winds: DatasetDefinition = { name: 'winds', time: 'at', key: 'id', columns, views: { all: view } }

/** A definition as an unchecked file could contain it. */
function written(change: object): DatasetDefinition {
  return { ...winds, ...change } as DatasetDefinition
}
const withView = (change: object): DatasetDefinition => written({ views: { all: { ...view, ...change } } })
const withColumn = (column: object): DatasetDefinition => written({ columns: { ...columns, x: column } })

async function problemsOf(definition: DatasetDefinition): Promise<readonly string[]> {
  return compileDataset(definition, connection).then(
    () => [],
    (error: Error) => {
      if (error instanceof DefinitionError) return error.problems
      throw error
    },
  )
}

describe('misspelt and mistyped members', () => {
  test.each<[DatasetDefinition, string]>([
    [
      written({ veiws: {} }),
      "unknown member 'veiws' (did you mean 'views'?); known members: name, label, description, time, key, lateAfter, accept, raw, keep, tables, columns, views, sources, sinks, series, groupings, dashboard",
    ],
    [written({ keep: { pane: {} } }), "keep: unknown member 'pane' (did you mean 'panes'?); known members: raw, panes"],
    [
      withColumn({ type: 'DOUBLE', path: '$.x', requird: true }),
      "column 'x': unknown member 'requird' (did you mean 'required'?); known members: type, path, as, required, default, unit, format, zone, onError, label, description, values",
    ],
    [
      withView({ dimension: {} }),
      "view 'all': unknown member 'dimension' (did you mean 'dimensions'?); known members: label, description, unnest, dimensions, where, time, window, measures, rank, enrich",
    ],
    [
      withView({ measures: { n: { kind: 'count', were: 'calm' } } }),
      "view 'all', measure 'n': unknown member 'were' (did you mean 'where'?); known members: where, label, description, unit",
    ],
    [
      withView({ measures: { n: { kind: 'sum', expression: 'gust', exact: true } } }),
      "view 'all', measure 'n': unknown member 'exact'; known members: where, label, description, unit",
    ],
    [
      withView({ window: { size: '5m', evry: '10s', every: '10s' } }),
      "view 'all', window: unknown member 'evry' (did you mean 'every'?); known members: size, every",
    ],
    [
      withView({ rank: { by: 'n', limit: 1, haveing: 'n > 1' } }),
      "view 'all', rank: unknown member 'haveing' (did you mean 'having'?); known members: by, limit, dimensions, having",
    ],
    [
      withView({ enrich: { x: { dictionary: 'd', key: 'n', attribute: 'a', atribute: 'b' } } }),
      "view 'all', enrich 'x': unknown member 'atribute' (did you mean 'attribute'?); known members: dictionary, key, attribute",
    ],
    [
      withView({ measures: { n: count } }),
      "view 'all', measure 'n': is not a measure; use one of count, sum, min, max, avg, ratio, first, latest, countDistinct, quantile, varSamp, varPop, stddevSamp, stddevPop, covarSamp, covarPop, corr, regrSlope, maxBy, minBy, histogram, boolAnd, boolOr, for example count()",
    ],
    [
      withView({ measures: { n: { kind: 'mode', expression: 'gust' } } }),
      "view 'all', measure 'n', kind: is not a measure; use one of count, sum, min, max, avg, ratio, first, latest, countDistinct, quantile, varSamp, varPop, stddevSamp, stddevPop, covarSamp, covarPop, corr, regrSlope, maxBy, minBy, histogram, boolAnd, boolOr, for example count()",
    ],
    [withColumn({ type: 'DOUBLE', path: '$.x', required: 'yes' }), "column 'x', required: must be a boolean"],
    [withColumn({ type: 'DOUBLE' }), "column 'x': a column must have either a path or an expression (as)"],
    [withView({ dimensions: { gust: 1 } }), "view 'all', dimension 'gust': must be a string"],
    [withView({ time: 'minute' }), "view 'all', time: must be a list"],
    [written({ columns: [] }), 'columns: must be an object'],
  ])('%#', async (definition, problem) => {
    expect(await problemsOf(definition)).toEqual([problem])
  })

  test('a file that exports something else', async () => {
    for (const other of [null, undefined, 'winds', 5])
      expect(await problemsOf(other as unknown as DatasetDefinition)).toEqual([
        'the file must export default defineDataset({ name, time, key, columns, views })',
      ])
  })

  test('all problems are reported at once', async () => {
    const definition = written({ name: 'Winds', time: 'gust', key: 'tags', lateAfter: '90' })
    expect(await problemsOf(definition)).toEqual([
      "name 'Winds' must match ^[a-z][a-z0-9_]{0,62}$",
      "time: column 'gust' must be a TIMESTAMP",
      "key: column 'tags' has type VARCHAR[]; a key must be one of BOOLEAN, INTEGER, BIGINT, VARCHAR, DATE",
      "lateAfter: '90' is not a duration (examples: 10s, 5m, 1h, 1d)",
    ])
  })
})

describe('an expression', () => {
  const unknown = (name: string) => expect.stringContaining(`refers to unknown column '${name}'`)
  const calls = (name: string) => `calls ${name}(), which is not one of the allowed scalar functions`
  test.each<[string, unknown]>([
    ['(SELECT 1)', 'contains a subquery expression, which is not allowed'],
    ['gust IN (SELECT 1)', 'contains a subquery expression, which is not allowed'],
    ['EXISTS (SELECT 1)', 'contains a subquery expression, which is not allowed'],
    ['sum(gust)', calls('sum')],
    ['count(*)', calls('count_star')],
    ['max(gust) FILTER (WHERE calm)', calls('max')],
    ['row_number() OVER ()', 'contains a window expression, which is not allowed'],
    ['lag(gust) OVER (ORDER BY id)', 'contains a window expression, which is not allowed'],
    ['random()', calls('random')],
    ['now()', calls('now')],
    ['uuid()', calls('uuid')],
    ['nextval(order)', expect.stringContaining('is not an SQL expression')],
    ["nextval('s')", calls('nextval')],
    ["current_setting('threads')", calls('current_setting')],
    ["getvariable('x')", calls('getvariable')],
    ["getenv('HOME')", calls('getenv')],
    ['current_date', unknown('current_date')],
    ['current_timestamp', unknown('current_timestamp')],
    ['range(3)', calls('range')],
    ['unnest(tags)', calls('unnest')],
    ["read_text('/etc/passwd')", calls('read_text')],
    ["read_csv('x.csv')", calls('read_csv')],
    ["query('SELECT 1')", calls('query')],
    ['?', 'contains a parameter expression, which is not allowed'],
    ['$1', 'contains a parameter expression, which is not allowed'],
    ['$name', 'contains a parameter expression, which is not allowed'],
    ['1; SELECT 2', expect.stringContaining('is not an SQL expression')],
    ['1;', expect.stringContaining('is not an SQL expression')],
    [';', expect.stringContaining('is not an SQL expression')],
    ['gust -- always', 'contains a comment, which is not allowed; put it in the definition file'],
    ['gust /* km/h */', 'contains a comment, which is not allowed; put it in the definition file'],
    ['gust) FROM rows --', 'contains a comment, which is not allowed; put it in the definition file'],
    ['gust) FROM rows; SELECT (1', expect.stringContaining('is not an SQL expression')],
    ['gust, id', calls('row')],
    ['gust AS x', expect.stringContaining('is not an SQL expression')],
    ['gust FROM rows', expect.stringContaining('is not an SQL expression')],
    ['*', 'contains a star expression, which is not allowed'],
    ['COLUMNS(*)', 'contains a star expression, which is not allowed'],
    ['rows.gust', unknown('rows.gust')],
    ['_offset', unknown('_offset')],
    ['GUST', expect.stringContaining("refers to unknown column 'GUST' (did you mean 'gust'?)")],
    ['gusts', expect.stringContaining("refers to unknown column 'gusts' (did you mean 'gust'?)")],
    ['lambda x: x', expect.stringContaining('lambda')],
    ['list_transform(tags, lambda x: upper(x))', expect.anything()],
    ['list_sort(DISTINCT tags)', 'uses DISTINCT or FILTER, which is not allowed'],
    ["'2024-01-01'::TIMESTAMPTZ", expect.stringContaining('casts to a type with time zone')],
    ['timezone(\'Asia/Tokyo\', "at")', calls('timezone')],
    ['order || id', expect.stringContaining('order is an SQL keyword: write "order"')],
    [' ', 'an expression must have 1 to 4096 characters'],
    [`'${'x'.repeat(4_100)}'`, 'an expression must have 1 to 4096 characters'],
    ['gust +', expect.stringContaining('is not an SQL expression')],
  ])('%s is refused in every place', async (sql, reason) => {
    const places: [string, object][] = [
      ["dimension 'x'", { dimensions: { x: sql } }],
      ["measure 'n'", { measures: { n: max(sql) } }],
      ["measure 'n', where", { measures: { n: count({ where: sql }) } }],
      ['where', { where: sql }],
    ]
    for (const [place, change] of places) {
      const problems = await problemsOf(withView(change))
      const full = typeof reason === 'string' ? expect.stringContaining(reason) : reason
      expect(problems).toEqual([full])
      expect(problems[0]).toMatch(new RegExp(`^view 'all', ${place}: `))
    }
    const having = await problemsOf(withView({ rank: { by: 'n', limit: 1, having: sql } }))
    expect(having).toEqual([expect.stringMatching(/^view 'all', rank, having: /)])
  })

  test('a condition must be BOOLEAN', async () => {
    const say = (place: string, sql: string, type: string) =>
      `view 'all', ${place}: '${sql}' must be a BOOLEAN expression, but has type ${type}`
    expect(await problemsOf(withView({ where: 'gust' }))).toEqual([say('where', 'gust', 'DOUBLE')])
    expect(await problemsOf(withView({ where: "'yes'" }))).toEqual([say('where', "'yes'", 'VARCHAR')])
    expect(await problemsOf(withView({ measures: { n: count({ where: 'id' }) } }))).toEqual([
      say("measure 'n', where", 'id', 'BIGINT'),
    ])
    const rank = { by: 'n', limit: 1, having: 'n' }
    expect(await problemsOf(withView({ rank }))).toEqual([say('rank, having', 'n', 'BIGINT')])
    const right = { where: 'calm', measures: { n: count({ where: 'gust > 1' }) }, rank: { ...rank, having: 'n > 1' } }
    expect(await problemsOf(withView(right))).toEqual([])
  })
})

/** Decodes the lines; the rows are in the table `rows`. */
async function decode(dataset: CompiledDataset, lines: readonly object[]): Promise<void> {
  await connection.run('DROP TABLE IF EXISTS rows')
  await createRowsTable(connection, dataset, 'rows')
  const count = lines.length
  const text = Buffer.from(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
  const batch = {
    partition: 0,
    start: 0,
    end: count,
    lines: text,
    count,
    offsets: null,
    arrivals: [{ count, atMs: 5 }],
  }
  const { dead } = await decodeBatch(connection, dataset, batch, { table: 'rows', scratchFolder: folder })
  expect(dead).toEqual([])
}

test('SQL keywords work as bare names everywhere', async () => {
  const words = ['order', 'select', 'at', 'end', 'table', 'when', 'user', 'true', 'current_date', 'row_number']
  const texts = Object.fromEntries(words.map((word) => [word, { type: 'VARCHAR', path: `$.${word}` } as const]))
  const definition: DatasetDefinition = {
    name: 'words',
    time: 'group',
    key: 'all',
    columns: {
      ...texts,
      all: { type: 'BIGINT', path: '$.all' },
      group: { type: 'TIMESTAMP', path: '$.group', unit: 'ms' },
      not: { type: 'BOOLEAN', path: '$.not' },
      limit: { type: 'INTEGER', path: '$.limit' },
      in: { type: 'VARCHAR[]', path: '$.in' },
    },
    views: {
      from: {
        unnest: { union: 'in' },
        dimensions: { select: 'order', union: ' union ', from: '"select" || "end"' },
        where: 'not',
        measures: {
          where: sum('limit', { where: 'not' }),
          having: latest('true'),
          asc: first('current_date'),
          desc: max('not'),
        },
        rank: { by: 'where', limit: 1, having: 'desc' },
      },
    },
  }
  const dataset = await compileDataset(definition, connection)
  const line = {
    ...Object.fromEntries(words.map((word) => [word, word])),
    all: 1,
    group: 0,
    not: true,
    limit: 7,
    in: ['u'],
  }
  await decode(dataset, [line])
  const view = dataset.views.get('from')!
  const keep = ['select', 'union', 'from']
  const expected = {
    select: 'order',
    union: 'u',
    from: 'selectend',
    where: '7',
    having: 'true',
    asc: 'current_date',
    desc: true,
  }
  const merged = `(${view.mergeSql(`(${view.partialSql('rows')})`)})`
  const presented = `SELECT * FROM (${view.presentSql(merged, keep)}) WHERE ${view.rank!.having}`
  for (const select of [presented, view.recountSql('rows')])
    expect(await connection.rows(`SELECT * REPLACE ("where"::VARCHAR AS "where") FROM (${select})`)).toEqual([expected])
})

test('a default is written as in the event, and used if the event has no value or one that cannot be converted', async () => {
  const dataset = await compileDataset(
    written({
      columns: {
        ...columns,
        seconds: { type: 'TIMESTAMP', path: '$.seconds', unit: 's', default: 60 },
        iso: { type: 'TIMESTAMP', path: '$.iso', default: '2024-02-29T12:00+02:00' },
        day: { type: 'DATE', path: '$.day', default: '2024-02-29' },
        whole: { type: 'BIGINT', path: '$.whole', default: '9223372036854775' },
        price: { type: 'DECIMAL(20,2)', path: '$.price', default: '1.50' },
        text: { type: 'VARCHAR', path: '$.text', default: "it's" },
        json: { type: 'JSON', path: '$.json', default: 'x' },
        sure: { type: 'BOOLEAN', path: '$.sure', default: false },
        list: { type: 'INTEGER[]', path: '$.list', default: [1, 2] },
        none: { type: 'VARCHAR[]', path: '$.none[*].x', default: [] },
      },
    }),
    connection,
  )
  await decode(dataset, [
    { id: 1, at: 0 },
    { id: 2, at: 0, seconds: 'x', iso: 'x', day: 'x', whole: 'x', price: 'x', sure: 'x', list: 'x', none: 'x' },
    {
      id: 3,
      at: 0,
      seconds: 1,
      iso: '1970-01-01',
      day: '1970-01-01',
      whole: 1,
      price: 2,
      text: '',
      json: 1,
      sure: true,
      list: [],
      none: [{ x: 1 }],
    },
  ])
  const names = ['seconds', 'iso', 'day', 'whole', 'price', 'text', 'json', 'sure', 'list', 'none']
  const found = await connection.columns(
    `SELECT concat_ws('|', ${names.map((name) => `${name}::VARCHAR`).join(', ')}) FROM rows ORDER BY id`,
  )
  const defaults = `1970-01-01 00:01:00|2024-02-29 10:00:00|2024-02-29|9223372036854775|1.50|it's|"x"|false|[1, 2]|[]`
  expect(found[0]).toEqual([
    defaults,
    defaults,
    '1970-01-01 00:00:01|1970-01-01 00:00:00|1970-01-01|1|2.00||1|true|[]|[1]',
  ])
})

test('an unknown type is refused, also an impossible DECIMAL', async () => {
  for (const type of ['FLOAT', 'varchar', 'DECIMAL', 'DECIMAL(39,2)', 'DECIMAL(4,5)', 'DECIMAL(0,0)', 'JSON[]'])
    expect(await problemsOf(withColumn({ type, path: '$.x' }))).toEqual([
      `column 'x': unknown type '${type}'; use one of BOOLEAN, INTEGER, BIGINT, DOUBLE, VARCHAR, TIMESTAMP, DATE, JSON, DECIMAL(p,s), BOOLEAN[], INTEGER[], BIGINT[], DOUBLE[], VARCHAR[]`,
    ])
})

test.each<[object, string]>([
  [{ type: 'INTEGER', default: 'many' }, '"many" is not a valid INTEGER'],
  [{ type: 'INTEGER', default: 2 ** 31 }, '2147483648 is not a valid INTEGER'],
  [{ type: 'DOUBLE', default: Number.POSITIVE_INFINITY }, 'must be a string, a number'],
  [{ type: 'DECIMAL(4,2)', default: '100.00' }, '"100.00" is not a valid DECIMAL(4,2)'],
  [{ type: 'BOOLEAN', default: 'maybe' }, '"maybe" is not a valid BOOLEAN'],
  [{ type: 'DATE', default: '2023-02-29' }, '"2023-02-29" is not a valid DATE'],
  [{ type: 'TIMESTAMP', default: 'yesterday' }, '"yesterday" is not a valid time (iso, years 1 to 9999)'],
  [{ type: 'TIMESTAMP', unit: 's', default: 1e12 }, '1000000000000 is not a valid time (s, years 1 to 9999)'],
  [{ type: 'BIGINT[]', default: 1 }, '1 is not a valid BIGINT[]'],
  [{ type: 'BIGINT[]', default: [1, 'x'] }, '"x" is not a valid BIGINT'],
  [{ type: 'VARCHAR', default: ['x'] }, '["x"] is not a valid VARCHAR'],
])('a default that cannot be converted is refused: %j', async (column, problem) => {
  const problems = await problemsOf(withColumn({ path: '$.x', ...column }))
  expect(problems.join()).toMatch(/^column 'x'(, default)?: /)
  expect(problems.join()).toContain(problem)
})
