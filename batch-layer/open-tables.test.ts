/** The Delta tables of a lake as a log on disk: what each version holds, and what no version may name. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { cutChain } from '#storage/lake/segment-chain.ts'
import { isOfSlots } from '#storage/lake/state-ranges.ts'
import type { TablePlace } from '#storage/lake/table-place.ts'
import { BatchFixture, BY_MINUTE, byKey, definition, PARTITIONS, SMALL_FILE_BYTES } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'
import { rollback } from './rollback.ts'

const GRACE = 60_000

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open({ ...definition, tables: 'delta' })
})
afterEach(() => batch.close())

interface Version {
  readonly version: number
  readonly commitInfo: Readonly<Record<string, string>>
  readonly added: readonly { readonly path: string; readonly dataChange: boolean; readonly stats: string }[]
  readonly removed: readonly { readonly path: string; readonly dataChange: boolean }[]
  readonly others: readonly string[]
}

/** Every version of a table, as a reader finds it. */
function versions(table = ''): Version[] {
  const folder = join(batch.lake.folder, table, '_delta_log')
  return readdirSync(folder)
    .filter((name) => /^\d{20}\.json$/.test(name))
    .sort()
    .map((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').trim().split('\n')
      const actions = lines.map((line) => JSON.parse(line) as Record<string, never>)
      const of = (kind: string): never[] => actions.flatMap((action) => action[kind] ?? [])
      const others = actions
        .flatMap((action) => Object.keys(action))
        .filter((kind) => kind !== 'add' && kind !== 'remove')
      return {
        version: Number(name.slice(0, 20)),
        commitInfo: of('commitInfo')[0]!,
        added: of('add'),
        removed: of('remove'),
        others,
      }
    })
}

/** The files of the newest version, by its versions alone. */
function files(table = ''): string[] {
  const held = new Set<string>()
  for (const { added, removed } of versions(table)) {
    for (const { path } of removed) held.delete(path)
    for (const { path } of added) held.add(path)
  }
  return [...held].map((path) => join(batch.lake.folder, table, path))
}

async function rowsIn(paths: readonly string[]): Promise<number> {
  const [[n]] = (await batch.connection.columns(
    `SELECT count(*)::INTEGER FROM read_parquet([${paths.map(quoteText).join(', ')}])`,
  )) as [[number]]
  return n
}

const run = (mode: 'full' | 'incremental' = 'incremental', more = {}) =>
  batch.run({ mode, readersGraceMs: GRACE, keepGenerations: 1, ...more })

const compact = () => {
  const { lake, engine } = batch
  return compactSegments({ lake, engine, partitions: PARTITIONS, clock: () => batch.nowMs })
}

test('a version for each generation, with what it counts and nothing else', async () => {
  await batch.land(0, 100, 3)
  await batch.land(1, 50)
  await run('full')
  expect(versions()).toMatchObject([
    { commitInfo: { operation: 'CREATE TABLE', 'watershed.generation': 'g000001', 'watershed.boundary': '[103,50]' } },
  ])
  expect(versions()[0]!.others).toEqual(['commitInfo', 'protocol', 'metaData'])
  // Dead letters may be at either end of the first segment, so that its offsets would be no exact bounds.
  expect(versions()[0]!.added.map(({ stats }) => JSON.parse(stats))).toMatchObject([
    { numRecords: 100, minValues: { _partition: 0 }, maxValues: { _partition: 0 } },
    { numRecords: 50, minValues: { _partition: 1, _offset: 0 }, maxValues: { _partition: 1, _offset: 49 } },
  ])
  await batch.land(0, 70)
  expect(await rowsIn(files())).toBe(150)
  await run()
  expect(versions()[1]).toMatchObject({ removed: [], others: ['commitInfo', 'metaData'] })
  expect(versions()[1]!.added).toHaveLength(1)
  expect(await rowsIn(files())).toBe(220)
})

test('nothing new: no version', async () => {
  await batch.land(0, 100)
  await run('full')
  await run()
  expect(versions()).toHaveLength(1)
  await run('full')
  expect(versions()).toHaveLength(1)
  expect(versions('tables/members')).toHaveLength(1)
})

test('compaction is a rearrangement, and what it replaced goes after no version names it', async () => {
  for (const rows of [30, 20, 10]) await batch.land(0, rows)
  await run('full')
  const before = files()
  await compact()
  expect(files()).toEqual(before)
  batch.nowMs += 2 * GRACE
  await run('incremental', { force: true })
  const [, second] = versions()
  expect(second!.added.map(({ dataChange }) => dataChange)).toEqual([false])
  expect(second!.removed.map(({ dataChange }) => dataChange)).toEqual([false, false, false])
  expect(await rowsIn(files())).toBe(60)
  // A reader may have begun with the first version right before.
  expect(before.every(existsSync)).toBe(true)
  batch.nowMs += 2 * GRACE
  await run('incremental', { force: true })
  expect(before.some(existsSync)).toBe(false)
  expect(files().every(existsSync)).toBe(true)
})

/** A lake that lists as little as it may; `looks` has after which offsets it was asked for chains. */
function shortLake(looks: (readonly number[])[]): Lake {
  const chains: Lake['chains'] = async (partitions, options) => {
    const { after = [] } = options ?? {}
    looks.push(after)
    const whole = await batch.lake.chains(partitions, { compacted: options?.compacted })
    return whole.map((chain) => cutChain(chain, after[chain.partition] ?? 0))
  }
  return new Proxy(batch.lake as Lake, {
    get: (target, name: keyof Lake) => {
      if (name === 'chains') return chains
      const member = target[name]
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

test('the table of events is written by a look at new segments; from the first that was compacted on; at all of them after a full run or a repair', async () => {
  const looks: (readonly number[])[] = []
  const [all, since] = [
    [0, 0],
    [100, 40],
  ]
  const more = { lake: shortLake(looks), keepGenerations: 2 }
  const seen = async (rows: number): Promise<readonly (readonly number[])[]> => {
    expect(await rowsIn(files())).toBe(rows)
    return looks.splice(0)
  }
  await batch.land(0, 60)
  await batch.land(0, 40)
  await batch.land(1, 40)
  await run('full', more)
  expect(await seen(140)).toEqual([all])
  await batch.land(0, 20)
  await run('incremental', more)
  expect(await seen(160)).toEqual([since])
  await run('incremental', more)
  expect(await seen(160)).toEqual([[120, 40]])
  await rollback({ lake: batch.lake })
  await run('incremental', { ...more, force: true })
  expect(await seen(160)).toEqual([[120, 40]])
  await compact()
  const last = await batch.land(1, 5)
  await run('incremental', more)
  expect(await seen(165)).toEqual([[0, 40]])
  await batch.land(1, 5)
  await run('incremental', more)
  expect(await seen(170)).toEqual([[120, 45]])
  // Its manifest is lost, and made again with another file of the same events.
  rmSync(join(batch.lake.folder, manifestPath(segmentManifestName(last))))
  const staged = await batch.lake.stageSegmentFile(1, last.start, 'events')
  copyFileSync(join(batch.lake.folder, last.events!.path), staged.writePath)
  const events = await staged.finish(last.rows)
  await (await batch.openLake()).restoreSegment({ ...last, events })
  await run('incremental', { ...more, force: true })
  expect(await seen(170)).toEqual([all])
  const named = files()
  expect(named).toContain(join(batch.lake.folder, events.path))
  expect(named).not.toContain(join(batch.lake.folder, last.events!.path))
})

test('the tables follow a rollback with the next run', async () => {
  await batch.land(0, 100)
  await run('full')
  await batch.land(0, 70)
  await batch.run({ mode: 'incremental' })
  await rollback({ lake: batch.lake })
  expect(await rowsIn(files())).toBe(170)
  await batch.run({ mode: 'incremental' })
  expect(versions().at(-1)!.commitInfo['watershed.boundary']).toBe('[170,0]')
  expect(await rowsIn(files())).toBe(170)
})

test('a view is as it is presented, with types that a table has; it is written again only when it changed', async () => {
  await batch.land(0, 100)
  await run('full')
  const generation = (await batch.lake.current())!
  await batch.expectRecount(generation)
  for (const name of ['by_country', 'by_topic', 'members']) {
    const view = batch.dataset.views.get(name)!
    const [file, ...more] = files(`tables/${name}`)
    expect(more).toEqual([])
    const presented = await batch.connection.rows<{ n: number }>(
      `SELECT count(*)::INTEGER AS n FROM (${view.recountSql(`(SELECT * FROM read_parquet([${files().map(quoteText).join(', ')}]))`)})`,
    )
    expect(await rowsIn([file!])).toBe(presented[0]!.n)
  }
  const minutes = await batch.connection.columns(
    `SELECT DISTINCT typeof(pane) FROM read_parquet(${quoteText(files('tables/by_country')[0]!)})`,
  )
  expect(minutes).toEqual([['TIMESTAMP']])
})

test('Parquet files have a compression that every reader knows', async () => {
  await batch.land(0, 100)
  await run('full')
  const all = [...files(), ...files('tables/by_topic'), ...files('tables/members')].map(quoteText)
  const codecs = await batch.connection.columns(
    `SELECT DISTINCT compression FROM parquet_metadata([${all.join(', ')}]) WHERE total_compressed_size > 0`,
  )
  expect(codecs).toEqual([['SNAPPY']])
})

test('events that a policy removed leave the table in a version of their own, which streams pass over', async () => {
  const { by_topic } = definition.views!
  await batch.redefine({ ...definition, views: { by_topic: by_topic! }, tables: 'delta', keep: { raw: '3d' } })
  for (let day = 0; day < 7; day++) {
    batch.nowMs += 86_400_000
    await batch.land(0, 10)
    await run('full', { force: true })
  }
  const changes = versions().map(({ commitInfo, added, removed }) => ({
    operation: commitInfo.operation,
    boundary: commitInfo['watershed.boundary'],
    added: added.filter(({ dataChange }) => dataChange).length,
    removed: removed.filter(({ dataChange }) => dataChange).length,
  }))
  const deletions = changes.filter(({ removed }) => removed > 0)
  expect(deletions.length).toBeGreaterThan(1)
  for (const { operation, added } of deletions) expect({ operation, added }).toEqual({ operation: 'DELETE', added: 0 })
  const [before, deletion, after] = changes.slice(changes.indexOf(deletions[0]!) - 1)
  expect(deletion!.boundary).toBe(before!.boundary)
  expect(after).toMatchObject({ operation: 'WRITE', added: 1, removed: 0 })
})

test('a file of a view is there for the grace of readers after it left the table', async () => {
  await batch.land(0, 100)
  await run('full')
  const earlier = files('tables/by_topic')
  batch.nowMs += 10 * GRACE
  await batch.land(0, 70)
  await run()
  expect(files('tables/by_topic')).not.toEqual(earlier)
  expect(earlier.every(existsSync)).toBe(true)
  batch.nowMs += 2 * GRACE
  await run()
  expect(earlier.some(existsSync)).toBe(false)
})

test('a view that was cut has a file for each range, and only touched ones are written again', async () => {
  const views = { by_minute: BY_MINUTE, by_key: byKey(4) }
  await batch.redefine({ ...definition, views, tables: 'delta' })
  await batch.land(0, 40_000)
  await run('full', { stateFileBytes: SMALL_FILE_BYTES })
  for (const view of Object.keys(views)) expect(files(`tables/${view}`).length).toBeGreaterThan(3)
  await batch.land(0, 20)
  await run('incremental', { stateFileBytes: SMALL_FILE_BYTES })
  expect(versions('tables/by_minute')[1]!.removed).toHaveLength(1)
  const { by_key } = (await batch.lake.current())!.views
  expect(by_key!.files.filter((file) => !isOfSlots(file))).toHaveLength(1)
  await expectPresented('by_minute', 'id, make_timestamp(pane * 1000) AS pane, answers, guests')
  await expectPresented('by_key', 'key, country, answers, guests')
})

/** The view's table has the rows that are counted again from the files of the table of events. */
async function expectPresented(name: string, columns: string): Promise<void> {
  const raw = `(SELECT * FROM read_parquet([${files().map(quoteText).join(', ')}]))`
  const counted = `SELECT ${columns} FROM (${batch.dataset.views.get(name)!.recountSql(raw)})`
  const names = columns.replace('make_timestamp(pane * 1000) AS ', '')
  const table = `SELECT ${names} FROM read_parquet([${files(`tables/${name}`).map(quoteText).join(', ')}])`
  const wrong = `(FROM (${counted}) EXCEPT ALL FROM (${table})) UNION ALL (FROM (${table}) EXCEPT ALL FROM (${counted}))`
  expect(await batch.connection.rows(wrong)).toEqual([])
}

test('of a view that is cut by keys, a run writes the ranges again that it added to, however its base came about', async () => {
  await batch.redefine({ ...definition, views: { by_key: byKey(1) }, tables: 'delta' })
  const small = { stateFileBytes: SMALL_FILE_BYTES, keepGenerations: 3 }
  await batch.land(0, 20_000)
  await run('full', small)
  const ranges = files('tables/by_key').length
  expect(ranges).toBeGreaterThan(8)
  const gathered = async (): Promise<number> =>
    (await batch.lake.current())!.views.by_key!.files.filter((file) => !isOfSlots(file)).length
  /** @returns how many files the run took out of the table */
  const add = async (rows: number, more = {}): Promise<number> => {
    const before = new Set(files('tables/by_key'))
    await batch.land(0, rows)
    await run('incremental', { ...small, ...more })
    const after = files('tables/by_key')
    await expectPresented('by_key', 'key, country, answers, guests')
    expect(after.every(existsSync)).toBe(true)
    return [...before].filter((file) => !after.includes(file)).length
  }
  // The third takes in what the second has added, and the ranges of that are as they were.
  for (const rows of [3, 1, 1]) expect(await add(rows)).toBeLessThanOrEqual(rows)
  expect(await gathered()).toBeGreaterThan(0)
  const idle = versions('tables/by_key').length
  await run('incremental', { ...small, force: true })
  await run('incremental', small)
  expect(versions('tables/by_key')).toHaveLength(idle)
  // The table does not follow this one: what the next one adds is not all that it lacks.
  await batch.land(0, 2)
  await run('incremental', { ...small, lake: dyingLake(1, 'before').lake })
  expect(versions('tables/by_key')).toHaveLength(idle)
  await add(1)
  expect(await add(1)).toBeLessThanOrEqual(1)
  await rollback({ lake: batch.lake })
  await add(2)
  expect(await add(1)).toBeLessThanOrEqual(1)
  // As much as is distributed.
  await add(2_000)
  expect(await gathered()).toBe(0)
  expect(await add(1)).toBeLessThanOrEqual(1)
})

test('the table of a view has the panes that keep.panes leaves, and parts of which it leaves the same are not written again', async () => {
  const DAY = 86_400_000
  await batch.redefine({
    ...definition,
    views: { by_minute: BY_MINUTE },
    tables: 'delta',
    keep: { panes: { minute: '2d' } },
  })
  // A day of 600 events, which arrive at its end.
  batch.stepMs = 144_000
  let before: readonly string[] = []
  for (let day = 0; day < 9; day++) {
    batch.nowMs += DAY
    await batch.land(0, 600)
    if (day < 6) continue
    await run(day === 6 ? 'full' : 'incremental', { stateFileBytes: 1_000 })
    const { horizon } = (await batch.lake.current())!.views.by_minute!
    expect(horizon).toEqual([{ beforeMs: Math.floor((batch.nowMs - 2 * DAY) / 3_600_000) * 3_600_000, grain: 'hour' }])
    const raw = `(SELECT * FROM read_parquet([${files().map(quoteText).join(', ')}]))`
    const counted = `SELECT id, make_timestamp(pane * 1000), answers, guests FROM (${batch.dataset.views.get('by_minute')!.recountSql(raw, horizon)})`
    const after = files('tables/by_minute')
    const table = `SELECT id, pane, answers, guests FROM read_parquet([${after.map(quoteText).join(', ')}])`
    const wrong = `(FROM (${counted}) EXCEPT ALL FROM (${table})) UNION ALL (FROM (${table}) EXCEPT ALL FROM (${counted}))`
    expect(await batch.connection.rows(wrong)).toEqual([])
    if (day > 6) expect(after.filter((file) => before.includes(file)).length).toBeGreaterThan(2)
    before = after
  }
})

/** A lake whose process dies around the nth effect on its tables; null: it has not died yet. */
function dyingLake(nth: number, when: 'before' | 'after'): { readonly lake: Lake; readonly effects: () => number } {
  let effects = 0
  const around = async <T>(effect: () => Promise<T>): Promise<T> => {
    const isLast = ++effects === nth
    if (effects > nth || (isLast && when === 'before')) throw new Error('it died')
    const done = await effect()
    if (isLast) throw new Error('it died')
    return done
  }
  const whole = batch.lake.tables()
  const place: TablePlace = {
    nameOf: (path) => whole.nameOf(path),
    read: (path) => whole.read(path),
    names: (folder) => whole.names(folder),
    removeFolder: (folder) => around(() => whole.removeFolder(folder)),
    ageMs: (path) => whole.ageMs(path),
    bring: (path) => whole.bring(path),
    create: (path, text) => around(() => whole.create(path, text)),
    replace: (path, text) => around(() => whole.replace(path, text)),
    remove: (path) => around(() => whole.remove(path)),
    stage: async (path) => {
      const staged = await whole.stage(path)
      return { ...staged, finish: (rows) => around(() => staged.finish(rows)), discard: async () => {} }
    },
  }
  const lake = new Proxy(batch.lake as Lake, {
    get: (target, name: keyof Lake) => {
      if (name === 'tables') return () => place
      const member = target[name]
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  return { lake, effects: () => effects }
}

test('a process that dies before or after any write leaves complete versions, and the next run continues', async () => {
  const { by_topic } = definition.views!
  await batch.redefine({ ...definition, views: { by_topic: by_topic! }, tables: 'delta' })
  await batch.land(0, 10)
  await run('full')
  let survived = false
  for (let nth = 1; !survived; nth++)
    for (const when of ['before', 'after'] as const) {
      // So that files of earlier versions are removed, too.
      batch.nowMs += 2 * GRACE
      await batch.land(0, 10)
      const { lake, effects } = dyingLake(nth, when)
      await run('incremental', { lake })
      survived = effects() < nth
      for (const table of ['', 'tables/by_topic']) {
        const counted = JSON.parse(versions(table).at(-1)!.commitInfo['watershed.boundary']!) as number[]
        if (table === '') expect(await rowsIn(files())).toBe(counted[0])
        expect(files(table).every(existsSync)).toBe(true)
      }
      await run()
      const { boundary } = (await batch.lake.current())!
      for (const table of ['', 'tables/by_topic'])
        expect(versions(table).at(-1)!.commitInfo['watershed.boundary']).toBe(JSON.stringify(boundary))
      expect(await rowsIn(files())).toBe(boundary[0])
    }
  expect(batch.events.filter(({ name }) => name === 'tables-failed').length).toBeGreaterThanOrEqual(8)
})

test('a column whose type changed is left out, and says so', async () => {
  await batch.land(0, 10)
  await run('full')
  const columns = { ...definition.columns, guests: { type: 'BIGINT', path: '$.guests' } } as never
  await batch.redefine({ ...definition, columns, tables: 'delta' })
  await run('full')
  const [warning] = batch.events.filter(({ name }) => name === 'table-columns-left-out')
  expect(warning!.message).toMatch(/leaves out guests/)
})

test('tables that cannot be written keep the files that they name', async () => {
  for (const rows of [30, 20, 10]) await batch.land(0, rows)
  await run('full')
  const named = files()
  await compact()
  writeFileSync(join(batch.lake.folder, '_delta_log/00000000000000000001.json'), 'not JSON\n')
  batch.nowMs += 10 * GRACE
  await run('incremental', { force: true })
  await run('incremental', { force: true })
  expect(batch.events.filter(({ name }) => name === 'tables-failed')).toHaveLength(2)
  expect(named.every(existsSync)).toBe(true)
})
