/** Recounts on a real Trino: the generation has the states of a recount by DuckDB, whatever the view measures. */
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  avg,
  boolAnd,
  boolOr,
  count,
  countDistinct,
  defineDataset,
  first,
  histogram,
  latest,
  max,
  maxBy,
  min,
  minBy,
  quantile,
  ratio,
  sum,
} from '#core/definition.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { EVENTS_CODEC } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { TrinoClient } from '#storage/trino/trino-client.ts'
import { FaultyProxy } from '#tests/servers/faulty-proxy.ts'
import { folderCatalog, type TrinoCatalog } from '#tests/servers/trino-catalog.ts'
import { sharedTrino, startTrino, whyNoTrino } from '#tests/servers/trino-server.ts'
import { until } from '#tests/until.ts'
import { BatchFixture } from './batch-fixture.ts'
import { PinnedTables } from './pinned-tables.ts'
import { TrinoEngine } from './trino-engine.ts'

const definition = defineDataset({
  name: 'measured',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    guests: { type: 'INTEGER', path: '$.guests' },
    member: { type: 'BIGINT', path: '$.member' },
    topics: { type: 'VARCHAR[]', path: '$.topics' },
    amount: { type: 'DOUBLE', path: '$.amount' },
    price: { type: 'DECIMAL(12,2)', path: '$.price' },
    part: { type: 'DECIMAL(3,3)', path: '$.part' },
    seen: { type: 'TIMESTAMP', path: '$.seen' },
    day: { type: 'DATE', path: '$.day' },
    active: { type: 'BOOLEAN', path: '$.active' },
    note: { type: 'VARCHAR', path: '$.note' },
  },
  views: {
    counts: {
      dimensions: { country: 'country' },
      time: ['minute', 'hour'],
      measures: { answers: count(), many: count({ where: 'guests > 2' }), guests: sum('guests', { where: 'active' }) },
    },
    sums: {
      dimensions: { active: 'active' },
      where: 'guests >= 1',
      measures: { ids: sum('id'), prices: sum('price'), mean: avg('price'), share: ratio('price', 'guests') },
    },
    doubles: { dimensions: { country: 'country' }, measures: { total: sum('amount'), mean: avg('amount') } },
    kept: {
      dimensions: { day: 'day' },
      time: ['day'],
      measures: {
        first_topics: first('topics'),
        latest_seen: latest('seen'),
        latest_amount: latest('amount', { where: 'active' }),
        smallest: min('country'),
        largest: max('seen'),
        cheapest: min('price'),
        richest: maxBy('country', 'price'),
        poorest: minBy('member', 'amount'),
        all_active: boolAnd('active'),
        any_active: boolOr('active'),
      },
    },
    spread: {
      dimensions: {},
      measures: {
        bins: histogram('price', [1, 2.5, 500]),
        bins_of_amount: histogram('amount', [-10, 0, 1e18]),
        middle: quantile('guests', 0.5),
        high: quantile('amount', 0.99),
        price: quantile('price', 0.1),
      },
    },
    people: {
      dimensions: { country: 'country' },
      measures: {
        members: countDistinct('member', { exact: true }),
        ids: countDistinct('id'),
        days: countDistinct('day'),
        prices: countDistinct('price'),
        parts: countDistinct('part'),
        seen: countDistinct('seen'),
        amounts: countDistinct('amount'),
      },
    },
    texts: {
      dimensions: { note: 'note' },
      measures: { answers: count(), last: latest('note'), least: min('note'), notes: countDistinct('note') },
    },
    by_topic: {
      unnest: { topic: 'topics' },
      dimensions: { topic: 'topic' },
      time: ['hour'],
      measures: { mentions: count(), newest: latest('topic'), members: countDistinct('member') },
    },
    everything: { dimensions: {}, measures: { answers: count(), topics: countDistinct('topics') } },
  },
})

/** For tests that are not about measures. */
const smaller = { ...definition, views: { counts: definition.views.counts!, people: definition.views.people! } }

describe.skipIf(whyNoTrino() !== null)('recounts on Trino', () => {
  let fixture: BatchFixture
  let catalog: TrinoCatalog
  let client: TrinoClient
  let engine: TrinoEngine
  beforeAll(async () => {
    fixture = await BatchFixture.open(definition)
    for (const rows of [3_000, 40, 1]) await fixture.land(0, rows)
    await fixture.land(1, 2_000, 3)
    const url = await sharedTrino()
    client = new TrinoClient({ url, outageMsMax: 1_000 })
    catalog = await folderCatalog(url, fixture.folder)
    engine = await engineOf(client)
  }, 240_000)
  afterAll(async () => {
    await catalog?.drop()
    await fixture?.close()
  })

  const engineOf = (using: TrinoClient): Promise<TrinoEngine> => {
    const place = { catalog: catalog.name, schema: 'watershed', lakeUri: catalog.lakeUri }
    return TrinoEngine.of({ ...place, client: using, dataset: fixture.dataset }, fixture.connection)
  }

  /** The merged states of a view. */
  const statesOf = (generation: GenerationManifest, view: string): string => {
    const files = generation.views[view]!.files.map((file) => fixture.lake.resolve(file))
    return fixture.dataset.views.get(view)!.mergeSql(`(SELECT * FROM ${readParquetSql(files)})`)
  }

  /** Nothing of a run stays in the lake or on Trino. */
  const expectTidy = async (): Promise<void> => {
    expect(readdirSync(join(fixture.lake.folder, 'pinned'))).toEqual([])
    expect((await client.query(`SHOW TABLES FROM ${catalog.name}.watershed`)).rows).toEqual([])
  }

  /** As the coordinator sees it: a statement would have tasks there itself. */
  const hasTasks = async (worker: string): Promise<boolean> => {
    const ask = async (path: string): Promise<string> =>
      (await fetch(`${client.shown}/v1/query${path}`, { headers: { 'x-trino-user': 'tests' } })).text()
    const queries = JSON.parse(await ask('')) as readonly { readonly queryId: string; readonly state: string }[]
    const running = queries.filter(({ state }) => state === 'RUNNING')
    const details = await Promise.all(running.map(({ queryId }) => ask(`/${queryId}`)))
    return details.some((text) => text.includes(`${worker}/v1/task/`))
  }

  const expectSame = async (one: GenerationManifest, other: GenerationManifest): Promise<void> => {
    for (const view of fixture.dataset.views.keys()) {
      if (view === 'doubles') continue
      const [a, b] = [statesOf(one, view), statesOf(other, view)]
      const wrong = await fixture.connection.rows(
        `(FROM (${a}) EXCEPT ALL FROM (${b})) UNION ALL (FROM (${b}) EXCEPT ALL FROM (${a})) LIMIT 5`,
      )
      expect(wrong, `states of ${view}`).toEqual([])
    }
    if (!fixture.dataset.views.has('doubles')) return
    const [a, b] = [statesOf(one, 'doubles'), statesOf(other, 'doubles')]
    const view = fixture.dataset.views.get('doubles')!
    const values = (states: string): string => view.presentSql(`(${states})`, ['country'])
    const wrong = await fixture.connection.rows(
      `SELECT a.*, b.* FROM (${values(a)}) AS a FULL JOIN (${values(b)}) AS b ON a.country IS NOT DISTINCT FROM b.country
        WHERE (abs(a.total - b.total) <= 1e-12 * abs(b.total) AND abs(a.mean - b.mean) <= 1e-12 * abs(b.mean)) IS NOT TRUE`,
    )
    expect(wrong, 'sums of doubles').toEqual([])
  }

  test('every measure has the states of a recount by DuckDB', async () => {
    const own = await fixture.run({ mode: 'full' })
    const made = await fixture.run({ mode: 'full', recountEngine: engine })
    expect(fixture.events.filter(({ name }) => name === 'recounted-on-trino')).toHaveLength(fixture.dataset.views.size)
    await expectSame(own!, made!)
    for (const [name, { hash, files }] of Object.entries(made!.views)) {
      expect(hash).toBe(own!.views[name]!.hash)
      const columns = await fixture.connection.describe(
        `SELECT * FROM ${readParquetSql([fixture.lake.resolve(files[0]!)])}`,
      )
      expect(columns).toEqual(fixture.dataset.views.get(name)!.stateColumns)
    }
    await expectTidy()
  })

  test('segments that Trino cannot read are counted here, and merged', async () => {
    await fixture.redefine(smaller)
    engine = await engineOf(client)
    fixture.eventsCodec = null
    await fixture.land(1, 500)
    fixture.eventsCodec = EVENTS_CODEC
    await fixture.land(0, 700)
    const own = await fixture.run({ mode: 'full' })
    await expectSame(own!, (await fixture.run({ mode: 'full', recountEngine: engine }))!)
  })

  test('a worker is killed while it counts: another one does its work, and the generation is the same', async () => {
    const own = await fixture.run({ mode: 'full' })
    const worker = await startTrino({ coordinator: client.shown })
    try {
      let isOver = false
      const running = fixture.run({ mode: 'full', recountEngine: engine }).finally(() => {
        isOver = true
      })
      running.catch(() => {})
      await until('the worker has tasks', () => hasTasks(worker.url), { futile: () => isOver })
      expect(isOver).toBe(false)
      await worker.kill9()
      await expectSame(own!, (await running)!)
      // Trino has done again what was lost: no statement failed.
      expect(fixture.events.filter(({ name }) => name === 'trino-statement-repeated')).toEqual([])
    } finally {
      await worker.stop()
    }
  })

  test('a statement that fails because of a worker is repeated as a whole', async () => {
    const proxy = await FaultyProxy.start(client.shown)
    try {
      const own = await fixture.run({ mode: 'full' })
      const lost = { message: 'a worker is gone', errorName: 'REMOTE_TASK_ERROR', errorType: 'INTERNAL_ERROR' }
      proxy.answerOnce(({ body }) => body.includes('GROUP BY "pane"'), { id: 'lost', error: lost })
      const made = await fixture.run({
        mode: 'full',
        recountEngine: await engineOf(new TrinoClient({ url: proxy.url })),
      })
      await expectSame(own!, made!)
      expect(fixture.events.filter(({ name }) => name === 'trino-statement-repeated')).toHaveLength(1)
    } finally {
      await proxy.stop()
    }
  })

  test('a file that is missing ends the run, and nothing is published', async () => {
    const before = await fixture.lake.current()
    const [segment] = (await fixture.lake.chains(2))[0]!.segments
    const path = fixture.lake.resolve(segment!.events!)
    renameSync(path, `${path}.away`)
    const failed = fixture.run({ mode: 'full', recountEngine: engine })
    await expect(failed).rejects.toThrow(segment!.events!.path)
    renameSync(`${path}.away`, path)
    expect(await fixture.lake.current()).toEqual(before)
    await expectTidy()
  })

  test('a file with other events than its manifest says is found', async () => {
    const place = { catalog: catalog.name, schema: 'watershed', lakeUri: catalog.lakeUri }
    const lock = (await fixture.lake.tryLock('batch'))!
    const tables = new PinnedTables({ ...place, client, dataset: fixture.dataset, lake: fixture.lake })
    try {
      const [segment] = (await fixture.lake.chains(2))[1]!.segments
      const { path, rows } = segment!.events!
      const other = { ...segment!, events: { ...segment!.events!, rows: rows + 1 } }
      const table = await tables.of([other])
      await expect(table.check()).rejects.toThrow(
        `Trino finds ${rows} events in '${path}', but its manifest says ${rows + 1}`,
      )
    } finally {
      await tables.close()
      await lock.release()
    }
  })

  test.each(['memory', 'nothing'])(
    'catalog %s, which has no tables of Delta Lake: it says what to check',
    async (name) => {
      const lock = (await fixture.lake.tryLock('batch'))!
      const place = { catalog: name, schema: 'watershed', lakeUri: catalog.lakeUri }
      const tables = new PinnedTables({ ...place, client, dataset: fixture.dataset, lake: fixture.lake })
      try {
        const made = tables.of((await fixture.lake.chains(2))[1]!.segments)
        await expect(made).rejects.toThrow(`check that trino.catalog '${name}' has the connector delta_lake`)
      } finally {
        await tables.close()
        await lock.release()
      }
      expect(readdirSync(join(fixture.lake.folder, 'pinned'))).toEqual([])
    },
  )

  test('Trino is away: the run says what to do, and nothing is published', async () => {
    const before = await fixture.lake.current()
    const away = await engineOf(new TrinoClient({ url: 'http://127.0.0.1:9', outageMsMax: 0 }))
    const failed = fixture.run({ mode: 'full', recountEngine: away })
    await expect(failed).rejects.toThrow(
      /Trino at http:\/\/127\.0\.0\.1:9 does not answer .* start it, or check trino\.url/,
    )
    expect(await fixture.lake.current()).toEqual(before)
  })

  test('what Trino would not compute equally is refused with the reason, before anything runs', async () => {
    const views = {
      spread: { dimensions: { country: "strftime(seen, '%A')" }, measures: { longest: max('topics') } },
    }
    await fixture.redefine({ ...definition, views })
    const refused = engineOf(client)
    await expect(refused).rejects.toMatchObject({
      problems: [
        expect.stringMatching(/^view 'spread', dimension 'country': strftime\(\)/),
        expect.stringMatching(/^view 'spread', measure 'longest': max of a list: /),
      ],
    })
    await expect(refused).rejects.toThrow(/derived column/)
  })
})
