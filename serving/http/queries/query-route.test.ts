import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { count, defineDataset, sum } from '#core/definition.ts'
import { QUERY_LIMITS } from '#core/query.ts'
import { type OwnPlatform, openOwn } from '#tests/generated-definitions/own-platform.ts'
import { until } from '#tests/until.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    kind: { type: 'VARCHAR', path: '$.kind' },
    big: { type: 'BIGINT', path: '$.big' },
  },
  views: {
    sales: {
      dimensions: { country: 'country', kind: 'kind' },
      time: ['hour', 'day'],
      measures: { n: count(), total: sum('big') },
    },
    counts: { dimensions: { country: 'country' }, measures: { n: count() } },
  },
})

const EVENTS = [
  ['us', 'sale', '9007199254740993'],
  ['us', 'visit', '1'],
  ['de', 'sale', '2'],
  ['de', 'sale', '3'],
  [null, 'sale', '4'],
  ['fr', null, '5'],
].map(
  ([country, kind, big], id) =>
    `{"id":${id},"at":"2026-03-01T1${id}:10:00Z","country":${JSON.stringify(country)},"kind":${JSON.stringify(kind)},"big":${big}}`,
)

let platform: OwnPlatform
let position: string
beforeAll(async () => {
  platform = await openOwn({ definition, segmentRecordsMax: 3 })
  position = await platform.take(EVENTS)
})
afterAll(() => platform.close())

interface Reply {
  readonly status: number
  readonly etag: string
  readonly body: string
  readonly data: readonly Record<string, unknown>[]
  readonly problem: { readonly type: string; readonly detail: string; readonly field: string }
}

async function post(body: object | string, headers: Record<string, string> = {}): Promise<Reply> {
  const payload = typeof body === 'string' ? body : JSON.stringify(body)
  const reply = await platform.app.inject({
    method: 'POST',
    url: '/v1/datasets/shop/query',
    headers: { 'content-type': 'application/json', ...headers },
    payload,
  })
  const json = reply.body === '' ? {} : (reply.json() as { data: [] })
  const { data } = json as Reply
  return {
    status: reply.statusCode,
    etag: String(reply.headers.etag),
    body: reply.body,
    data,
    problem: json as unknown as Reply['problem'],
  }
}

const counted = { atLeast: '' }
beforeAll(() => {
  counted.atLeast = position
})

async function countries(filter: object): Promise<unknown[]> {
  const reply = await post({ view: 'sales', dimensions: ['country', 'kind'], measures: ['n'], filter, ...counted })
  expect(reply.status, reply.body).toBe(200)
  return reply.data.map(({ country, kind, n }) => `${country}/${kind}/${n}`)
}

const is = (country: string) => ({ dimension: 'country', operator: 'eq', value: country })

describe('conditions', () => {
  test('or, and, not are nested as they are written', async () => {
    expect(
      await countries({ or: [is('fr'), { and: [is('us'), { dimension: 'kind', operator: 'ne', value: 'sale' }] }] }),
    ).toEqual(['fr/null/1', 'us/visit/1'])
    expect(await countries({ not: { or: [is('us'), is('de')] } })).toEqual(['fr/null/1', 'null/sale/1'])
  })

  test('a comparison with a missing value is false, so its opposite is true', async () => {
    expect(await countries({ not: is('us') })).toEqual(['de/sale/2', 'fr/null/1', 'null/sale/1'])
    expect(await countries({ not: { not: is('us') } })).toEqual(['us/sale/1', 'us/visit/1'])
    expect(await countries({ not: { dimension: 'kind', operator: 'in', values: ['sale', 'visit'] } })).toEqual([
      'fr/null/1',
    ])
  })

  test('null among the values of in stands for rows without a value, by GET and by POST', async () => {
    const isIn = (values: readonly unknown[]) => ({ dimension: 'country', operator: 'in', values })
    const expected = ['fr/null/1', 'null/sale/1']
    expect(await countries(isIn(['fr', null]))).toEqual(expected)
    expect(await countries(isIn([null]))).toEqual(['null/sale/1'])
    expect(await countries({ not: isIn(['us', 'de', null]) })).toEqual(['fr/null/1'])
    const url = (list: string) => `/v1/datasets/shop/views/sales?filter=country:in:${encodeURIComponent(list)}`
    const got = (await platform.app.inject(url('["fr",null]'))).json() as Reply
    expect(got.data.map(({ country }) => country).toSorted()).toEqual(['fr', null])
    expect((await platform.app.inject(url('["fr",{}]'))).json()).toMatchObject({ status: 400, field: 'filter' })
    const totals = `/v1/datasets/shop/views/sales?dimensions=country&having=total:in:${encodeURIComponent('[5.0,9007199254740994]')}`
    const many = (await platform.app.inject(totals)).json() as Reply
    expect(many.data.map(({ country }) => country).toSorted()).toEqual(['de', 'fr', 'us'])
    const refused = await post({ view: 'sales', filter: { dimension: 'country', operator: 'ne', values: [null] } })
    expect(refused.body).toMatch(/ne: null can only be one of the values of 'in'/)
  })

  test('having combines measures, and keeps every digit of a number', async () => {
    const total = (value: string) => `{"measure": "total", "operator": "eq", "value": ${value}}`
    const ask = (having: string) =>
      post(
        `{"view": "sales", "dimensions": ["country"], "measures": ["total"], "having": ${having}, "atLeast": "${position}"}`,
      )
    expect((await ask(total('9007199254740994'))).body).toMatch(
      /^{"data":\[{"country":"us","total":9007199254740994}\]/,
    )
    expect((await ask(total('9007199254740993'))).data).toEqual([])
    expect((await ask(`{"or": [${total('5')}, ${total('4')}]}`)).data).toEqual([
      { country: 'de', total: 5 },
      { country: 'fr', total: 5 },
      { country: null, total: 4 },
    ])
  })
})

test('the same question by GET and by POST is one answer, which both know by its tag', async () => {
  const url =
    '/v1/datasets/shop/views/sales?dimensions=country&filter=kind:eq:sale&filter=country:in:us,de&having=n:gte:1&grain=hour&from=2026-03-01&to=2026-03-02&timezone=Europe/Berlin&order=-n,country&limit=5&per=time'
  await post({ view: 'sales', ...counted })
  const got = await platform.app.inject(url)
  const body = {
    view: 'sales',
    dimensions: ['country'],
    filter: {
      and: [
        { dimension: 'kind', operator: 'eq', value: 'sale' },
        { and: [{ dimension: 'country', operator: 'in', values: ['us', 'de'] }] },
      ],
    },
    having: { measure: 'n', operator: 'gte', value: 1 },
    time: { grain: 'hour', from: '2026-03-01', to: '2026-03-02', timezone: 'Europe/Berlin' },
    order: ['-n', 'country'],
    limit: 5,
    per: ['time'],
  }
  const posted = await post(body)
  expect(posted.data).toEqual((got.json() as Reply).data)
  expect(posted.data).toHaveLength(3)
  expect(posted.etag).toBe(got.headers.etag)
  expect((await post(body, { 'if-none-match': posted.etag })).status).toBe(304)
})

const deep = (depth: number): object => (depth === 0 ? is('us') : { not: deep(depth - 1) })

const march = { from: '2026-03-01', to: '2026-04-01' }

test('totals are of all groups, beyond the limit too, and are at hand in every format', async () => {
  const asked = { view: 'sales', dimensions: ['country'], measures: ['n'], totals: true, shares: ['n', 'total'] }
  const all = { ...asked, filter: { or: [is('us'), is('de')] }, order: ['-total_share'], limit: 1, ...counted }
  const { body } = await post(all)
  expect(body).toMatch(/^{"data":\[{"country":"us","n":2,"n_share":0.5,"total_share":0.999/)
  expect(body).toContain('"totals":{"n":4}')
  const csv = await platform.app.inject({
    method: 'POST',
    url: '/v1/datasets/shop/query',
    headers: { accept: 'text/csv' },
    payload: { ...all, measures: ['total'], shares: ['n'], order: ['-total'] },
  })
  expect(csv.body).toBe('country,total,n_share\nus,9007199254740994,0.5\n')
  expect(csv.headers['watershed-totals']).toBe('{"total":9007199254740999}')
  const none = await post({ ...all, filter: is('nobody') })
  expect(none.body).toContain('"totals":{"n":0}')
})

test.each<[object | string, string, RegExp]>([
  ['{"view"', 'query', /^query: is not JSON/],
  ['[]', 'query', /^query: /],
  [{}, 'view', /^view: /],
  [{ view: 'sales', meassures: [] }, 'meassures', /unknown member \(did you mean 'measures'\?\)/],
  [{ view: 'sales', time: { form: 1 } }, 'time.form', /unknown member \(did you mean 'from'\?\)/],
  [{ view: 'sales', time: { from: 'x' } }, 'from', /'x' is not a time/],
  [{ view: 'sales', limit: 1.5 }, 'limit', /must be an integer, or 'all'/],
  [{ view: 'sales', limit: 10_001 }, 'limit', /rowsMax = 10000/],
  [{ view: 'sales', filter: [] }, 'filter', /must be an object/],
  [{ view: 'sales', filter: { and: [] } }, 'filter.and', /is empty/],
  [{ view: 'sales', filter: { and: [is('us')], or: [] } }, 'filter', /'and' cannot stand beside 'or'/],
  [{ view: 'sales', filter: { or: [{ ...is('us'), valeu: 1 }] } }, 'filter.or.0.valeu', /did you mean 'value'/],
  [{ view: 'sales', filter: { dimension: 'country', operator: 'like' } }, 'filter.operator', /must be one of 'eq'/],
  [
    { view: 'sales', filter: { ...is('us'), value: null } },
    'filter.value',
    /must be a text.*operators 'null' and 'notnull'/,
  ],
  [{ view: 'sales', filter: { ...is('us'), value: {} } }, 'filter.value', /must be a text, a number, true or false$/],
  [{ view: 'sales', filter: { ...is('us'), values: ['de'] } }, 'filter.values', /cannot stand beside 'value'/],
  [
    { view: 'sales', filter: { dimension: 'country', operator: 'in', values: [] } },
    'filter',
    /"values": \[<value>, …\]$/,
  ],
  [{ view: 'sales', filter: deep(8) }, 'filter', /conditionDepthMax = 8/],
  [{ view: 'sales', filter: { or: Array(33).fill(is('us')) } }, 'filter.or', /filtersMax = 32/],
  [
    { view: 'sales', filter: { and: [{ or: Array(20).fill(is('a')) }, { or: Array(20).fill(is('b')) }] } },
    'filter',
    /filtersMax = 32/,
  ],
  [{ view: 'sales', filter: is('us'), having: { measure: 'm', operator: 'gt', value: 1 } }, 'having', /'m' is unknown/],
  [{ view: 'sales', measures: [], dimensions: [] }, 'measures', /no columns/],
  [{ view: 'sales', time: { grain: 'hour', ...march }, fill: 'nought' }, 'fill', /must be one of 'zero', 'null'/],
  [{ view: 'sales', time: march, fill: 'zero' }, 'fill', /requires 'grain'/],
  [{ view: 'sales', time: { grain: 'hour', from: march.from }, fill: 'zero' }, 'fill', /requires 'from' and 'to'/],
  [
    { view: 'sales', time: { grain: 'hour', from: '1900-01-01', to: '2100-01-01' }, fill: 'null' },
    'fill',
    /1753176 buckets .* more than filledRowsMax = 1000000/,
  ],
  [{ view: 'sales', shares: ['m'] }, 'shares', /'m' is unknown/],
  [{ view: 'sales', totals: 'yes' }, 'totals', /must be a boolean, not a string/],
  [{ view: 'sales', having: { measure: 'n_share', operator: 'gt', value: 0 }, shares: ['n'] }, 'having', /unknown/],
  [{ view: 'sales', compare: { shift: '7d' } }, 'compare', /requires 'from' and 'to'/],
  [{ view: 'sales', compare: { shift: 'previous', by: '7d' } }, 'compare.by', /unknown member/],
  [{ view: 'sales', time: march, compare: { shift: '7 days' } }, 'compare', /is not a shift: write 'previous', or/],
  [{ view: 'sales', time: march, compare: { shift: '15m' } }, 'compare', /panes of 3600 s/],
  [
    { view: 'sales', time: { ...march, grain: 'day' }, compare: { shift: '12h' } },
    'compare',
    /whole number of the grain/,
  ],
  [
    {
      view: 'sales',
      time: march,
      compare: { shift: '7d' },
      totals: true,
      having: { measure: 'n_difference', operator: 'gt', value: 0 },
    },
    'totals',
    /cannot be combined with 'compare' and 'having'/,
  ],
  [{ view: 'sales', views: ['sales'] }, 'views', /cannot stand beside 'view'/],
  [{ views: ['sales'] }, 'views', /from 2 to viewsMax = 8/],
  [{ views: ['sales', 'sales'] }, 'views', /more than once/],
  [{ view: 'sales', require: ['life'] }, 'require.0', /must be one of 'live', 'current'/],
])('refused by name: %#', async (body, field, detail) => {
  const { status, problem } = await post(body)
  expect({ status, ...problem }).toMatchObject({ status: 400, field, detail: expect.stringMatching(detail) })
})

interface Explained {
  readonly data: readonly unknown[]
  readonly meta: { readonly next: string | null }
  readonly explain: { readonly way: string; readonly steps: readonly { step: string }[]; readonly engine: unknown }
}

async function explained(asked: object): Promise<Explained> {
  const { status, body } = await post({ explain: true, ...asked, ...counted })
  expect(status, body).toBe(200)
  return JSON.parse(body) as Explained
}

const PARTS = ['states', 'merge', 'present', 'rank', 'enrich', 'encode'].map((step) => ({
  step,
  ms: expect.any(Number),
}))

test('explain says of every way how the answer came about, and only in JSON', async () => {
  const asked = { view: 'sales', measures: ['n'], shares: ['n'], dimensions: ['country'], limit: 1 }
  const merged = await explained(asked)
  expect(merged.explain).toMatchObject({
    way: 'resident',
    layers: { closed: { newest: expect.any(Array) }, open: { speedRows: null } },
    engine: PARTS,
  })
  const first = await explained({ ...asked, cursor: 'start' })
  expect(first.explain).toMatchObject({ way: 'resident', engine: PARTS })
  expect((await explained({ ...asked, cursor: first.meta.next })).explain).toMatchObject({ way: 'page', engine: null })
  let limit = 2
  await until('simple questions are tallied', async () => {
    const { explain } = await explained({ view: 'counts', limit: limit++ })
    return (
      explain.way === 'tally' && explain.engine === null && explain.steps.some(({ step }) => step.startsWith('rank'))
    )
  })
  const all = await explained({ ...asked, limit: 'all' })
  expect(all.data.length).toBeGreaterThan(1)
  expect(all.explain).toMatchObject({ source: 'computed', way: 'export', engine: null })
  for (const limit of [1, 'all'] as const)
    expect((await post({ ...asked, limit, explain: true }, { accept: 'text/csv' })).problem).toMatchObject({
      status: 400,
      field: 'explain',
    })
})
const NAMED = ['from', 'to', 'at', 'limit', 'grain', 'timezone', 'every', 'fill', 'compare', 'cursor', 'totals']
test.each(NAMED)('an empty %s is refused by its name', async (field) => {
  const reply = await platform.app.inject(`/v1/datasets/shop/views/sales?${field}=`)
  expect(reply.json()).toMatchObject({
    status: 400,
    field,
    detail: `${field}: is empty; leave it out, or give a value`,
  })
})

test('an unknown one of several views is refused by the member that names it', async () => {
  const payload = { views: ['sales', 'sails'] }
  const reply = await platform.app.inject({ method: 'POST', url: '/v1/datasets/shop/query', payload })
  const detail = expect.stringMatching(/^views: 'sails' is unknown \(did you mean 'sales'\?\)/)
  expect(reply.json()).toMatchObject({ status: 404, field: 'views', detail })
})

test('an unknown view, another type and a body over its limit are refused as such', async () => {
  expect((await post({ view: 'sails' })).problem).toMatchObject({
    status: 404,
    detail: expect.stringContaining("did you mean 'sales'"),
  })
  expect((await post('view=sales', { 'content-type': 'text/plain' })).status).toBe(415)
  expect((await post('')).status).toBe(400)
  const large = await post(`{"view":"sales"}${' '.repeat(QUERY_LIMITS.queryBytesMax)}`)
  expect(large).toMatchObject({ status: 413, problem: { detail: expect.stringContaining('queryBytesMax') } })
})

describe('pages', () => {
  const all = { view: 'sales', time: { grain: 'hour' }, dimensions: ['country', 'kind'], order: ['-n'] }

  test('are one position together, and what one large answer is, also when events come in between', async () => {
    const { data } = await post({ ...all, ...counted })
    const pages: unknown[] = []
    const positions = new Set<string>()
    let cursor: string | null = 'start'
    while (cursor !== null) {
      const page = await post({ ...all, limit: 4, cursor })
      expect(page.status, page.body).toBe(200)
      const { meta } = JSON.parse(page.body) as {
        meta: { next: string | null; position: number[]; truncated: boolean }
      }
      expect(meta.truncated).toBe(meta.next !== null)
      pages.push(...page.data)
      positions.add(meta.position.join())
      cursor = meta.next
      position = await platform.take([EVENTS[0]!.replace('"us"', '"br"')])
    }
    expect(pages).toEqual(data)
    expect(positions.size).toBe(1)
  })

  test('a cursor is of its query, and ends with what it continues', async () => {
    const first = await platform.app.inject('/v1/datasets/shop/views/sales?dimensions=country&limit=1&cursor=start')
    const { next } = (first.json() as { meta: { next: string } }).meta
    const of = (query: string) => platform.app.inject(`/v1/datasets/shop/views/sales?${query}&cursor=${next}`)
    expect((await of('dimensions=country&limit=1')).statusCode).toBe(200)
    expect((await of('dimensions=country&limit=2')).json()).toMatchObject({ status: 400, field: 'cursor' })
    const gone = Buffer.from('00000000-0000-4000-8000-000000000000.1').toString('base64url')
    expect((await post({ view: 'sales', cursor: gone })).problem).toMatchObject({
      type: 'urn:watershed:problem:cursor-expired',
      detail: expect.stringContaining('begin again with cursor=start'),
    })
    expect((await post({ view: 'sales', cursor: 'x' })).problem).toMatchObject({ field: 'cursor' })
    const every = await platform.app.inject('/v1/datasets/shop/views/sales?limit=all&cursor=start')
    expect(every.json()).toMatchObject({ status: 400, field: 'cursor' })
    expect((await post({ ...all, per: ['country'], cursor: 'start' })).problem).toMatchObject({ field: 'cursor' })
  })
})

describe('limit all', () => {
  test('is the export of the GET, in the format of the Accept header', async () => {
    await platform.app.inject(`/v1/datasets/shop/views/sales?atLeast=${position}`)
    const get = await platform.app.inject('/v1/datasets/shop/views/sales.csv?limit=all&order=-total,country,kind')
    expect(get.body.split('\n').length).toBeGreaterThan(3)
    const headers = { accept: 'text/csv', 'content-type': 'application/json' }
    const payload = { view: 'sales', limit: 'all', order: ['-total', 'country', 'kind'] }
    const url = '/v1/datasets/shop/query'
    const reply = await platform.app.inject({ method: 'POST', url, headers, payload })
    expect(reply.statusCode, reply.body).toBe(200)
    expect(reply.body).toBe(get.body)
    expect(reply.headers['content-disposition']).toBe('attachment; filename="sales.csv"')
  })

  test('is refused where it is no export, and other words by name', async () => {
    const wrong = { status: 400, field: 'limit' }
    expect((await post({ view: 'sales', limit: 'every' })).problem).toMatchObject({
      ...wrong,
      detail: expect.stringContaining("must be an integer, or 'all'"),
    })
    const headers = { accept: 'text/event-stream' }
    const q = encodeURIComponent('{"view":"sales","limit":"all"}')
    for (const url of ['/v1/datasets/shop/views/sales?limit=all', `/v1/datasets/shop/query/live?q=${q}`])
      expect((await platform.app.inject({ url, headers })).json()).toMatchObject(wrong)
  })
})
