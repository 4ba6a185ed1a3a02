/** Compares docs/reference/sources.md with the code: its example compiles, and its tables list the members, kinds and states. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { DatasetDefinition, SourceDefinition } from '#core/definition.ts'
import { SOURCE_MEMBERS, sourceProblems } from '#core/source-shape.ts'
import { SOURCES } from '#serving/http/schemas/sources.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'

const text = readFileSync(fileURLToPath(new URL('../docs/reference/sources.md', import.meta.url)), 'utf8')
const blocks = (kind: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\n([^]*?)^\`\`\``, 'gm'))].map(([, block]) => block!)
const rowsUnder = (heading: string): string[][] =>
  text
    .slice(text.indexOf(`## ${heading}\n`))
    .split(/\n## /)[0]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))

test('the definition compiles, and the other sources have no problems', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-sources-'))
  try {
    const file = join(folder, 'trades.ts')
    const language = new URL('../core/definition.ts', import.meta.url).href
    writeFileSync(file, blocks('ts')[0]!.replace("'watershed'", JSON.stringify(language)))
    const { default: definition } = (await import(pathToFileURL(file).href)) as { default: DatasetDefinition }
    const { sources } = await compileDataset(definition, await testConnection())
    expect(sources.map(({ name, kind }) => [name, kind])).toEqual([['live', 'websocket']])
    const others = blocks('json').flatMap((block) => JSON.parse(block) as SourceDefinition)
    expect(others.map(({ kind }) => kind).toSorted()).toEqual(['files', 'kafka', 'polling'])
    expect(sourceProblems(others)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the members of each kind are complete', () => {
  const kinds = Object.keys(SOURCE_MEMBERS)
  const documented = rowsUnder('Members').flatMap(([, members, own]) =>
    members!.split(', ').map((member) => ({ member, kinds: own === 'all' ? kinds : own!.split(', ') })),
  )
  for (const kind of kinds) {
    const members = documented.filter((each) => each.kinds.includes(kind)).map(({ member }) => member)
    expect(members.toSorted()).toEqual(SOURCE_MEMBERS[kind]!.toSorted())
  }
  expect(rowsUnder('The kinds').map(([, kind]) => kind)).toEqual(kinds)
})

test('the states are complete', () => {
  const { state } = SOURCES.shape.sources.element.shape
  expect(rowsUnder('States').map(([, name]) => name)).toEqual(state.options)
})
