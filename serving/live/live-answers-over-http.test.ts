/** What answers of a serving process say over HTTP of what may be missing, and in headers. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { LiveVisits } from '#tests/live-visits-fixture.ts'
import { buildServeApp } from '../http/serve-app.ts'

let own: LiveVisits
beforeEach(async () => {
  own = await LiveVisits.open()
})
afterEach(() => own.end())

test('over HTTP, require=live refuses an answer while the log cannot be read, and gives the next one when it can', async () => {
  await own.append(10)
  await own.live.refresh()
  const { dataset, lake, store, engine, log } = own
  const served = { dataset, lake, store, engine, log, partitions: 2, live: own.answers }
  const app = buildServeApp({
    datasets: new Map([['visits', served]]),
    intakes: null,
    metrics: new Metrics(),
    emit: silent,
    parts: async () => [],
  })
  const asked = async (require: string) => {
    const { statusCode, body } = await app.inject(`/v1/datasets/visits/views/by_page${require}`)
    return { status: statusCode, ...(JSON.parse(body) as { meta?: object; detail?: string }) }
  }
  expect(await asked('?require=live')).toMatchObject({ status: 200, meta: { behind: 0, liveMissing: null } })
  own.rangeOf = () => Promise.reject(new Error('down'))
  await own.live.refresh()
  const why = 'the log cannot be read, or ends before what is counted'
  expect(await asked('')).toMatchObject({ status: 200, meta: { position: [5, 5], behind: null, liveMissing: why } })
  expect(await asked('?require=live')).toMatchObject({ status: 503, detail: expect.stringContaining(why) })
  own.rangeOf = (partition) => own.log.range(partition)
  await own.live.refresh()
  expect(await asked('?require=live')).toMatchObject({ status: 200, meta: { behind: 0, liveMissing: null } })
  await app.close()
})

test('headers say what meta says: of a first request, of a repeated one, of a 304 and of another format', async () => {
  await own.append(10)
  await own.live.refresh()
  const { dataset, lake, store, engine, log } = own
  const served = { dataset, lake, store, engine, log, partitions: 2, live: own.answers }
  const parts = { intakes: null, metrics: new Metrics(), emit: silent, parts: async () => [] }
  const app = buildServeApp({ datasets: new Map([['visits', served]]), ...parts })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/v1/datasets/visits/views/by_page`
  const asked = async (headers: Record<string, string> = {}) => {
    const reply = await fetch(url, { headers: { connection: 'close', ...headers } })
    const given = [...reply.headers].filter(([name]) => /^watershed-(?!as-of)/.test(name))
    return { status: reply.status, headers: Object.fromEntries(given), etag: reply.headers.get('etag')! }
  }
  const expected = {
    'watershed-position': '0:5,1:5',
    'watershed-boundary': '0:0,1:0',
    'watershed-generation': 'none',
    'watershed-exact': 'true',
    'watershed-gap-free': 'true',
    'watershed-truncated': 'false',
    'watershed-behind': '0',
  }
  const { etag, ...first } = await asked()
  expect(first).toEqual({ status: 200, headers: expected })
  expect(await asked()).toMatchObject(first)
  expect(await asked({ 'if-none-match': etag })).toMatchObject({ status: 304, headers: expected })
  expect(await asked({ accept: 'text/csv' })).toMatchObject({ status: 200, headers: expected })
  own.live.appended([{ partition: 0, start: 5, end: 8 }])
  // What an answer says of its age may be some milliseconds old.
  await expect
    .poll(async () => (await asked({ 'if-none-match': etag })).headers)
    .toMatchObject({ 'watershed-behind': '3' })
  await app.close()
})
