/** Requests to the routes of operators and of dead letters, right and wrong. */
import fc from 'fast-check'
import type { GeneratedRequest } from './generated-request.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
/** of no job, no generation, no letter, no source */
const odd = fc.constantFrom(
  'x',
  '..%2f..',
  '%00',
  '20260101T000000000-abcdef',
  'g000001',
  '0:0',
  '0:999',
  '9999:1',
  '%F0%9D%95%8F',
)
const parameter = fc.oneof(
  fc.constant(''),
  fc
    .tuple(
      fc.constantFrom('state', 'limit', 'reason', 'cursor', 'force', 'x'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    )
    .map(([name, value]) => `?${new URLSearchParams({ [name]: value.toWellFormed() })}`),
  fc.constantFrom('?state=done', '?limit=2', "?reason=it's", '?cursor=1.2.3', '?force=true', '?reason=%00'),
)
const body = fc.oneof(
  fc.constantFrom('', '{}', '{"kind":"verify"}', '{"kind":"dance"}', '{"kind":"batch","mode":"x"}', '[]', '{'),
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value)),
)

export function operationOf(dataset: string): fc.Arbitrary<GeneratedRequest> {
  const base = `/v1/datasets/${dataset}`
  const reads = ['jobs', 'dead-letters', 'dead-letters/reasons', 'dead-letters/download', 'health', 'sinks']
  const read = fc.oneof(
    fc.constantFrom(...reads),
    odd.map((id) => `jobs/${id}`),
    odd.map((id) => `jobs/${id}/progress`),
    odd.map((id) => `dead-letters/${id}`),
  )
  const write = fc.oneof(
    fc.constant('jobs'),
    odd.map((id) => `jobs/${id}/cancel`),
    odd.map((id) => `generations/${id}/rollback`),
    odd.map((id) => `dead-letters/${id}/replay`),
    fc.tuple(odd, fc.constantFrom('pause', 'resume', 'reset')).map(([id, change]) => `sources/${id}/${change}`),
  )
  const reading = fc
    .tuple(read, parameter)
    .map(([path, query]) => ({ method: 'GET', path: `${base}/${path}${query}`, headers: {} }))
  const type = fc.constantFrom(JSON_TYPE, JSON_TYPE, { 'content-type': 'text/plain' }, {})
  const writing = fc.tuple(write, parameter, body, type).map(([path, query, text, headers]) => ({
    method: 'POST',
    path: `${base}/${path}${query}`,
    headers: headers as Readonly<Record<string, string>>,
    body: Buffer.from(text),
  }))
  return fc.oneof(reading, writing)
}
