/** Signing in: what the cookie opens and for whom, what ends it, and that keys are not guessed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { SessionLedger } from '#storage/sessions/session-ledger.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { FAILED_SIGN_INS_MAX } from './failed-attempts.ts'

const KEY = 'an-api-key-of-this-shop'
const ADMIN = 'the-key-of-its-operator'
const OWN = { 'sec-fetch-site': 'same-origin', origin: 'http://shop.example:8787', host: 'shop.example:8787' } as const
const VIEW = '/v1/datasets/shop/views/by_kind'

let shop: ServedShop
let folder: string
let app: FastifyInstance
beforeAll(async () => {
  shop = await serveShop()
})
afterAll(() => shop.close())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-session-'))
  app = buildServeApp({
    ...shop.parts,
    keys: [KEY],
    adminKey: ADMIN,
    sessions: new SessionLedger(new FolderTexts(folder)),
  })
})
afterEach(async () => {
  await app.close()
  rmSync(folder, { recursive: true })
})

type Headers = Readonly<Record<string, string>>
const signIn = (key: string, headers: Headers = OWN) =>
  app.inject({ method: 'POST', url: '/v1/session', payload: { key }, headers })
const cookieOf = ({ headers }: { headers: Record<string, unknown> }): string => String(headers['set-cookie'])
const signedIn = async (key = KEY): Promise<{ cookie: string }> => ({
  cookie: cookieOf(await signIn(key)).split(';')[0]!,
})

describe('a session', () => {
  test('opens what its key opens, and its cookie is for this server only', async () => {
    const reply = await signIn(KEY)
    expect(reply.json()).toMatchObject({ keyRequired: true, signedInAs: 'api', until: expect.any(String) })
    expect(cookieOf(reply)).toMatch(
      /^watershed_session_8787=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/,
    )
    const cookie = await signedIn()
    expect((await app.inject({ url: VIEW, headers: { ...OWN, ...cookie } })).statusCode).toBe(200)
    expect((await app.inject({ url: VIEW, headers: { host: OWN.host } })).statusCode).toBe(401)
    const shown = await app.inject({ url: '/v1/session', headers: { ...OWN, ...cookie } })
    expect(shown.json()).toMatchObject({ signedInAs: 'api', until: expect.any(String) })
  })

  test('behind TLS its cookie is sent over TLS only', async () => {
    const reply = await signIn(KEY, { ...OWN, 'x-forwarded-proto': 'https' })
    expect(cookieOf(reply)).toMatch(/^__Host-watershed_session_8787=.*; Secure$/)
  })

  test.each([
    [KEY, 403],
    [ADMIN, 202],
  ])('operates if its key does (%s): %i', async (key, status) => {
    const headers = { ...OWN, ...(await signedIn(key)) }
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/datasets/shop/jobs',
      payload: { kind: 'verify' },
      headers,
    })
    expect(reply.statusCode).toBe(status)
  })

  test.each<[string, Headers]>([
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['another port of this host', { 'sec-fetch-site': 'same-site', origin: 'http://shop.example:3000' }],
    ['an old browser on another site', { origin: 'https://evil.example' }],
    ['nobody who says', {}],
  ])('does not write for %s', async (_who, headers) => {
    const sent = { host: OWN.host, ...headers, ...(await signedIn(ADMIN)) }
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/datasets/shop/jobs',
      payload: { kind: 'verify' },
      headers: sent,
    })
    expect(reply.statusCode).toBe(401)
  })

  test('is not read by a page of another port', async () => {
    const headers = { host: OWN.host, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', ...(await signedIn()) }
    expect((await app.inject({ url: VIEW, headers })).statusCode).toBe(401)
    const { 'sec-fetch-site': _, ...old } = { ...headers, origin: 'http://shop.example:3000' }
    expect((await app.inject({ url: VIEW, headers: old })).statusCode).toBe(401)
    expect((await app.inject({ url: VIEW, headers: { ...old, origin: OWN.origin } })).statusCode).toBe(200)
  })

  test('ends when its owner signs out, also where its answers were kept', async () => {
    await app.listen({ host: '127.0.0.1', port: 0 })
    const address = `http://127.0.0.1:${(app.server.address() as { port: number }).port}`
    const own = { origin: address, 'content-type': 'application/json' }
    const body = JSON.stringify({ key: KEY })
    const reply = await fetch(`${address}/v1/session`, { method: 'POST', headers: own, body })
    const cookie = reply.headers.get('set-cookie')!.split(';')[0]!
    const status = async (): Promise<number> => (await fetch(`${address}${VIEW}`, { headers: { cookie } })).status
    expect([await status(), await status()]).toEqual([200, 200])
    const gone = await fetch(`${address}/v1/session`, { method: 'DELETE', headers: { origin: address, cookie } })
    expect(gone.headers.get('set-cookie')).toMatch(/=; Path=\/; Max-Age=0;/)
    expect(await status()).toBe(401)
  })

  test('a header goes before it: scripts go on as before', async () => {
    const headers = { ...OWN, ...(await signedIn()), authorization: 'Bearer wrong' }
    expect((await app.inject({ url: VIEW, headers })).statusCode).toBe(401)
  })
})

describe('signing in', () => {
  test('a wrong key opens nothing, and is not said to anybody', async () => {
    const reply = await signIn('a-key-that-was-guessed')
    expect(reply.statusCode).toBe(401)
    expect(reply.headers['set-cookie']).toBeUndefined()
    const told = shop.events.find(({ name }) => name === 'sign-in-failed')
    expect(told).toMatchObject({ level: 'warn' })
    expect(JSON.stringify([told, reply.json()])).not.toContain('guessed')
  })

  test('after some wrong keys even the right one has to wait', async () => {
    for (let n = 0; n < FAILED_SIGN_INS_MAX; n++) expect((await signIn(`wrong-${n}`)).statusCode).toBe(401)
    const reply = await signIn(KEY)
    expect(reply.json()).toMatchObject({ status: 429, type: 'urn:watershed:problem:too-many-attempts' })
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(50)
  })

  test.each<Headers>([
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'http://shop.example:3000', 'sec-fetch-site': 'same-site' },
  ])('is not done by another page: %j', async (headers) => {
    expect((await signIn(KEY, { host: OWN.host, ...headers })).statusCode).toBe(403)
  })

  test('takes JSON only, so that no form of another site can send it', async () => {
    const headers = { ...OWN, 'content-type': 'text/plain' }
    const reply = await app.inject({ method: 'POST', url: '/v1/session', payload: `{"key":"${KEY}"}`, headers })
    expect(reply.statusCode).toBe(415)
  })

  test('a key in the address is refused', async () => {
    expect((await app.inject({ url: `/v1/session?key=${KEY}`, headers: OWN })).statusCode).toBe(400)
  })
})
