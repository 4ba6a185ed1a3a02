/** One process with the intake role and answers, as `serve` runs it, over real sockets and a real log. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { tableFromJSON, tableToIPC } from 'apache-arrow'
import papa from 'papaparse'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DATASET_HEALTH } from '#serving/http/contract/schemas/dataset-health.ts'
import { silent } from '#telemetry/emit.ts'
import { DATASET, linesOf, notes, notesDefinition } from '#tests/faults/notes.ts'
import { until } from '#tests/until.ts'
import { loadConfiguration } from '../settings/configuration.ts'
import { Platform } from './platform.ts'

const LANGUAGE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))

let folder: string
let platform: Platform
async function start(): Promise<Platform> {
  const flags = { data: join(folder, 'data'), datasets: [join(folder, 'notes.ts')], port: 0, partitions: 2 }
  const shape = { threads: [], answers: true, intake: true }
  return Platform.start(await loadConfiguration({ flags }), shape, silent)
}
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-http-'))
  await writeFile(join(folder, 'notes.ts'), notesDefinition(LANGUAGE))
  platform = await start()
})
afterAll(async () => {
  await platform.stop()
  await rm(folder, { recursive: true, force: true })
})

const bodyOf = (from: number, to: number): string => linesOf(notes(from, to)).join('\n')

interface Reply {
  readonly status: number
  readonly text: string
}

async function get(path: string): Promise<Reply> {
  const response = await fetch(platform.address + path)
  return { status: response.status, text: await response.text() }
}

async function post(body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}): Promise<Reply> {
  const type = { 'content-type': 'application/x-ndjson', ...headers }
  const response = await fetch(`${platform.address}/v1/datasets/${DATASET}/events`, {
    method: 'POST',
    body,
    headers: type,
  })
  return { status: response.status, text: await response.text() }
}

test('a small body that unpacks to nothing but brackets is refused, and other events are taken meanwhile', async () => {
  const levels = 8 * 2 ** 20 - 50
  const body = gzipSync(Buffer.alloc(2 * levels, '[').fill(']', levels))
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const hostile = [1, 2, 3, 4].map(() => post(body, headers))
  expect((await post(bodyOf(0, 10))).status).toBe(202)
  for (const { status, text } of await Promise.all(hostile)) {
    expect(status).toBe(400)
    expect(JSON.parse(text).detail).toContain('the limit recordBytesMax is 1048576')
  }
})

test('a query with the position of a 202 counts what was sent', async () => {
  for (let from = 10; from < 60; from += 10) {
    const sent = await post(bodyOf(from, from + 10))
    const { position } = JSON.parse(sent.text) as { position: string }
    const { status, text } = await get(`/v1/datasets/${DATASET}/views/all?atLeast=${position}`)
    expect(status).toBe(200)
    expect(JSON.parse(text).meta.rows.open).toBe(from + 10)
  }
})

test('a position in a partition that the log does not have is refused at once', async () => {
  const { status, text } = await get(`/v1/datasets/${DATASET}/views/all?atLeast=0:1,999:1`)
  expect(status).toBe(400)
  expect(JSON.parse(text)).toMatchObject({ field: 'atLeast', detail: expect.stringContaining('no partition 999') })
})

test('the same events as CSV, an Arrow stream and NDJSON are counted alike, and once under their key', async () => {
  const columns = Object.keys(notes(0, 1)[0]!)
  const csv = papa.unparse(notes(60, 70) as object[], { newline: '\n' })
  const arrow = Buffer.from(tableToIPC(tableFromJSON(notes(70, 80) as unknown as Record<string, unknown>[]), 'stream'))
  const sent = [
    await post(`${csv}\n1,2,3,4,5,6,7,8,9\n`, { 'content-type': 'text/csv', 'idempotency-key': '"csv"' }),
    await post(gzipSync(arrow), { 'content-type': 'application/vnd.apache.arrow.stream', 'content-encoding': 'gzip' }),
  ].map(({ status, text }) => ({ status, ...JSON.parse(text) }))
  expect(sent).toMatchObject([
    {
      status: 202,
      accepted: 10,
      rows: [{ index: 10, line: 12, reason: `it has 9 fields, and the header names ${columns.length} columns` }],
    },
    { status: 202, accepted: 10, rejected: 0 },
  ])
  const again = await post(`${csv}\n1,2,3,4,5,6,7,8,9\n`, { 'content-type': 'text/csv', 'idempotency-key': '"csv"' })
  expect(JSON.parse(again.text)).toMatchObject({ accepted: 10, repeated: true, position: sent[0].position })
  const { text } = await get(`/v1/datasets/${DATASET}/views/all?atLeast=${sent[1].position}`)
  expect(JSON.parse(text).meta.rows.open).toBe(80)
})

test('the health of a dataset names its hops, what they hold, and what to do', async () => {
  const { status, text } = await get(`/v1/datasets/${DATASET}/health`)
  expect(status).toBe(200)
  const health = DATASET_HEALTH.parse(JSON.parse(text))
  expect(health).toMatchObject({ state: 'attention', behind: 0, rows: { batch: 0, closed: 0, open: 80 }, batch: null })
  const [stream] = health.hops.filter(({ hop }) => hop === 'stream')
  expect(stream).toMatchObject({
    message: 'no stream role is running; 80 events behind the log',
    advice: expect.stringContaining('watershed start'),
  })
  expect(health.hops.find(({ hop }) => hop === 'answers')).toMatchObject({ state: 'ok', advice: null })
})

test('the first query after a start is answered from a tally that the warm-up has made', async () => {
  await platform.stop()
  platform = await start()
  // On a slow machine, the warm-up may still be running.
  await until('both views were asked', async () => {
    const metrics = (await get('/metrics')).text
    return Number(/^watershed_answers_total\{.*source="computed".*\} (\d+)$/m.exec(metrics)?.[1]) >= 2
  })
  const { status, text } = await get(`/v1/datasets/${DATASET}/views/by_topic?measures=words&explain=true`)
  expect(status).toBe(200)
  const { data, meta, explain } = JSON.parse(text)
  expect(data).toHaveLength(3)
  expect([meta.behind, meta.rows.open]).toEqual([0, 80])
  expect(explain.way).toBe('tally')
})

test('when the log file is gone, readiness says so, and no answer names its path', async () => {
  expect((await get('/readyz')).status).toBe(200)
  await rm(join(folder, 'data', 'log', `${DATASET}.sqlite`))
  const ready = await until('it is not ready', async () => {
    const reply = await get('/readyz')
    return reply.status === 503 && reply
  })
  const { parts } = JSON.parse(ready.text) as { parts: { name: string; state: string; detail: string }[] }
  expect(parts.find(({ name }) => name === `intake of ${DATASET}`)).toMatchObject({
    ready: false,
    state: 'refused',
    detail: expect.stringMatching(/^log notes\.sqlite: the file was deleted or replaced/),
  })
  const refused = await post(bodyOf(80, 81))
  expect(refused.status).toBe(503)
  for (const { text } of [ready, refused]) expect(text).not.toContain(folder)
})
