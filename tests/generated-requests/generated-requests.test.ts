/** Requests of every kind to a real process: it answers each, in time, with an answer or with a problem that is the client's. */
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { until } from '#tests/until.ts'
import type { GeneratedRequest } from './generated-request.ts'
import { requestsTo, type ViewNames } from './request-arbitraries.ts'

const DATASET = 'meetup_rsvps'
const AT_ONCE = 8
/** set it to 10000 for a long run */
const REQUESTS = Number(process.env.GENERATED_REQUESTS ?? 1_600)
/** none of these requests has work for so long: a request that takes it hangs */
const HANGS_MS = 60_000

let folder: string
let platform: PlatformProcess
let address: string
const generator = new RsvpGenerator({ seed: 3, startMs: Date.now() })
const events = Array.from({ length: 400 }, () => generator.next())

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-requests-'))
  const words = ['--data', folder, '--dataset', DATASET, '--port', '0', '--no-demo']
  platform = new PlatformProcess({ arguments: words })
  address = await platform.address
  const taken = await send({
    method: 'POST',
    path: `/v1/datasets/${DATASET}/events`,
    headers: { 'content-type': 'application/x-ndjson' },
    body: Buffer.from(events.join('\n')),
  })
  expect(taken.status).toBe(202)
  await until('it is ready', async () => (await send({ method: 'GET', path: '/readyz', headers: {} })).status === 200)
})
afterAll(async () => {
  await platform.stop()
  rmSync(folder, { recursive: true })
})

interface Reply {
  readonly status: number
  readonly type: string
  readonly text: string
}

/** As its bytes are, which `fetch` would mend. */
function send({ method, path, headers, body }: GeneratedRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address)
    const sent = request({ hostname, port, method, path, headers, signal: AbortSignal.timeout(HANGS_MS) }, (reply) => {
      buffer(reply).then(
        (bytes) =>
          resolve({ status: reply.statusCode!, type: reply.headers['content-type'] ?? '', text: bytes.toString() }),
        reject,
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function viewsOf(): Promise<ViewNames[]> {
  const reply = await send({ method: 'GET', path: `/v1/datasets/${DATASET}`, headers: {} })
  const { views } = JSON.parse(reply.text) as {
    views: { name: string; dimensions: { name: string }[]; measures: { name: string }[] }[]
  }
  return views.map(({ name, dimensions, measures }) => ({
    dataset: DATASET,
    view: name,
    dimensions: dimensions.map((dimension) => dimension.name),
    measures: measures.map((measure) => measure.name),
  }))
}

const seen = new Map<number, number>()

async function expectAnswer(one: GeneratedRequest): Promise<void> {
  const { status, type, text } = await send(one)
  seen.set(status, (seen.get(status) ?? 0) + 1)
  // While a partition starts again, it is not ready, and says so.
  if (!(one.path.startsWith('/readyz') && status === 503)) expect(status, text).toBeLessThan(500)
  else return
  if (one.method === 'HEAD') return
  if (status >= 400) {
    expect(type).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(text)).toMatchObject({ type: expect.stringMatching(/^urn:watershed:problem:/), status })
  } else if (type.startsWith('application/json')) JSON.parse(text)
}

test('every request is answered, and none by a fault of the server', async () => {
  const some = requestsTo(await viewsOf(), fc.constantFrom(...events))
  await fc.assert(
    fc.asyncProperty(fc.array(some, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (requests) => {
      await Promise.all(requests.map(expectAnswer))
    }),
    { numRuns: Math.ceil(REQUESTS / AT_ONCE) },
  )
  expect(platform.alive, platform.said).toBe(true)
  // The generator reaches answers as well as refusals.
  for (const status of [200, 202, 400, 404, 405]) expect(seen.get(status) ?? 0, `status ${status}`).toBeGreaterThan(0)
})
