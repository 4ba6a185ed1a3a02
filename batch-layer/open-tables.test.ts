/** The Delta tables of a lake as a log on disk: what each version holds, and what no version may name. */
import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { quoteText } from '#core/sql-names.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { cutChain } from '#storage/lake/segment-chain.ts'
import { BatchFixture, definition, PARTITIONS } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'
import { dyingLake, GRACE, tablesOf } from './open-tables-fixture.ts'
import { rollback } from './rollback.ts'

let batch: BatchFixture
beforeEach(async () => {
  batch = await BatchFixture.open({ ...definition, tables: 'delta' })
})
afterEach(() => batch.close())

const { versions, files, rowsIn, run } = tablesOf(() => batch)

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
      const { lake, effects } = dyingLake(batch, nth, when)
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
