/** Statements on a real Trino: values keep their digits, connections break and pages are asked for again, and nothing runs on that nobody reads. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FaultyProxy } from '#tests/servers/faulty-proxy.ts'
import { sharedTrino, whyNoTrino } from '#tests/servers/trino-server.ts'
import { until } from '#tests/until.ts'
import { TrinoClient } from './trino-client.ts'

/** more than one page */
const MANY = 'SELECT * FROM UNNEST(sequence(1, 3000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000)) AS b(y)'

describe.skipIf(whyNoTrino() !== null)('statements on Trino', () => {
  let url: string
  let proxy: FaultyProxy
  beforeAll(async () => {
    url = await sharedTrino()
    proxy = await FaultyProxy.start(url)
  }, 240_000)
  afterAll(() => proxy?.stop())

  test('whole numbers, decimals, texts and times keep what they are', async () => {
    const { columns, rows } = await new TrinoClient({ url }).query(
      "SELECT 9007199254740993, 7, DECIMAL '1.50', 0.1e0, TIMESTAMP '0001-01-01 00:00:00.000001', ARRAY['ü', NULL], CAST(NULL AS bigint)",
    )
    expect(rows).toEqual([[9_007_199_254_740_993n, 7, '1.50', 0.1, '0001-01-01 00:00:00.000001', ['ü', null], null]])
    expect(columns.map(({ type }) => type)).toContain('timestamp(6)')
  })

  test('a failed statement says why, and whether the same again can succeed', async () => {
    const client = new TrinoClient({ url })
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ kind: 'failed', errorName: 'DIVISION_BY_ZERO' })
    await expect(client.query('SELECT * FROM memory.default.nothing')).rejects.toMatchObject({
      kind: 'failed',
      errorName: 'TABLE_NOT_FOUND',
    })
  })

  test('pages whose answer is cut or refused are asked for again: no row is missing or double', async () => {
    const client = new TrinoClient({ url: proxy.url })
    const isPage = ({ method }: { readonly method: string }): boolean => method === 'GET'
    proxy.cutAnswers(isPage, 2)
    proxy.answer(isPage, [200, 503, 200, 429])
    const sql = "SELECT x, rpad('', 4000, 'x') FROM UNNEST(sequence(1, 10000)) AS a(x)"
    const seen: unknown[] = []
    let pages = 0
    for await (const { rows } of client.pages(sql)) {
      pages++
      seen.push(...rows.map(([x]) => x))
    }
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 10_000 }, (_, at) => at + 1))
    expect({ several: pages > 1, injected: proxy.injected }).toEqual({ several: true, injected: 4 })
  })

  test('a statement is cancelled when its rows are no longer read', async () => {
    const client = new TrinoClient({ url })
    for await (const { rows } of client.pages(MANY)) {
      expect(rows.length).toBeGreaterThan(0)
      break
    }
    await until('it has ended', async () => {
      const { rows } = await client.query(
        "SELECT state, error_code FROM system.runtime.queries WHERE query LIKE 'SELECT * FROM UNNEST%'",
      )
      return rows.length > 0 && rows.every(([state, code]) => state === 'FAILED' && code === 'USER_CANCELED')
    })
  })

  test('an aborted statement rejects with the reason', async () => {
    const given = new AbortController()
    const running = new TrinoClient({ url }).query(`SELECT count(*) FROM (${MANY}) WHERE x % 7 = y % 11`, given.signal)
    given.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
  })

  test('nobody answers: it says where, and what to do', async () => {
    const client = new TrinoClient({ url: 'http://user:secret@127.0.0.1:9', outageMsMax: 0 })
    const failed = client.query('SELECT 1')
    await expect(failed).rejects.toMatchObject({ kind: 'unreachable' })
    await expect(failed).rejects.toThrow(/^Trino at http:\/\/127\.0\.0\.1:9 does not answer .*check trino\.url$/)
  })
})

/** Gives the address of a server that is not Trino. */
async function withServer(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.close()
  }
}

test('an answer without an end is not read for longer than its limit', async () => {
  let isClosed = false
  const endless: RequestListener = (_, response) => {
    const more = (): void => {
      while (!isClosed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more).on('close', () => {
      isClosed = true
    })
    more()
  }
  await withServer(endless, async (url) => {
    const failed = new TrinoClient({ url, pageBytesMax: 1_000_000 }).query('SELECT 1')
    await expect(failed).rejects.toThrow(/sent a page of more than 1000000 bytes/)
    await until('the connection is closed', () => isClosed)
  })
})

test('statements are those of the user that is given, or else of the one in the address', async () => {
  const seen: unknown[] = []
  const refuse: RequestListener = ({ headers }, response) => {
    const login = Buffer.from(headers.authorization!.slice('Basic '.length), 'base64').toString()
    seen.push([headers['x-trino-user'], login])
    response.writeHead(401).end()
  }
  await withServer(refuse, async (url) => {
    const own = url.replace('//', '//alice:secret@')
    for (const options of [{ url: own }, { url: own, user: 'bob' }, { url, password: 'hidden' }])
      await expect(new TrinoClient(options).query('SELECT 1')).rejects.toMatchObject({ kind: 'refused' })
  })
  expect(seen).toEqual([
    ['alice', 'alice:secret'],
    ['bob', 'alice:secret'],
    ['watershed', 'watershed:hidden'],
  ])
})
