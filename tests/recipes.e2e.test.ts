/** Runs the examples of docs/recipes.md in their order, in one folder, and compares what they print with the page. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { PlatformProcess } from './crash/platform-process.ts'
import { examplesOf, isInstalled, PageFolder } from './page-examples.ts'

const ADDRESS = 'http://127.0.0.1:8787'
const EXAMPLES = examplesOf('recipes.md')

let folder: PageFolder
let platform: PlatformProcess | null = null
let address = ADDRESS

beforeAll(async () => {
  folder = new PageFolder()
  await writeParquet(join(folder.path, 'sales.parquet'))
})
afterAll(async () => {
  await platform?.stop()
  folder.remove()
})

async function writeParquet(file: string): Promise<void> {
  const engine = await DuckDbEngine.open({ folders: [folder.path], threads: 1 })
  const connection = await engine.connect()
  await connection.run(`COPY (SELECT 'p1' AS id, TIMESTAMP '2026-03-01 12:00:00' AS sold_at, 'Porto' AS shop,
    'rui' AS customer, CAST(7 AS DECIMAL(9,2)) AS amount) TO '${file}' (FORMAT parquet)`)
  engine.close()
}

async function startPlatform(): Promise<void> {
  platform = new PlatformProcess({
    arguments: ['--port', '0', '--dataset', join(folder.path, 'sales.ts')],
    environment: { WATERSHED_DATA: join(folder.path, 'data') },
  })
  address = await platform.address
}

test('the page has examples in each language', () => {
  expect(new Set(EXAMPLES.map(({ language }) => language))).toEqual(new Set(['ts', 'sh', 'sh no-test', 'python']))
})

const tested = EXAMPLES.filter(({ language }) => language !== 'sh no-test')
for (const [at, example] of tested.entries()) {
  const programs =
    example.language === 'python' ? ['python3'] : ['curl', 'jq'].filter((name) => example.text.includes(name))
  const missing = programs.filter((program) => !isInstalled(program))
  test.skipIf(missing.length > 0)(`${at + 1}. ${example.section}`, async () => {
    if (platform === null && example.text.includes(ADDRESS)) await startPlatform()
    folder.expectRuns(example, example.text.replaceAll(ADDRESS, address))
  })
}
