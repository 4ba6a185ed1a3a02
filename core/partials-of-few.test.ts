/** The text for few rows gives the same partials as the one for many. */
import { afterAll, expect, test } from 'vitest'
import { rowsTableSql } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { compileDataset } from './compile-dataset.ts'
import { count, countDistinct, defineDataset, first, latest, quantile } from './definition.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'page',
  columns: {
    page: { type: 'VARCHAR', path: '$.page', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    user: { type: 'BIGINT', path: '$.user' },
    took: { type: 'BIGINT', path: '$.took' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    pages: {
      dimensions: { page: 'page' },
      time: ['hour'],
      measures: {
        visits: count(),
        users: countDistinct('user'),
        quick: countDistinct('user', { exact: true, where: 'took < 10' }),
        median: quantile('took', 0.5),
        last: latest('took'),
        began: first('user'),
        labels: latest('tags'),
      },
    },
    tagged: {
      unnest: { tag: 'tags' },
      dimensions: { page: 'page' },
      measures: { early: first('tag'), late: latest('tag') },
    },
    all: { dimensions: {}, measures: { users: countDistinct('user', { exact: true }) } },
  },
})

const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
const connection = await engine.connect()
const dataset = await compileDataset(definition, connection)
afterAll(() => engine.close())

// More values than a sketch keeps in one group, missing ones, groups without any, and two partitions with the same values.
const ROWS = `SELECT i % 2 AS _partition, i AS _offset, 1700000000000 + i % 3 * 3600000 AS _time, 1700000000000 AS _arrival,
  'page ' || CASE WHEN i % 5 = 0 THEN 5 + i % 7 ELSE 0 END AS page, make_timestamp(_time * 1000) AS at,
  CASE WHEN i % 11 > 0 AND i % 35 > 0 THEN i // 2 % 9000 END AS user, CASE WHEN i % 13 > 0 THEN i * 7919 % 101 END AS took,
  CASE WHEN i % 4 > 0 THEN ['tag ' || i % 3, 'tag ' || i * 7 % 11] END AS tags, NULL AS _unset
  FROM range(40000) AS _rows(i)`

test.each(['pages', 'tagged', 'all'])('the partials of view %s are the same', async (name) => {
  const view = dataset.views.get(name)!
  await connection.run('DROP TABLE IF EXISTS visited')
  await connection.run(rowsTableSql(dataset, 'visited'))
  await connection.run(`INSERT INTO visited BY NAME ${ROWS}`)
  const partials = async (few: boolean): Promise<string> => {
    const sql = view.partialByPartitionSql('visited', { few })
    const [text] = await connection.columns(`SELECT to_json(list(s ORDER BY s::VARCHAR))::VARCHAR FROM (${sql}) AS s`)
    return text![0] as string
  }
  const many = await partials(false)
  expect(JSON.parse(many).length).toBeGreaterThan(1)
  expect(await partials(true)).toBe(many)
  // Aggregates that each take a hash table, or several of them, are what planning and starting a statement takes longest for.
  const [few, all] = [true, false].map((each) => view.partialByPartitionSql('visited', { few: each })) as [
    string,
    string,
  ]
  expect(few).not.toContain('(DISTINCT ')
  expect(few.length).toBeLessThan(all.length)
})
