/** Definitions in a folder outside this project, checked by the real compiler with what `watershed types` writes there. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DECLARATION_FILE, typesCommand } from '../commands/types-command.ts'
import { declarationText, TSC } from './declaration.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-outside-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

/** The real command; what it says. */
function types(place: string): string {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'types', place], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^wrote .*watershed\.d\.ts/)])
  return stderr
}

/** The examples of a document, as the files of a folder with the types beside them. */
async function examplesOf(document: string, place: string): Promise<string> {
  const text = await readFile(fileURLToPath(new URL(`../../${document}`, import.meta.url)), 'utf8')
  const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, example]) => example!)
  expect(examples.length).toBeGreaterThan(0)
  const defined = join(folder, place)
  await mkdir(defined)
  for (const [at, example] of examples.entries()) await writeFile(join(defined, `example-${at}.ts`), example)
  types(defined)
  return defined
}

function compiled(project: string, ...flags: string[]): { readonly status: number | null; readonly errors: string[] } {
  const { status, stdout } = spawnSync(process.execPath, [TSC, '--project', project, ...flags], {
    cwd: project,
    encoding: 'utf8',
  })
  return { status, errors: stdout.split('\n').filter((line) => line !== '') }
}

test('watershed.d.ts is what core/definition.ts says; write it again with node runtime/types/write-declaration.ts', async () => {
  expect(await readFile(DECLARATION_FILE, 'utf8')).toBe(await declarationText())
})

describe('in a folder outside this project', () => {
  test.each(['README.md', 'docs/reference/definitions.md'])('the examples of %s pass', async (document) => {
    const defined = await examplesOf(document, document.replaceAll(/\W/g, '-'))
    // The declaration itself is checked as well.
    expect(compiled(defined, '--skipLibCheck', 'false')).toEqual({ status: 0, errors: [] })
  })

  test('a measure over a column that is missing fails, with the columns that there are', async () => {
    const wrong = join(folder, 'wrong')
    await mkdir(wrong)
    const definition = `import { defineDataset, sum } from 'watershed'
export default defineDataset({
  name: 'winds', time: 'at', key: 'station',
  columns: {
    station: { type: 'VARCHAR', path: '$.station' },
    at: { type: 'TIMESTAMP', path: '$.at' },
    gust: { type: 'DOUBLE', path: '$.gust' },
  },
  views: { all: { dimensions: {}, measures: {
    total: sum('gusts'),
  } } },
})
`
    await writeFile(join(wrong, 'winds.ts'), definition)
    types(wrong)
    const { status, errors } = compiled(wrong)
    expect(status).not.toBe(0)
    expect(errors[0]).toMatch(/^winds\.ts\(10,5\): error TS2322: /)
    expect(errors.at(-1)).toMatch(
      /Type '"gusts"' is not assignable to .*"at" \| "gust" \| "station".* Did you mean '"gust"'\?/,
    )
    await writeFile(join(wrong, 'winds.ts'), definition.replace('gusts', 'gust'))
    expect(compiled(wrong)).toEqual({ status: 0, errors: [] })
  })

  test('what the language is made of inside is not offered', async () => {
    const inside = join(folder, 'inside')
    await mkdir(inside)
    await writeFile(
      join(inside, 'names.ts'),
      "import type { CheckedView } from 'watershed'\nexport type A = CheckedView\n",
    )
    types(inside)
    expect(compiled(inside).errors[0]).toMatch(/TS2459|TS2305/)
  })
})

describe('watershed types', () => {
  test("replaces watershed.d.ts, and leaves a project's tsconfig.json alone, also one above", async () => {
    const project = join(folder, 'project')
    await mkdir(join(project, 'definitions'), { recursive: true })
    await writeFile(join(project, 'tsconfig.json'), '{}')
    await writeFile(join(project, 'definitions/watershed.d.ts'), 'old')
    expect(types(join(project, 'definitions'))).toContain(`${join(project, 'tsconfig.json')} must include it`)
    expect(await readFile(join(project, 'definitions/watershed.d.ts'), 'utf8')).toBe(await declarationText())
    expect(existsSync(join(project, 'definitions/tsconfig.json'))).toBe(false)
    expect(await readFile(join(project, 'tsconfig.json'), 'utf8')).toBe('{}')
  })

  test('makes no folder', async () => {
    const command = typesCommand().parseAsync([join(folder, 'nowhere')], { from: 'user' })
    await expect(command).rejects.toThrow(/nowhere' does not exist; create it/)
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
  })
})
