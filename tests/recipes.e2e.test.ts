/** Runs the examples of docs/recipes.md in their order, in one folder, and compares what they print with the page. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { PlatformProcess } from './crash/platform-process.ts'
import { type Example, examplesOf, isInstalled, PageFolder } from './page-examples.ts'
import { duckdbFolder, provisionDuckdb } from './servers/duckdb-program.ts'
import { mustRun } from './servers/must-run.ts'
import { provisionPython, pythonReaders } from './servers/python-readers.ts'

const ADDRESS = 'http://127.0.0.1:8787'
const EXAMPLES = examplesOf('recipes.md')

let folder: PageFolder
let platform: PlatformProcess | null = null
let address = ADDRESS

beforeAll(async () => {
  const programs = [
    pythonReaders() !== null || mustRun() ? [dirname(await provisionPython())] : [],
    duckdbFolder() !== null || mustRun() ? [await provisionDuckdb()] : [],
  ]
  folder = new PageFolder(programs.flat())
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

/** Programs of an example that are not there; those that are installed for it are. */
function missingFor({ language, text }: Example): string[] {
  if (mustRun()) return []
  if (language === 'python') return pythonReaders() === null && /pyarrow|pandas/.test(text) ? ['pyarrow, pandas'] : []
  const programs =
    language === 'sh' ? ['curl', 'jq', 'duckdb', 'soffice'].filter((name) => text.includes(`${name} `)) : []
  return programs.filter((name) => (name === 'duckdb' ? duckdbFolder() === null : !isInstalled(name)))
}

const tested = EXAMPLES.filter(({ language }) => language !== 'sh no-test')
for (const [at, example] of tested.entries()) {
  test.skipIf(missingFor(example).length > 0)(`${at + 1}. ${example.section}`, async () => {
    if (platform === null && example.text.includes(ADDRESS)) await startPlatform()
    folder.expectRuns(example, example.text.replaceAll(ADDRESS, address))
  })
}

interface Panel {
  readonly title: string
  readonly type: string
  readonly transformations?: readonly { readonly options: { readonly indexByName: Readonly<Record<string, number>> } }[]
  readonly targets: readonly {
    readonly url: string
    readonly root_selector: string
    readonly columns: readonly {
      readonly selector: string
      readonly text: string
      readonly type: 'timestamp' | 'string' | 'number'
    }[]
  }[]
}

const DASHBOARD = JSON.parse(
  readFileSync(join(import.meta.dirname, '../docs/recipes/sales-dashboard.json'), 'utf8'),
) as {
  readonly panels: readonly Panel[]
}
/** Filled in by the plugin, in UTC; `__from` would be written in the browser's time zone. */
const FROM = '$' + '{__timeFrom:date:YYYY-MM-DD}'
const TYPES = { timestamp: 'string', string: 'string', number: 'number' } as const

test.each(DASHBOARD.panels.map((panel) => [panel.title, panel] as const))(
  'each address of the Grafana dashboard answers with its columns: %s',
  async (_title, { targets }) => {
    for (const { url, root_selector: root, columns } of targets) {
      const asked = new URL(url.replace(ADDRESS, address).replace(FROM, '2026-03-01'))
      expect(asked.search).not.toMatch(/[$]/)
      // As the plugin sends it: parameters sorted and encoded anew, and its header.
      asked.searchParams.sort()
      const response = await fetch(asked, { headers: { accept: 'application/json;q=0.9,text/plain' } })
      const rows = ((await response.json()) as Record<string, readonly Record<string, unknown>[]>)[root]!
      expect(rows.length).toBeGreaterThan(0)
      for (const { selector, type } of columns) {
        const values = rows.map((row) => row[selector]).filter((value) => value !== null)
        expect(values.length, `${asked}: ${selector}`).toBeGreaterThan(0)
        expect(new Set(values.map((value) => typeof value))).toEqual(new Set([TYPES[type]]))
        if (type === 'timestamp') expect(values.map((value) => Date.parse(value as string))).not.toContain(Number.NaN)
      }
    }
  },
)

test('a table of the Grafana dashboard orders its columns, which the plugin sorts by name', () => {
  const tables = DASHBOARD.panels.filter(({ type }) => type === 'table')
  expect(tables).toHaveLength(1)
  for (const { targets, transformations } of tables) {
    const places = Object.entries(transformations![0]!.options.indexByName).sort(([, a], [, b]) => a - b)
    expect(places.map(([name]) => name)).toEqual(targets.flatMap(({ columns }) => columns.map(({ text }) => text)))
  }
})
