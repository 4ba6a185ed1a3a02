import { expect, test } from 'vitest'
import { shapeProblems } from './definition-shape.ts'
import type { SourceDefinition } from './source-definition.ts'
import { sourceProblems } from './source-shape.ts'

const stream = { name: 'live', kind: 'http-stream', url: 'https://stream.example/rsvps' } as const
const poll = { name: 'poll', kind: 'polling', url: 'https://api.example/posts', every: '30s' } as const

test('sources with secrets from the environment have no problems', () => {
  const sources: SourceDefinition[] = [
    { ...stream, url: 'https://{env:USER_}:{env:PASS}@stream.example/rsvps?author=me&api_key={env:KEY}' },
    {
      ...poll,
      headers: { Authorization: 'Bearer {env:TOKEN}', accept: 'x' },
      page: { parameter: 'next_token', from: '$.meta.next_token' },
    },
    { ...stream, name: 'socket', kind: 'websocket', url: 'wss://firehose.example/subscribe' },
  ]
  expect(sourceProblems(sources)).toEqual([])
})

test.each<[SourceDefinition, RegExp]>([
  [{ ...stream, name: 'Live' }, /source 'Live': the name must match/],
  [{ ...stream, url: 'stream.example' }, /url: 'stream.example' is not an address/],
  [{ ...stream, url: 'wss://stream.example' }, /kind 'http-stream' is https: or http:, not wss:/],
  [{ ...stream, url: 'https://me:secret@stream.example' }, /a credential does not belong into a definition/],
  [{ ...stream, url: 'https://stream.example?token=abc' }, /url: .*for example token=\{env:API_KEY\}/],
  [{ ...stream, headers: { authorization: 'Bearer abc' } }, /header 'authorization': a credential does not belong/],
  [{ ...stream, silence: 'long' }, /silence: 'long' is not a duration/],
  [{ ...stream, eventsPerSecondMax: 0 }, /eventsPerSecondMax must be more than 0, but is 0/],
  [
    { ...stream, resume: { parameter: 'since', from: 'mtime' } },
    /resume.from: 'mtime' is not a JSON path of one value/,
  ],
  [{ ...stream, resume: { parameter: 'since', from: '$.m', overlap: -1 } }, /resume.overlap must not be negative/],
  [{ ...poll, every: '0s' }, /every: '0s' is not a duration/],
  [{ ...poll, records: '$.data[*]' }, /records: '\$\.data\[\*\]' is not a JSON path of one value/],
])('%j is refused', (source, problem) => {
  expect(sourceProblems([source])).toEqual([expect.stringMatching(problem)])
})

test('two sources of one name are refused', () => {
  expect(sourceProblems([stream, stream])).toEqual(["source 'live': another source has the same name"])
})

test.each([
  [
    { ...stream, resum: {} },
    /sources, 0: unknown member 'resum' \(did you mean 'resume'\?\); known members: kind, name/,
  ],
  [
    { ...stream, kind: 'ftp' },
    /sources, 0, kind: unknown kind; use one of http-stream, server-sent-events, websocket, polling/,
  ],
  [
    { ...poll, page: { parameter: 'p', form: '$.x' } },
    /sources, 0, page: unknown member 'form' \(did you mean 'from'\?\)/,
  ],
])('%j: the shape is reported with its place', (source, problem) => {
  const definition = { name: 'd', time: 't', key: 'k', columns: {}, views: {}, sources: [source] }
  expect(shapeProblems(definition).join('\n')).toMatch(problem)
})

test.each(['Authorization', 'Proxy-Authorization', 'X-Api-Key', 'Cookie', 'X-Auth-Token', 'signature'])(
  'a literal %s is recognised as a credential',
  (header) => {
    expect(sourceProblems([{ ...stream, headers: { [header]: 'literal' } }])).toHaveLength(1)
  },
)
