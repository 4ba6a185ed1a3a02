/** Compares docs/reference/sources.md with the code: its example compiles, and its tables list the members, kinds and states. */
import { expect, test } from 'vitest'
import type { SourceDefinition } from '#core/definition.ts'
import { SOURCE_MEMBERS, sourceProblems } from '#core/source-shape.ts'
import { SOURCES } from '#serving/http/contract/schemas/sources.ts'
import { ReferencePage } from './reference-page.ts'

const page = new ReferencePage('sources.md')

test('the definition compiles, and the other sources have no problems', async () => {
  const { sources } = await page.definition()
  expect(sources.map(({ name, kind }) => [name, kind])).toEqual([['live', 'websocket']])
  const others = page.blocks('json').flatMap((block) => JSON.parse(block) as SourceDefinition)
  expect(others.map(({ kind }) => kind).toSorted()).toEqual(['files', 'kafka', 'polling'])
  expect(sourceProblems(others)).toEqual([])
})

test('the members of each kind are complete', () => {
  const kinds = Object.keys(SOURCE_MEMBERS)
  const documented = page
    .rowsUnder('Members')
    .flatMap(([, members, own]) =>
      members!.split(', ').map((member) => ({ member, kinds: own === 'all' ? kinds : own!.split(', ') })),
    )
  for (const kind of kinds) {
    const members = documented.filter((each) => each.kinds.includes(kind)).map(({ member }) => member)
    expect(members.toSorted()).toEqual(SOURCE_MEMBERS[kind]!.toSorted())
  }
  expect(page.rowsUnder('The kinds').map(([, kind]) => kind)).toEqual(kinds)
})

test('the states are complete', () => {
  const { state } = SOURCES.shape.sources.element.shape
  expect(page.rowsUnder('States').map(([, name]) => name)).toEqual(state.options)
})
