import { createHmac } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop, WEBHOOK_SECRETS } from '#serving/http/serve-app-fixture.ts'
import { SIGNED_MS_MAX, webhookSignature } from './webhook-signature.ts'

const [HUB_SECRET, STANDARD_SECRET] = WEBHOOK_SECRETS
const URL = '/v1/datasets/shop/webhook'
let shop: ServedShop
beforeAll(async () => {
  shop = await serveShop({ webhookBytesMax: 500 })
})
afterAll(() => shop.close())

const hub = (body: string | Buffer, secret: string = HUB_SECRET): Record<string, string> => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
})

function standard(
  body: string,
  { secret = STANDARD_SECRET as string, id = 'msg_1', ageMs = 0 } = {},
): Record<string, string> {
  const timestamp = Math.floor((Date.now() - ageMs) / 1_000)
  const mac = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64')).update(
    `${id}.${timestamp}.${body}`,
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')} v1,${mac.digest('base64')} v1a,x`,
  }
}

const post = (payload: string | Buffer, headers: Record<string, string>, url = URL) =>
  shop.app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } })

test('signatures that the schemes publish as examples are recognised', () => {
  const at = 1_614_265_330_000
  const svix = {
    'svix-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'svix-timestamp': String(at / 1_000),
    'svix-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  const signature = webhookSignature(svix, [STANDARD_SECRET], at)
  expect(signature.key).toBe('webhook:msg_p5jXN8AQM9LWM0D4loKWxJek')
  expect(() => signature.assertSigned(Buffer.from('{"test": 2432232314}'))).not.toThrow()
  expect(() => signature.assertSigned(Buffer.from('{"test": 2432232315}'))).toThrow(/does not match/)
  const github = { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' }
  expect(() =>
    webhookSignature(github, ["It's a Secret to Everybody"], at).assertSigned(Buffer.from('Hello, World!')),
  ).not.toThrow()
})

test('a signed webhook is taken without an API key, from anywhere, and counts once under its id', async () => {
  for (const headers of [hub('good'), standard('good')]) {
    const reply = await post('good', { ...headers, host: 'hooks.example.com' })
    expect(reply.statusCode, reply.body).toBe(202)
    expect(reply.json()).toMatchObject({ accepted: 1, rejected: 0 })
  }
  expect((await post('good', standard('good'))).json()).toHaveProperty('repeated')
  expect((await post('good', { ...hub('good'), 'x-github-delivery': 'd-1' })).json()).toHaveProperty('repeated')
  expect((await post('bad', hub('bad'))).json()).toMatchObject({ type: 'urn:watershed:problem:all-rejected' })
})

test('what is compressed is signed as it is sent', async () => {
  const packed = gzipSync('good')
  const reply = await post(packed, { ...hub(packed), 'content-encoding': 'gzip' })
  expect(reply.json()).toMatchObject({ accepted: 1 })
})

test('the ping of a new webhook is answered, and no event', async () => {
  const reply = await post('{"zen":"x"}', { ...hub('{"zen":"x"}'), 'x-github-event': 'ping' })
  expect(reply.statusCode).toBe(202)
  expect(reply.json()).toMatchObject({ accepted: 0, rejected: 0 })
})

test.each([
  ['no signature', {}, /a webhook must be signed/],
  ['a signature of another secret', hub('good', 'another-secret-of-16'), /does not match/],
  ['a signature of another body', hub('goods'), /does not match/],
  ['a signature that is not hex', { 'x-hub-signature-256': 'sha256=zz' }, /does not match/],
  ['a hub signature by the secret of the other scheme', hub('good', STANDARD_SECRET), /does not match/],
  ['an old timestamp', standard('good', { ageMs: SIGNED_MS_MAX + 2_000 }), /more than 300 seconds from now/],
  ['a timestamp in the future', standard('good', { ageMs: -SIGNED_MS_MAX - 60_000 }), /more than 300 seconds from now/],
  ['no id', { ...standard('good'), 'webhook-id': undefined as never }, /needs webhook-id/],
  ['an id that was not signed', { ...standard('good'), 'webhook-id': 'msg_2' }, /does not match/],
])('%s is refused with 401', async (_what, headers, detail) => {
  const reply = await post('good', JSON.parse(JSON.stringify(headers)))
  expect(reply.statusCode).toBe(401)
  expect(reply.json()).toMatchObject({
    type: 'urn:watershed:problem:unauthorized',
    detail: expect.stringMatching(detail),
  })
})

test('a webhook that is too large is refused by the name of its limit', async () => {
  const large = 'good'.repeat(200)
  expect((await post(large, hub(large))).json()).toMatchObject({
    status: 413,
    detail: expect.stringContaining('webhookBytesMax'),
  })
  const packed = gzipSync(large)
  const inflated = await post(packed, { ...hub(packed), 'content-encoding': 'gzip' })
  expect(inflated.json()).toMatchObject({ status: 413, detail: expect.stringContaining('webhookBytesMax = 500') })
})

test('only datasets with a secret take webhooks, and the path needs a key for all others', async () => {
  expect((await post('good', hub('good'), '/v1/datasets/zoo/webhook')).statusCode).toBe(404)
  const app = buildServeApp({ ...shop.parts, keys: ['a-key-of-sixteen-or-more'], webhookSecrets: new Map() })
  const send = (headers: Record<string, string>) => app.inject({ method: 'POST', url: URL, payload: 'good', headers })
  const json = { 'content-type': 'application/json', ...hub('good') }
  expect((await send(json)).statusCode).toBe(401)
  const keyed = await send({ ...json, authorization: 'Bearer a-key-of-sixteen-or-more' })
  expect(keyed.json()).toMatchObject({ status: 404, detail: expect.stringContaining('webhookSecrets') })
  await app.close()
})
