/** The Delta tables of a lake in a bucket as Trino reads them: the events that were sent, the rows of REST, and earlier versions. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TrinoClient } from '#storage/trino/trino-client.ts'
import { S3Fixture } from '#tests/servers/s3-lakes.ts'
import { S3_CREDENTIALS, whyNoS3 } from '#tests/servers/s3-server.ts'
import { bucketCatalog, type TrinoCatalog } from '#tests/servers/trino-catalog.ts'
import { sharedTrino, whyNoTrino } from '#tests/servers/trino-server.ts'
import {
  conditions,
  EXTREMES,
  extremes,
  openTableLake,
  sorted,
  type TableLake,
  type TextRow,
  textOf,
} from './table-lake.ts'

const SCHEMA = 'read'
const TABLES = { events: '', sales: '/tables/sales', by_product: '/tables/by_product' } as const

describe.skipIf(whyNoTrino() !== null || whyNoS3() !== null)('tables that Trino reads', () => {
  let s3: S3Fixture
  let lake: TableLake
  let catalog: TrinoCatalog
  let client: TrinoClient

  beforeAll(async () => {
    s3 = await S3Fixture.start()
    const [url, prefix] = [await sharedTrino(), s3.prefix()]
    lake = await openTableLake((ground, dataset) => s3.open(prefix, { dataset, cacheFolder: `${ground}/cache` }))
    const place = { endpoint: s3.server.endpoint, bucket: s3.bucket, prefix, folder: s3.folder }
    catalog = await bucketCatalog(url, { ...place, ...S3_CREDENTIALS })
    client = new TrinoClient({ url, catalog: catalog.name, schema: SCHEMA })
    await client.query(`CREATE SCHEMA ${SCHEMA}`)
    for (const [name, folder] of Object.entries(TABLES))
      await client.query(`CALL system.register_table('${SCHEMA}', '${name}', '${catalog.lakeUri}/shop${folder}')`)
  }, 300_000)
  afterAll(async () => {
    for (const name of Object.keys(TABLES)) await client?.query(`CALL system.unregister_table('${SCHEMA}', '${name}')`)
    await catalog?.drop()
    await lake?.close()
    await s3?.stop()
  })

  const rowsOf = async (sql: string): Promise<TextRow[]> => {
    const { columns, rows } = await client.query(sql)
    return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, textOf(row[index])])))
  }

  test('the events are those that were sent, with every digit', async () => {
    const rows = await rowsOf('SELECT * FROM events')
    expect(sorted(rows.map(({ _arrival, ...row }) => row))).toEqual(sorted(lake.events))
  })

  test('the tables of views are the answers of REST', async () => {
    const sales = await rowsOf('SELECT * FROM sales')
    const answer = await lake.answer('sales', 'grain=hour')
    expect(sorted(sales.map(({ pane, people__estimated, ...row }) => ({ time: pane!, ...row })))).toEqual(
      sorted(answer),
    )
    expect(sorted(await rowsOf('SELECT * FROM by_product'))).toEqual(sorted(await lake.answer('by_product')))
  })

  test('no row is lost by bounds in the log', async () => {
    const asked = conditions(lake.events, (text) => `TIMESTAMP '${text}'`)
    const counts = asked.map(
      ([condition], index) => `SELECT ${index} AS i, count(*) AS n FROM events WHERE ${condition}`,
    )
    const { rows } = await client.query(`${counts.join(' UNION ALL ')} ORDER BY i`)
    expect(rows.map(([index, count]) => [asked[Number(index)]![0], count])).toEqual(asked)
    expect(await rowsOf(`SELECT ${EXTREMES} FROM events`)).toEqual([extremes(lake.events)])
  })

  test('earlier versions have the events up to their boundary, which the history and the properties say', async () => {
    for (const version of [2, 13, 20]) {
      const { boundary } = lake.versions[version]!
      const { rows } = await client.query(
        `SELECT count(*), count(DISTINCT _offset), max(_offset) + 1 FROM events FOR VERSION AS OF ${version} GROUP BY _partition ORDER BY _partition`,
      )
      expect(rows).toEqual(boundary.map((end) => [end, end, end]))
    }
    const history = await rowsOf(
      `SELECT operation_parameters['watershed.generation'] AS generation, operation_parameters['watershed.boundary'] AS boundary FROM "events$history" ORDER BY version`,
    )
    const counted = lake.versions.map(({ generation, boundary }) => ({
      generation,
      boundary: JSON.stringify(boundary),
    }))
    expect(history).toEqual(counted)
    const properties = await rowsOf(`SELECT value FROM "events$properties" WHERE key = 'watershed.boundary'`)
    expect(properties).toEqual([{ value: counted.at(-1)!.boundary }])
  })
})
