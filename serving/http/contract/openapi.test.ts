/** Compares GET /openapi.json with the application: routes, responses and problems. */
import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { z } from 'zod'
import { ANSWER } from '#serving/http/contract/schemas/answer.ts'
import { DATASET, DATASETS } from '#serving/http/contract/schemas/dataset.ts'
import { DEAD_LETTERS } from '#serving/http/contract/schemas/dead-letters.ts'
import { GENERATIONS } from '#serving/http/contract/schemas/generations.ts'
import { RAW_EVENTS } from '#serving/http/contract/schemas/raw-events.ts'
import { ALIVE, INDEX, READINESS } from '#serving/http/contract/schemas/server-state.ts'
import { TAKEN } from '#serving/http/contract/schemas/taken.ts'
import { PROBLEMS } from '#serving/http/problems.ts'
import { EVENTS_PARAMETERS } from '#serving/http/queries/parse-events-query.ts'
import { QUERY_PARAMETERS } from '#serving/http/queries/parse-query.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { EVENTS_LIMITS } from '#serving/raw-events/events-query.ts'
import { openapiText } from './openapi-document.ts'

interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: Schema }>> }>>
}
interface Schema {
  readonly properties: Readonly<Record<string, { readonly enum?: readonly string[] }>>
}

let shop: ServedShop
let document: { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }
const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )

beforeAll(async () => {
  shop = await serveShop()
  document = (await shop.app.inject('/openapi.json')).json()
})
afterAll(() => shop.close())

test('is a valid OpenAPI 3.1 document', async () => {
  const result = await new Validator().validate(structuredClone(document))
  expect(result.errors).toBeUndefined()
  expect(document).toMatchObject({ openapi: '3.1.0' })
})

test('docs/reference/openapi.json is the document of this version', async () => {
  const kept = readFileSync(new URL('../../../docs/reference/openapi.json', import.meta.url), 'utf8')
  // After a change of routes or schemas, `npm run openapi` writes it anew.
  expect(JSON.parse(kept)).toEqual(JSON.parse(await openapiText()))
  const { security, ...rest } = document as typeof document & { readonly security: unknown }
  expect(JSON.parse(kept)).toEqual({ ...rest, security: [{ key: [] }] })
})

test('lists exactly the routes of the application', async () => {
  const index = (await shop.app.inject('/')).json() as { routes: string[]; document: string }
  const documented = operations().map(([route]) => route)
  expect([...documented, `GET ${index.document}`].sort()).toEqual(['GET /', ...index.routes].sort())
  const ids = operations().map(([, { operationId }]) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
})

test('lists the parameters of each route', () => {
  const named = (route: string, place: string): string[] =>
    (Object.fromEntries(operations())[route]!.parameters ?? [])
      .filter((parameter) => parameter.in === place)
      .map(({ name }) => name)
  const asked = [...QUERY_PARAMETERS, 'bom', 'explain'].sort()
  expect(named('GET /v1/datasets/{dataset}/views/{view}', 'query').sort()).toEqual(asked)
  expect(named('GET /v1/datasets/{dataset}/views/{view}.{format}', 'query').sort()).toEqual(asked)
  expect(named('GET /v1/datasets/{dataset}/views/{view}.{format}', 'path')).toEqual(['dataset', 'view', 'format'])
  expect(named('GET /v1/datasets/{dataset}/views/{view}', 'path')).toEqual(['dataset', 'view'])
  expect(named('GET /v1/datasets/{dataset}/dead-letters', 'query')).toEqual(['limit', 'reason', 'cursor'])
  expect(named('POST /v1/datasets/{dataset}/events', 'query')).toEqual([
    'verdicts',
    'delimiter',
    'columns',
    'decimalComma',
  ])
})

test('describes the request body of events for every content type', () => {
  const { requestBody } = Object.fromEntries(operations())['POST /v1/datasets/{dataset}/events']!
  expect(Object.keys(requestBody!.content)).toEqual([
    'application/json',
    'application/x-ndjson',
    'application/jsonl',
    'text/plain',
    'text/csv',
    'text/tab-separated-values',
    'application/vnd.apache.arrow.stream',
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
  ])
})

/** Status → problem types that a route documents. */
function problemsOf(route: string): Map<string, readonly string[]> {
  const { responses } = Object.fromEntries(operations())[route]!
  return new Map(
    Object.entries(responses).flatMap(([status, { content }]) => {
      const schema = content?.['application/problem+json']?.schema
      return schema === undefined ? [] : [[status, schema.properties.type!.enum!] as const]
    }),
  )
}

test('documents every problem under its status', () => {
  const seen = new Set<string>()
  for (const [route] of operations()) {
    for (const [status, types] of problemsOf(route)) {
      for (const type of types) {
        seen.add(type)
        expect(PROBLEMS[type.split(':').at(-1) as keyof typeof PROBLEMS].status).toBe(Number(status))
      }
    }
  }
  // A 405 belongs to no operation, so none can document it.
  const { 'wrong-method': _, ...documented } = PROBLEMS
  expect([...seen].sort()).toEqual(
    Object.keys(documented)
      .map((type) => `urn:watershed:problem:${type}`)
      .sort(),
  )
})

const VIEW = 'GET /v1/datasets/{dataset}/views/{view}'
const EVENTS = 'POST /v1/datasets/{dataset}/events'

test.each([
  [VIEW, '/v1/datasets/zoo/views/x', ''],
  [VIEW, '/v1/datasets/shop/views/by_kind?grain=eon', ''],
  [VIEW, '/v1/datasets/shop/views/by_kind?view=x', ''],
  ['GET /v1/datasets/{dataset}/dead-letters', '/v1/datasets/shop/dead-letters?limit=x', ''],
  ['GET /v1/datasets/{dataset}/events', '/v1/datasets/shop/events?limit=1001', ''],
  [EVENTS, '/v1/datasets/shop/events', 'bad'],
  [EVENTS, '/v1/datasets/shop/events', 'busy'],
  [EVENTS, '/v1/datasets/shop/events', 'crash'],
  [EVENTS, '/v1/datasets/shop/events', 'good'.repeat(300)],
  [EVENTS, '/v1/datasets/zoo/events', 'good'],
])('%s documents the problem that it answers to %s %s', async (route, url, payload) => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const reply = await shop.app.inject(payload === '' ? { url } : { method: 'POST', url, payload, headers })
  const problem = reply.json() as { type: string }
  expect(problemsOf(route).get(String(reply.statusCode))).toContain(problem.type)
})

test('the answer to sent events matches its schema', async () => {
  const headers = { 'content-type': 'application/x-ndjson' }
  const sent = { method: 'POST', url: '/v1/datasets/shop/events?verdicts=all', payload: 'good\nbad', headers } as const
  expect(TAKEN.safeParse((await shop.app.inject(sent)).json()).error).toBeUndefined()
})

test.each<[string, z.ZodType]>([
  ['/', INDEX],
  ['/livez', ALIVE],
  ['/readyz', READINESS],
  ['/v1/datasets', DATASETS],
  ['/v1/datasets/shop', DATASET],
  ['/v1/datasets/shop/views/by_kind', ANSWER],
  ['/v1/datasets/shop/views/by_kind?explain=true', ANSWER],
  ['/v1/datasets/shop/generations', GENERATIONS],
  ['/v1/datasets/shop/dead-letters', DEAD_LETTERS],
  ['/v1/datasets/shop/events?raw=true', RAW_EVENTS],
])('the response of GET %s matches its schema', async (url, schema) => {
  expect(schema.safeParse((await shop.app.inject(url)).json()).error).toBeUndefined()
})

const text = readFileSync(new URL('../../../docs/reference/http.md', import.meta.url), 'utf8')

test('docs/reference/http.md describes raw events: parameters, members of meta, limits', () => {
  const section = text.slice(text.indexOf('## Raw events')).split('\n## ', 2)[0]!
  const documented = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!)
  const members = Object.keys(RAW_EVENTS.shape.meta.shape)
  const limits = Object.keys(EVENTS_LIMITS).filter((name) => !section.includes(`\`${name}\``))
  expect([documented.toSorted(), limits]).toEqual([['meta', ...EVENTS_PARAMETERS, ...members].toSorted(), []])
})

test('docs/reference/http.md describes each member of the provenance', () => {
  const table = text.slice(text.indexOf('| `meta` | meaning |')).split('\n\n')[0]!
  const documented = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, member]) => member!)
  expect(documented.slice(1).toSorted()).toEqual(Object.keys(ANSWER.shape.meta.shape).toSorted())
})
