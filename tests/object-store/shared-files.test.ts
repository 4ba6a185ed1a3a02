/**
 * Partials of segments that close together are one object: what that saves in requests, counted, and that the partitions of a worker do close
 * at the same moments.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, defineDataset, sum } from '#core/definition.ts'
import { noSteps } from '#core/steps.ts'
import { landSegment } from '#speed-layer/land-segment.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { createRowsTable } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { DATASET, emptySegment } from '#storage/lake/lake-contract-fixture.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { S3Fixture } from '../servers/s3-lakes.ts'
import { S3Proxy } from '../servers/s3-proxy.ts'
import { whyNoS3 } from '../servers/s3-server.ts'
import { until } from '../until.ts'

const definition = defineDataset({
  name: DATASET,
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
  },
  views: {
    pages: { dimensions: { page: 'page' }, time: ['minute'], measures: { clicks: count(), ids: sum('id') } },
    hours: { dimensions: {}, time: ['hour'], measures: { clicks: count() } },
    all: { dimensions: {}, measures: { clicks: count(), ids: sum('id') } },
  },
})
const VIEWS = 3
const PARTITIONS = 8

describe.skipIf(whyNoS3() !== null)('partials of segments that close together', () => {
  let s3: S3Fixture
  let proxy: S3Proxy
  let engine: DuckDbEngine
  let dataset: CompiledDataset
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-shared-'))
    s3 = await S3Fixture.start()
    proxy = await S3Proxy.start(s3.server.endpoint)
    engine = await DuckDbEngine.open({ folders: [folder, s3.folder], threads: 1 })
    dataset = await compileDataset(definition, await engine.connect())
  })
  afterAll(async () => {
    engine.close()
    await proxy.stop()
    await s3.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Closes a segment of each partition at once: event `id` is in partition `id`. @returns what was committed, and the files put */
  async function closeAll(lake: Lake): Promise<{ readonly closed: SegmentManifest[]; readonly puts: number }> {
    const places = Array.from({ length: PARTITIONS }, async (_, partition) => {
      const connection = await engine.connect()
      await createRowsTable(connection, dataset, 'open')
      const [id, at] = [partition, 60_000 * partition]
      await connection.run(
        `INSERT INTO open BY NAME SELECT ${id} AS id, epoch_ms(${at}) AS at, 'p${id % 2}' AS page, ${at} AS _time, ${at} AS _arrival, ${partition} AS _partition, 0 AS _offset`,
      )
      return connection
    })
    const connections = await Promise.all(places)
    proxy.seen.length = 0
    const closed = await Promise.all(
      connections.map(async (connection, partition): Promise<SegmentManifest> => {
        const rows = { dataset, partition, start: 0, createdAtMs: 1_000, table: 'open', rows: 1 }
        const place = { connection, lake, scratchFolder: folder, step: noSteps }
        const files = await landSegment({ ...rows, raw: null, deadLetters: [] }, place)
        return { ...emptySegment(partition, 0, 1), ...files, rows: 1 }
      }),
    )
    for (const connection of connections) connection.close()
    const puts = proxy.seen.filter(({ method, path }) => method === 'PUT' && path.includes('/segments/')).length
    for (const manifest of closed) expect(await lake.commitSegment(manifest)).toEqual({ outcome: 'committed' })
    return { closed, puts }
  }

  /** What a process on another machine finds in the partials, and how many objects it asks for. */
  async function readAll(prefix: string): Promise<{ readonly answers: unknown[]; readonly gets: number }> {
    const reader = await s3.open(prefix, { endpoint: proxy.endpoint })
    const segments = (await reader.chains(PARTITIONS)).flatMap((chain) => chain.segments)
    const connection = await engine.connect()
    const answers: unknown[] = []
    proxy.seen.length = 0
    for (const view of dataset.views.values()) {
      const files = segments.map(({ partials }) => partials[view.name]!.file)
      await reader.check(files)
      const states = view.mergeSql(readParquetSql(files.map((file) => reader.resolve(file))))
      const [answer] = await connection.rows(
        `SELECT count(*)::INTEGER AS "rows", sum(clicks__n)::INTEGER AS clicks FROM (${states})`,
      )
      answers.push(answer)
    }
    connection.close()
    return { answers, gets: proxy.seen.filter(({ path }) => path.includes('/segments/')).length }
  }

  test('are put, and got, as one object', async () => {
    const [apart, together] = [s3.prefix(), s3.prefix()]
    const single = Object.assign(await s3.open(apart, { endpoint: proxy.endpoint }), { shareFiles: () => null })
    const before = await closeAll(single)
    const after = await closeAll(await s3.open(together, { endpoint: proxy.endpoint }))
    expect([before.puts, after.puts]).toEqual([PARTITIONS * (1 + VIEWS), PARTITIONS + 1])
    const [readApart, readTogether] = [await readAll(apart), await readAll(together)]
    expect([readApart.gets, readTogether.gets]).toEqual([PARTITIONS * VIEWS, 1])
    expect(readTogether.answers).toEqual(readApart.answers)
    expect(readTogether.answers).toEqual([
      { rows: PARTITIONS, clicks: PARTITIONS },
      { rows: 1, clicks: PARTITIONS },
      { rows: 1, clicks: PARTITIONS },
    ])
  })

  test('are one damaged object, whatever is wrong with it and however many parts it has', async () => {
    const prefix = s3.prefix()
    const lake = await s3.open(prefix)
    const { closed } = await closeAll(lake)
    const { path, bytes } = closed[0]!.partials.all!.file.within!
    const store = s3.store(prefix)
    const key = `${DATASET}/${path}`
    const whole = Buffer.concat(await (await store.stream(key))!.toArray())
    expect(whole).toHaveLength(bytes)
    const problems = async (): Promise<readonly string[]> => {
      const { files, problems } = await (await s3.open(prefix)).verifyFiles()
      expect(files).toBe(PARTITIONS + 1)
      return problems
    }
    expect(await problems()).toEqual([])
    const stored = join(folder, 'changed.parts')
    const put = async (contents: Buffer): Promise<void> => {
      writeFileSync(stored, contents)
      await store.put(key, { file: stored, bytes: contents.length })
    }
    const changed = Buffer.from(whole)
    changed[bytes - 1]! ^= 1
    await put(changed)
    expect(await problems()).toEqual([expect.stringMatching(`${path}' does not have the checksum`)])
    const last = closed.at(-1)!.partials.all!.file
    for (const cutAt of [Math.floor(bytes / 2), last.within!.offset, 0]) {
      await put(whole.subarray(0, cutAt))
      expect(await problems()).toEqual([
        expect.stringMatching(`${path}' has ${cutAt} bytes, but its manifest says ${bytes}`),
      ])
    }
    await store.remove(key)
    expect(await problems()).toEqual([expect.stringContaining('is missing')])
  })

  test.each([
    ['', 0],
    [', also where owners fail between the object and their manifest', 2],
  ])('are those of several partitions of a worker, which close at the same moments%s', async (_, failing) => {
    const prefix = s3.prefix()
    const lake = await s3.open(prefix)
    const own = join(folder, `role-${failing}`)
    mkdirSync(own)
    const log = await SqliteLog.open({ file: join(own, 'log.sqlite'), dataset: DATASET, partitions: 3 })
    const store = await SqliteSpeedStore.open({ file: join(own, 'speed.sqlite'), dataset: DATASET })
    let failed = 0
    const role = new StreamRole({
      ...{ dataset, log, lake, store, engine, scratchFolder: join(own, 'scratch'), emit: silent },
      limits: { pollEveryMs: 2, flushEveryMs: 20, segmentAgeMsMax: 800 },
      step: (name) => {
        if (name === 'segment:files-linked' && failed < failing) throw new Error(`failed ${++failed}`)
      },
    })
    await role.start()
    let id = 0
    const shared = await until('a file has partials of several partitions', async () => {
      for (let partition = 0; partition < 3; partition++) {
        const lines = Buffer.from(`${JSON.stringify({ id: ++id, at: 1_000 * id, page: 'a' })}\n`)
        await log.append([{ partition, lines, count: 1 }])
      }
      const segments = (await lake.chains(3)).flatMap((chain) => chain.segments)
      const files = Map.groupBy(segments, ({ partials }) => partials.all!.file.within?.path)
      return [...files].find(([path, named]) => path !== undefined && named.length > 1)?.[1] ?? null
    })
    await role.stop()
    expect(failed).toBe(failing)
    expect(new Set(shared.map(({ partition }) => partition)).size).toBe(shared.length)
    // What the first attempt left is named by nobody, or by one of several.
    const lock = await lake.tryLock('batch')
    await lake.sweepOrphans(-60_000)
    await lock!.release()
    const reader = await s3.open(prefix)
    const segments = (await reader.chains(3)).flatMap((chain) => chain.segments)
    for (const { start, end, rows } of segments) expect(rows).toBe(end - start)
    expect((await reader.verifyFiles()).problems).toEqual([])
    const files = segments.map(({ partials }) => partials.all!.file)
    await reader.check(files)
    const connection = await engine.connect()
    const all = dataset.views.get('all')!
    const states = all.mergeSql(readParquetSql(files.map((file) => reader.resolve(file))))
    const [counted] = await connection.rows(`SELECT sum(clicks__n)::INTEGER AS clicks FROM (${states})`)
    expect(counted).toEqual({ clicks: segments.reduce((sum, { rows }) => sum + rows, 0) })
    connection.close()
    await store.close()
    await log.close()
  })
})
