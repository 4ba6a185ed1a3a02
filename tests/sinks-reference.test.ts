/** Compares docs/reference/sinks.md with the code: its example compiles, and its tables list the members and states. */
import { expect, test } from 'vitest'
import type { SinkDefinition } from '#core/sink-definition.ts'
import { SINK_MEMBERS, sinkProblems } from '#core/sink-shape.ts'
import { SINKS } from '#serving/http/contract/schemas/sinks.ts'
import { SINK_STATES } from '#serving/sinks/sink-runner.ts'
import { ReferencePage } from './reference-page.ts'

const page = new ReferencePage('sinks.md')

test('the definition compiles', async () => {
  const { sinks } = await page.definition()
  expect(sinks.map(({ name, kind }) => [name, kind])).toEqual([
    ['to_crm', 'webhook'],
    ['to_topic', 'kafka'],
  ])
})

test('the members of each kind and the states are complete', () => {
  const kinds = Object.keys(SINK_MEMBERS)
  const documented = page
    .rowsUnder('Members')
    .map(([, member, own]) => ({ member, kinds: own === 'all' ? kinds : [own!] }))
  for (const kind of kinds) {
    const members = documented.filter((each) => each.kinds.includes(kind)).map(({ member }) => member)
    expect(members.toSorted()).toEqual(SINK_MEMBERS[kind]!.toSorted())
  }
  const states = page.rowsUnder('States').map(([, name]) => name)
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
  [{ query: { limit: '5', cursor: 'start' } }, /query: 'cursor' is for a single request/],
  [{ kind: 'kafka', topic: 'a b' }, /'a b' is not the name of a Kafka topic/],
])('a sink with %j is refused', (change, problem) => {
  expect(sinkProblems([{ ...SINK, ...change } as SinkDefinition], ['by_kind'])).toEqual([
    expect.stringMatching(problem),
  ])
  expect(sinkProblems([SINK], ['by_kind'])).toEqual([])
  expect(sinkProblems([SINK, SINK], ['by_kind'])).toEqual(["sink 'one': another sink has the same name"])
})
