/** Requests that a client could send, right and wrong, for every route of the API. */
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import fc from 'fast-check'
import type { GeneratedRequest } from './generated-request.ts'
import { operationOf } from './operation-arbitraries.ts'

/** What the application says of a view; see GET /v1/datasets/{dataset}. */
export interface ViewNames {
  readonly dataset: string
  readonly view: string
  readonly dimensions: readonly string[]
  readonly measures: readonly string[]
}

const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '',
    ',',
    '-',
    ':',
    '__proto__',
    'constructor',
    "'; DROP TABLE x; --",
    '%',
    '\0',
    '𝕏',
    '9'.repeat(400),
    'x'.repeat(5_000),
  ),
)
const number = fc.oneof(
  fc.integer({ min: -5, max: 2_000 }).map(String),
  fc.constantFrom('1e3', '0x10', 'NaN', '-0', '10001', '9007199254740993', '99999999999999999999'),
)
const time = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.integer({ min: -(10 ** 13), max: 10 ** 13 }).map(String),
  fc.constantFrom('latest', 'now', '2017-03-19', '0000-01-01', '-271821-04-20T00:00:00Z', '+275760-09-13T00:00:00Z'),
)
const zone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Mars/Base',
  '+05:30',
)
const grain = fc.constantFrom('minute', 'hour', 'day', 'week', 'month', 'quarter', 'year', 'all', 'eon')
const step = fc.constantFrom('10s', '1m', '5m', '1h', '1d', '999999999d', '0s', '1week')
const fill = fc.constantFrom('zero', 'null', 'previous')
const shift = fc.constantFrom('previous', '1h', '7d', '1w', '1month', '900year', '0d', '999999999s')
const operator = fc.constantFrom('eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'contains', 'null', 'notnull', 'like')

/** mostly what is right, so that the requests reach deep, and sometimes anything */
const mostly = <T>(right: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: odd })

function someOf(names: readonly string[]): fc.Arbitrary<string> {
  const right = names.length === 0 ? fc.constant('') : fc.subarray([...names]).map((some) => some.join(','))
  return mostly(right, oddText)
}

function queryOf({ dataset, view, dimensions, measures }: ViewNames): fc.Arbitrary<GeneratedRequest> {
  const named = [...dimensions, ...measures]
  const filter = fc
    .tuple(mostly(fc.constantFrom(...dimensions, 'nothing'), oddText), operator, fc.oneof(oddText, number, time))
    .map((parts) => parts.join(':'))
  const having = fc
    .tuple(mostly(fc.constantFrom(...measures, 'nothing'), oddText), operator, fc.oneof(oddText, number, time))
    .map((parts) => parts.join(':'))
  const order = fc
    .tuple(fc.constantFrom('', '-'), mostly(fc.constantFrom(...named, 'time'), oddText))
    .map((parts) => parts.join(''))
  const position = fc.constantFrom('', '0:0', '0:0,1:0', '0:', 'x', '-1:5', '0:1.5')
  const parameters = fc.record(
    {
      measures: someOf(measures),
      dimensions: someOf(dimensions),
      filter: mostly(filter, oddText),
      having: mostly(having, oddText),
      from: mostly(time, oddText),
      to: mostly(time, oddText),
      grain: mostly(grain, oddText),
      fill: mostly(fill, oddText),
      every: mostly(step, oddText),
      compare: mostly(shift, oddText),
      totals: mostly(fc.constant('true'), oddText),
      shares: someOf(measures),
      timezone: mostly(zone, oddText),
      order: mostly(order, oddText),
      limit: mostly(number, oddText),
      at: mostly(time, oddText),
      per: someOf(dimensions),
      atLeast: mostly(position, oddText),
    },
    { requiredKeys: [] },
  )
  return parameters.map((given) => ({
    method: 'GET',
    path: `/v1/datasets/${dataset}/views/${view}?${new URLSearchParams(given)}`,
    headers: {},
  }))
}

/** As JSON: mostly a query, and sometimes any value. */
function jsonQueryOf({ dataset, view, dimensions, measures }: ViewNames): fc.Arbitrary<GeneratedRequest> {
  const name = (names: readonly string[]): fc.Arbitrary<string> => mostly(fc.constantFrom(...names, 'nothing'), oddText)
  const list = (names: readonly string[]): fc.Arbitrary<unknown> =>
    mostly(fc.subarray([...names]), fc.jsonValue({ maxDepth: 1 }))
  const value = fc.oneof(oddText, number, time, fc.jsonValue({ maxDepth: 1 }))
  const conditionOf = (member: string, names: readonly string[]): fc.Arbitrary<unknown> =>
    fc.letrec((tie) => ({
      condition: fc.oneof(
        { maxDepth: 3, depthIdentifier: member },
        fc.record(
          { [member]: name(names), operator, value, values: fc.array(value, { maxLength: 3 }) },
          { requiredKeys: [member, 'operator'] },
        ),
        fc.record({ and: fc.array(tie('condition'), { maxLength: 3 }) }),
        fc.record({ or: fc.array(tie('condition'), { maxLength: 3 }) }),
        fc.record({ not: tie('condition') }),
      ),
    })).condition as fc.Arbitrary<unknown>
  const order = fc.array(
    fc.tuple(fc.constantFrom('', '-'), name([...dimensions, ...measures, 'time'])).map((parts) => parts.join('')),
    { maxLength: 2 },
  )
  const moment = mostly<unknown>(time, fc.jsonValue({ maxDepth: 0 }))
  const query = fc.record(
    {
      view: mostly(fc.constant(view), oddText),
      views: mostly<unknown>(fc.constant([view, view]), fc.jsonValue({ maxDepth: 1 })),
      measures: list(measures),
      dimensions: list(dimensions),
      filter: conditionOf('dimension', dimensions),
      having: conditionOf('measure', measures),
      time: fc.record(
        { from: moment, to: moment, grain, timezone: zone, every: step, at: moment },
        { requiredKeys: [] },
      ),
      compare: mostly<unknown>(fc.record({ shift }), fc.jsonValue({ maxDepth: 1 })),
      totals: mostly<unknown>(fc.boolean(), fc.jsonValue({ maxDepth: 0 })),
      shares: list(measures),
      fill: mostly<unknown>(fill, fc.jsonValue({ maxDepth: 0 })),
      order: mostly<unknown>(order, fc.jsonValue({ maxDepth: 1 })),
      limit: mostly<unknown>(fc.integer({ min: -1, max: 20_000 }), fc.jsonValue({ maxDepth: 1 })),
      per: list(dimensions),
    },
    { requiredKeys: ['view'] },
  )
  const deep = fc
    .integer({ min: 1, max: 5_000 })
    .map((depth) => `{"view":"${view}","filter":${'{"not":'.repeat(depth)}1${'}'.repeat(depth)}}`)
  const body = fc.oneof(
    { weight: 12, arbitrary: query.map((one) => JSON.stringify(one)) },
    { weight: 1, arbitrary: fc.oneof(deep, oddText) },
  )
  return fc.tuple(body, mostly(fc.constant('application/json'), oddText)).map(([text, type]) => ({
    method: 'POST',
    path: `/v1/datasets/${dataset}/query`,
    headers: { 'content-type': /^[\w/]+$/.test(type) ? type : 'text/plain' },
    body: Buffer.from(text),
  }))
}

function bodyOf(event: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const lines = fc.array(fc.oneof({ weight: 4, arbitrary: event }, { weight: 1, arbitrary: oddText }), { maxLength: 6 })
  return fc.oneof(
    lines.map((some) => Buffer.from(some.join('\n'))),
    lines.map((some) => Buffer.from(`[${some.join(',')}]`)),
    fc.jsonValue({ maxDepth: 6 }).map((value) => Buffer.from(JSON.stringify(value))),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 1, max: 5_000 }).map((depth) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
    csvOf(),
    arrowOf(event),
    fc.array(cloudEventOf(event), { maxLength: 3 }).map((some) => Buffer.from(JSON.stringify(some))),
    cloudEventOf(event).map((one) => Buffer.from(JSON.stringify(one))),
  )
}

/** With quotes and delimiters where they do not belong, too. */
function csvOf(): fc.Arbitrary<Buffer> {
  const cell = fc.oneof(oddText, fc.constantFrom('a', '"', '"a"', '"a""b"', 'a"b', '\r\n', ';'))
  const record = fc.array(cell, { maxLength: 4 }).map((cells) => cells.join(','))
  return fc.array(record, { maxLength: 6 }).map((records) => Buffer.from(records.join('\n')))
}

/** Whole streams, and such with some of their bytes changed. */
function arrowOf(event: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.nat(), fc.nat(255))
  return fc
    .tuple(fc.array(event, { minLength: 1, maxLength: 4 }), fc.array(change, { maxLength: 3 }))
    .map(([events, changes]) => {
      const sent = Buffer.from(
        tableToIPC(tableFromArrays({ event: events, n: Int32Array.from(events.keys()) }), 'stream'),
      )
      for (const [at, byte] of changes) sent[at % sent.length] = byte
      return sent
    })
}

function cloudEventOf(event: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  const attributes = fc.record(
    {
      specversion: mostly(fc.constant('1.0'), oddText),
      id: oddText,
      source: fc.constantFrom('/shop', '', '%%'),
      type: fc.constantFrom('sold', ''),
      time: mostly(fc.constant('2026-01-31T12:00:00Z'), oddText),
      data: event.map((text) => JSON.parse(text) as unknown),
      data_base64: fc.constantFrom('AA==', '***'),
    },
    { requiredKeys: ['specversion', 'id'] },
  )
  return mostly<unknown>(attributes, fc.jsonValue({ maxDepth: 3 }))
}

function postOf(dataset: string, event: fc.Arbitrary<string>): fc.Arbitrary<GeneratedRequest> {
  const type = fc.constantFrom(
    'application/json',
    'application/x-ndjson',
    'text/plain',
    'text/csv',
    'text/tab-separated-values; charset=utf-8',
    'application/vnd.apache.arrow.stream',
    'application/cloudevents+json',
    'application/cloudevents-batch+json; charset=UTF-8',
    'text/html',
    'x',
    '',
  )
  const attribute = mostly(fc.constantFrom('1.0', 'a', '%C3%A9'), fc.constantFrom('', '%ff', '0.3'))
  const inHeaders = fc.record(
    {
      'ce-specversion': attribute,
      'ce-id': attribute,
      'ce-source': attribute,
      'ce-type': attribute,
      'ce-x_y': attribute,
    },
    { requiredKeys: [] },
  )
  const headers = fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: inHeaders })
  const query = fc.constantFrom(
    '',
    '',
    '?verdicts=all',
    '?verdicts=x',
    '?delimiter=;',
    '?delimiter=%22',
    '?columns=a,b',
  )
  const encoding = fc.constantFrom('', '', '', 'gzip', 'br', 'identity')
  return fc
    .tuple(bodyOf(event), type, encoding, query, headers)
    .map(([body, contentType, contentEncoding, query, attributes]) => ({
      method: 'POST',
      path: `/v1/datasets/${dataset}/events${query}`,
      headers: {
        ...attributes,
        ...(contentType === '' ? {} : { 'content-type': contentType }),
        ...(contentEncoding === '' ? {} : { 'content-encoding': contentEncoding }),
      },
      body,
    }))
}

/** Any method and path, also those of no route. */
function otherOf(dataset: string): fc.Arbitrary<GeneratedRequest> {
  const known = ['/', '/livez', '/readyz', '/metrics', '/openapi.json', '/v1/datasets', `/v1/datasets/${dataset}`]
  const parts = ['generations', 'dead-letters', 'views', 'events'].map((part) => `/v1/datasets/${dataset}/${part}`)
  const strange = oddText.map((text) => `/v1/datasets/${encodeURIComponent(text.toWellFormed())}/views/x`)
  const path = mostly(fc.constantFrom(...known, ...parts), strange)
  const method = mostly(
    fc.constant('GET'),
    fc.constantFrom('HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'),
  )
  return fc.tuple(method, path, fc.option(mostly(number, oddText))).map(([method, path, limit]) => ({
    method,
    path: limit === null ? path : `${path}?${new URLSearchParams({ limit })}`,
    headers: {},
  }))
}

/** @param event texts of events, of which some are usable */
export function requestsTo(views: readonly ViewNames[], event: fc.Arbitrary<string>): fc.Arbitrary<GeneratedRequest> {
  const { dataset } = views[0]!
  return fc.oneof(
    { weight: 4, arbitrary: fc.oneof(...views.map(queryOf)) },
    { weight: 3, arbitrary: fc.oneof(...views.map(jsonQueryOf)) },
    { weight: 3, arbitrary: postOf(dataset, event) },
    { weight: 1, arbitrary: otherOf(dataset) },
    { weight: 1, arbitrary: operationOf(dataset) },
  )
}
