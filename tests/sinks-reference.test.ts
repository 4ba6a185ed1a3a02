/** Compares docs/reference/sinks.md with the code: its example compiles, and its tables list the members and states. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import type { SinkDefinition } from '#core/sink-definition.ts'
import { SINK_MEMBERS, sinkProblems } from '#core/sink-shape.ts'
import { SINKS } from '#serving/http/schemas/sinks.ts'
import { SINK_STATES } from '#serving/sinks/sink-runner.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'

const text = readFileSync(fileURLToPath(new URL('../docs/reference/sinks.md', import.meta.url)), 'utf8')
const rowsUnder = (heading: string): string[][] =>
  text
    .slice(text.indexOf(`## ${heading}\n`))
    .split(/\n## /)[0]!
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))

test('the definition compiles', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-sinks-'))
  try {
    const file = join(folder, 'shop.ts')
    const language = new URL('../core/definition.ts', import.meta.url).href
    writeFileSync(file, /^```ts\n([\s\S]*?)^```/m.exec(text)![1]!.replace("'watershed'", JSON.stringify(language)))
    const { default: definition } = (await import(pathToFileURL(file).href)) as { default: DatasetDefinition }
    const { sinks } = await compileDataset(definition, await testConnection())
    expect(sinks.map(({ name, kind }) => [name, kind])).toEqual([
      ['to_crm', 'webhook'],
      ['to_topic', 'kafka'],
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the members of each kind and the states are complete', () => {
  const kinds = Object.keys(SINK_MEMBERS)
  const documented = rowsUnder('Members').map(([, member, own]) => ({ member, kinds: own === 'all' ? kinds : [own!] }))
  for (const kind of kinds) {
    const members = documented.filter((each) => each.kinds.includes(kind)).map(({ member }) => member)
    expect(members.toSorted()).toEqual(SINK_MEMBERS[kind]!.toSorted())
  }
  const states = rowsUnder('States').map(([, name]) => name)
  expect(states).toEqual([...SINK_STATES])
  expect(SINKS.shape.sinks.element.shape.state.options).toEqual(states)
})

const SINK: SinkDefinition = { name: 'one', kind: 'webhook', view: 'by_kind', url: 'https://example.org/' }

test.each<[Record<string, unknown>, RegExp]>([
  [{ name: 'One' }, /sink 'One': the name must match/],
  [{ view: 'by_kindd' }, /view: 'by_kindd' is unknown.*by_kind/],
  [{ url: 'ftp://example.org' }, /https: or http:, not ftp:/],
  [{ url: 'nowhere' }, /'nowhere' is not an address/],
  [{ url: 'https://me:secret@example.org' }, /user and password are not sent/],
  [{ secret: 'whsec_aaaa' }, /secret: a credential does not belong into a definition/],
  [{ headers: { authorization: 'Bearer abc' } }, /header 'authorization': a credential does not belong/],
  [{ every: 'often' }, /every/],
  [{ kind: 'kafka', topic: 'a b' }, /'a b' is not the name of a Kafka topic/],
])('a sink with %j is refused', (change, problem) => {
  expect(sinkProblems([{ ...SINK, ...change } as SinkDefinition], ['by_kind'])).toEqual([
    expect.stringMatching(problem),
  ])
  expect(sinkProblems([SINK], ['by_kind'])).toEqual([])
  expect(sinkProblems([SINK, SINK], ['by_kind'])).toEqual(["sink 'one': another sink has the same name"])
})
