/** What is found when definition files are loaded: problems of all of them, and sinks whose query cannot be answered. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { loadDatasets } from './definitions.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const LANGUAGE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))

let folder: string
let engine: DuckDbEngine
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-sink-queries-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

function load(
  name: string,
  query: Readonly<Record<string, string>>,
  view = 'by_kind',
): ReturnType<typeof loadDatasets> {
  const file = join(folder, `${name}.ts`)
  const sink = { name: 'to_crm', kind: 'webhook', view, url: 'https://crm.example/', query }
  writeFileSync(
    file,
    `import { count, defineDataset } from '${LANGUAGE}'
export default defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
  },
  views: {
    by_kind: { dimensions: { kind: 'kind' }, time: ['day'], measures: { n: count() } },
    recent: { dimensions: { kind: 'kind' }, window: { size: '2h', every: '1h' }, measures: { n: count() } },
  },
  sinks: [${JSON.stringify(sink)}],
})
`,
  )
  return loadDatasets([file], engine)
}

test('a query that can be answered is taken', async () => {
  expect([...(await load('good', { having: 'n:gte:100', dimensions: 'kind' })).keys()]).toEqual(['shop'])
})

test.each([
  ['a measure that there is not', { having: 'm:gte:100' }, /having: .*'m'/],
  ['a dimension that there is not', { dimensions: 'kinds' }, /dimensions: .*'kinds'/],
  ['a parameter that there is not', { havin: 'n:gte:1' }, /havin: unknown parameter \(did you mean 'having'\?\)/],
])('%s is refused, with the place', async (name, query, problem) => {
  const refused = load(name.replaceAll(' ', '-'), query)
  await expect(refused).rejects.toThrow(
    /-there-is-not\.ts: the definition of dataset 'shop' is invalid:\n {2}- sink 'to_crm': query: /,
  )
  await expect(refused).rejects.toThrow(problem)
})

test('a series of windows that can have too many rows is refused', async () => {
  const query = { from: '2026-03-01', to: '2026-03-02', every: '1h' }
  await expect(load('too-many-rows', query, 'recent')).rejects.toThrow(/limit: 24 windows of up to 1000 rows/)
  expect([...(await load('few-rows', { ...query, limit: '10' }, 'recent')).keys()]).toEqual(['shop'])
})

test('the problems of several files are reported together', async () => {
  const files = ['first', 'second', 'third'].map((name) => join(folder, `${name}.ts`))
  for (const [index, file] of files.entries())
    writeFileSync(
      file,
      `export default { name: '${index < 2 ? 'one' : 'other'}', time: 'at', key: 'id', views: {}, columns: {
  id: { type: 'BIGINT', path: '$.id' },
  at: { type: '${index === 1 ? 'TIMESTAMP' : 'DATETIME'}', path: '$.at' },
} }
`,
    )
  const unknown = "column 'at': unknown type 'DATETIME'"
  await expect(loadDatasets(files, engine)).rejects.toMatchObject({
    exit: 'definition',
    message: expect.stringMatching(
      new RegExp(
        `first.ts: .*one' is invalid:\n.*${unknown}.*\n.*second.ts: a dataset named 'one' .*\n.*third.ts: .*other' is invalid:\n.*${unknown}`,
      ),
    ),
  })
})

test('what is no module at all is refused with what it should be', async () => {
  await expect(loadDatasets([folder], engine)).rejects.toThrow(`'${folder}' is a folder; name a definition file in it`)
  const file = join(folder, 'shop.json')
  writeFileSync(file, '{}')
  await expect(loadDatasets([file], engine)).rejects.toThrow(
    `definition file '${file}' is JSON; a definition is a TypeScript or JavaScript module`,
  )
})

test('a syntax error is said with its file and line, and what has no name is not given one', async () => {
  const file = join(folder, 'torn.ts')
  writeFileSync(file, "export default {\n  name: 'torn',\n  views: {{\n}\n")
  const check = promisify(execFile)(process.execPath, [MAIN, 'check', file])
  await expect(check).rejects.toMatchObject({ stderr: expect.stringContaining(`cannot be loaded: ${file}:3: `) })
  const other = join(folder, 'number.ts')
  writeFileSync(other, 'export default 5\n')
  await expect(loadDatasets([other], engine)).rejects.toThrow(
    'the definition is invalid:\n  - the file must export default defineDataset',
  )
})
