/** Runs the examples of docs/recipes.md in their order, in one folder, and compares what they print with the page. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { PlatformProcess } from './crash/platform-process.ts'

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))
const ADDRESS = 'http://127.0.0.1:8787'

interface Example {
  readonly section: string
  readonly language: string
  readonly text: string
  /** the block after it, if that shows its output */
  readonly printed: string | null
}

function examplesOf(page: string): Example[] {
  let section = ''
  const found: Example[] = []
  for (const [, heading, language, text] of page.matchAll(/^#+ (.*)$|^```(.*)\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) section = heading
    else if (language !== 'text') found.push({ section, language: language!, text: text!, printed: null })
    else if (found.length > 0) found.push({ ...found.pop()!, printed: text! })
  }
  return found
}

const EXAMPLES = examplesOf(readFileSync(join(REPOSITORY, 'docs/recipes.md'), 'utf8'))
/** programs that some examples need beside this repository */
const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).status === 0

let folder: string
let environment: NodeJS.ProcessEnv
let platform: PlatformProcess | null = null
let address = ADDRESS

function run({ language, text }: Example) {
  const placed = text.replaceAll(ADDRESS, address)
  const script = join(folder, /^(?:\/\/|#) (\S+)\n/.exec(text)?.[1] ?? 'example.sh')
  writeFileSync(script, placed)
  if (text.includes("from 'watershed'")) return { status: 0, stdout: '', stderr: 'a definition: only placed' }
  const program = { sh: 'sh', ts: process.execPath, python: 'python3' }[language]!
  const options = language === 'sh' ? ['-e'] : []
  return spawnSync(program, [...options, script], { cwd: folder, env: environment, encoding: 'utf8' })
}

/** a line of the page may end in …: the rest differs from run to run */
function expectPrinted(stdout: string, printed: string): void {
  const [lines, expected] = [stdout, printed].map((text) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd()),
  )
  const comparable = lines!.map((line, at) => {
    const shown = expected![at]?.endsWith('…') ? expected![at]!.slice(0, -1) : null
    return shown !== null && line.startsWith(shown) ? `${shown}…` : line
  })
  expect(comparable.join('\n')).toBe(expected!.join('\n'))
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-recipes-'))
  symlinkSync(join(REPOSITORY, 'watershed'), join(folder, 'watershed'))
  environment = { ...process.env, WATERSHED_DATA: join(folder, 'data') }
  await writeParquet(join(folder, 'sales.parquet'))
})
afterAll(async () => {
  await platform?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function writeParquet(file: string): Promise<void> {
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const connection = await engine.connect()
  await connection.run(`COPY (SELECT 'p1' AS id, TIMESTAMP '2026-03-01 12:00:00' AS sold_at, 'Porto' AS shop,
    'rui' AS customer, CAST(7 AS DECIMAL(9,2)) AS amount) TO '${file}' (FORMAT parquet)`)
  engine.close()
}

async function startPlatform(): Promise<void> {
  platform = new PlatformProcess({
    arguments: ['--port', '0', '--dataset', join(folder, 'sales.ts')],
    environment: { WATERSHED_DATA: join(folder, 'data') },
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
    const { status, stdout, stderr } = run(example)
    expect(status, stderr).toBe(0)
    if (example.printed !== null) expectPrinted(stdout, example.printed)
  })
}
