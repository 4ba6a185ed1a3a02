/** `watershed check`: what a definition makes of a file, before anything is ingested. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const run = promisify(execFile)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-check-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('check says what a definition makes of a file, before anything is ingested', async () => {
  const lines = [
    { id: 1, at: '2026-01-01T00:00:00Z', price: '19.99' },
    { id: 2, at: '2026-01-01T00:00:00Z', price: '1,234.50' },
    { id: 3, at: 'soon', price: null },
    { id: 4, at: 'later' },
  ]
  await writeFile(join(folder, 'x.ndjson'), lines.map((line) => JSON.stringify(line)).join('\n'))
  const definition = `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: 'x', time: 'at', key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
  },
  views: {
    v: { dimensions: {}, measures: { n: count() } },
    waves: { dimensions: { wave: 'sin(price)' }, measures: { n: count() } },
  },
})`
  await writeFile(join(folder, 'x.ts'), definition)
  const { stderr } = await run(process.execPath, [MAIN, 'check', './x.ts'], { cwd: folder })
  expect(stderr.split('\n')).toEqual([
    'x: the definition is valid; views v, waves',
    '  for information: Trino (--batch-engine trino) would compute 1 of 2 views to the same values, and refuse the dataset:',
    expect.stringMatching(/^ {4}view 'waves', dimension 'wave': sin\(\): its last digits differ/),
    expect.stringMatching(/^ {4}Let a derived column/),
    '',
  ])
  const { stdout, code } = await run(process.execPath, [MAIN, 'check', './x.ts', 'x.ndjson', '--json'], {
    cwd: folder,
  }).catch((error) => error)
  expect(code).toBe(2)
  const checked = JSON.parse(stdout) as { rejects: unknown[]; columns: { column: string }[] }
  const { rejects, columns } = checked
  expect(checked).toMatchObject({
    ...{ dataset: 'x', views: ['v', 'waves'], events: 4, rejected: 2 },
    trino: { refused: [{ view: 'waves', reasons: [expect.stringMatching(/^dimension 'wave': sin\(\): /)] }] },
  })
  expect(rejects).toEqual([{ reason: expect.stringMatching(/^at \(\$\.at\): "soon" is not a valid time/), events: 2 }])
  expect(columns.find(({ column }) => column === 'price')).toMatchObject({
    values: 1,
    missing: 2,
    unconverted: 1,
    example: '"1,234.50" is not a valid DECIMAL(9,2)',
  })
})

test('check counts what ingest would report, with the digits that were sent', async () => {
  const event =
    '{"id":"a","ts":"2026-01-01","b":9223372036854775807,"over":9223372036854775808,"x":"1e-07","user":"text","l":[1,"XL"]}'
  await writeFile(join(folder, 'odd.ndjson'), `${event}\n`)
  const definition = `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: 'odd', time: 'ts', key: 'id',
  columns: {
    id: { type: 'VARCHAR', path: '$.id', required: true },
    ts: { type: 'TIMESTAMP', path: '$.ts', required: true },
    b: { type: 'BIGINT', path: '$.b' },
    over: { type: 'BIGINT', path: '$.over' },
    x: { type: 'DOUBLE', path: '$.x' },
    name: { type: 'VARCHAR', path: '$.user.name' },
    l: { type: 'INTEGER[]', path: '$.l' },
  },
  views: { v: { dimensions: {}, measures: { n: count() } } },
})`
  await writeFile(join(folder, 'odd.ts'), definition)
  const { stdout } = await run(process.execPath, [MAIN, 'check', './odd.ts', 'odd.ndjson', '--json'], { cwd: folder })
  const { columns } = JSON.parse(stdout) as { columns: Record<string, unknown>[] }
  const counted = columns.map(({ column, values, missing, unconverted, example }) => [
    ...[column, values, missing, unconverted, example],
  ])
  expect(counted).toEqual([
    ['id', 1, 0, 0, null],
    ['ts', 1, 0, 0, null],
    ['b', 1, 0, 0, null],
    ['over', 0, 0, 1, '9223372036854775808 is not a valid BIGINT'],
    ['x', 1, 0, 0, null],
    ['name', 0, 0, 1, '"text" is not a valid VARCHAR'],
    ['l', 0, 0, 1, '"XL" is not a valid INTEGER[]'],
  ])
  const ingest = ['ingest', 'odd', 'odd.ndjson', '--dataset', './odd.ts', '--data', 'data', '--json']
  const ingested = JSON.parse((await run(process.execPath, [MAIN, ...ingest], { cwd: folder })).stdout)
  expect(ingested).toMatchObject({ unconverted: { over: 1, name: 1, l: 1 } })
})
