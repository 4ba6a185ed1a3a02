/** Values that a view keeps per key have a size limit, which the check at ingest and the engine apply alike. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createRowsTable, decodeBatch, decodeBatches } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { compileDataset } from './compile-dataset.ts'
import { count, defineDataset, latest, max } from './definition.ts'
import { DEFINITION_LIMITS } from './definition-limits.ts'

const { dimensionBytesMax, measureBytesMax } = DEFINITION_LIMITS
const folder = mkdtempSync(join(tmpdir(), 'watershed-sizes-'))
const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const connection = await engine.connect()
const dataset = await compileDataset(
  defineDataset({
    name: 'pages',
    time: 'at',
    key: 'id',
    columns: {
      id: { type: 'BIGINT', path: '$.id', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
      url: { type: 'VARCHAR', path: '$.url' },
      tags: { type: 'VARCHAR[]', path: '$.tags[*].name' },
      flags: { type: 'VARCHAR[]', path: '$.flags' },
      note: { type: 'VARCHAR', path: '$.note' },
      body: { type: 'VARCHAR', path: '$.body' },
      payload: { type: 'JSON', path: '$.payload' },
    },
    views: {
      by_url: { dimensions: { url: 'url', flags: 'flags' }, measures: { note: latest('note') } },
      by_tag: {
        unnest: { tag: 'tags' },
        dimensions: { tag: 'tag', kind: `payload->>'kind'`, label: `tag || '/' || left(body, 9000)` },
        measures: { n: count(), last: max('url', { where: 'id > 3' }) },
      },
    },
  }),
  connection,
)

const ARRIVAL_MS = Date.UTC(2026, 0, 1)
const event = (more: object): string => JSON.stringify({ id: 1, at: 5, ...more })
const text = (bytes: number): string => 'x'.repeat(bytes)

/** What ingest says, and what becomes of the event in the log: the reason of the dead letter, or null. */
async function verdicts(line: string): Promise<{ ingest: string | null; log: string | null }> {
  const bytes = Buffer.from(line)
  const check = dataset.check(JSON.parse(line), line, ARRIVAL_MS)
  const quick = dataset.scanKey(bytes, 0, bytes.length, ARRIVAL_MS)
  if (quick !== null) expect(check).toEqual({ ok: true, key: quick, failures: [] })
  await connection.run('DROP TABLE IF EXISTS "rows"')
  await createRowsTable(connection, dataset, 'rows')
  const batch = { start: 0, end: 1, count: 1, offsets: null, arrivals: [{ count: 1, atMs: ARRIVAL_MS }] }
  const batches = [0, 1].map((partition) => ({ ...batch, partition, lines: Buffer.concat([bytes, Buffer.from('\n')]) }))
  const target = { table: 'rows', scratchFolder: folder }
  const [dead] = (await decodeBatch(connection, dataset, batches[0]!, target)).dead
  const { dead: together } = await decodeBatches(connection, dataset, batches, target)
  expect(together.map(({ reason }) => reason)).toEqual(dead === undefined ? [] : [dead.reason, dead.reason])
  return { ingest: check.ok ? null : check.reason, log: dead?.reason ?? null }
}

const limit = dimensionBytesMax
test.each([
  ['a text', { url: text(limit) }, { url: text(limit + 1) }, `url ($.url): has ${limit + 1} bytes`],
  [
    'characters of several bytes',
    { url: 'ä'.repeat(limit / 2) },
    { url: `${'ä'.repeat(limit / 2)}x` },
    'url ($.url): has',
  ],
  [
    'an unnested element',
    { tags: [{ name: text(limit) }, { name: text(limit) }] },
    { tags: [{ name: 'a' }, { name: text(limit + 1) }] },
    'tags ($.tags[*].name): has',
  ],
  [
    'the elements of a list',
    { flags: [text(limit - 1)] },
    { flags: [text(limit - 2), 'a'] },
    `flags ($.flags): has ${limit + 1} bytes`,
  ],
])('%s: refused at ingest and unusable in the log beyond the limit', async (_, good, bad, reason) => {
  expect(await verdicts(event(good))).toEqual({ ingest: null, log: null })
  const { ingest, log } = await verdicts(event(bad))
  expect(ingest).toContain(reason)
  expect(ingest).toContain(`the limit dimensionBytesMax is ${limit}`)
  expect(log).toBe(ingest)
})

test('a kept text has a limit of its own', async () => {
  expect(await verdicts(event({ note: text(measureBytesMax) }))).toEqual({ ingest: null, log: null })
  const { ingest, log } = await verdicts(event({ note: text(measureBytesMax + 1) }))
  expect(ingest).toBe(
    `note ($.note): has ${measureBytesMax + 1} bytes, but the limit measureBytesMax is ${measureBytesMax}`,
  )
  expect(log).toBe(ingest)
})

test('what only the engine can tell becomes a dead letter with the same reason', async () => {
  const by = "dimension 'label' of view 'by_tag' has 9002 bytes, but the limit dimensionBytesMax is 8192"
  expect(await verdicts(event({ tags: [{ name: 'a' }], body: text(20_000) }))).toEqual({ ingest: null, log: by })
  const kind = await verdicts(event({ tags: [{ name: 'a' }], payload: { kind: text(limit + 1) } }))
  expect(kind).toEqual({
    ingest: null,
    log: expect.stringContaining("dimension 'kind' of view 'by_tag' has 8193 bytes"),
  })
})

test('other columns can be as large as an event, whatever the dimensions read of them', async () => {
  const wide = { body: text(900_000), payload: { kind: 'a', rest: text(100_000) }, url: null }
  expect(await verdicts(event(wide))).toEqual({ ingest: null, log: null })
  const line = Buffer.from(event(wide))
  expect(dataset.scanKey(line, 0, line.length, ARRIVAL_MS)).toBe('1')
})
