/**
 * Small inputs that once gave wrong results, posted to a real process: each answer is the right one, and `verify` finds no difference.
 * Cases about faults, clocks, limits and pipes have tests where their parts are:
 *
 * | case | test |
 * |---|---|
 * | live-pipe | runtime/commands/live-pipe.e2e.test.ts |
 * | no-start | tests/faults/no-start.e2e.test.ts |
 * | log-behind-lake | tests/faults/log-behind-lake.e2e.test.ts, tests/restores/ |
 * | clock-back | speed-layer/partition-owner.test.ts, serving/answers/answer-meta.test.ts |
 * | one-batch-in-the-future | batch-layer/schedule.test.ts, batch-layer/schedule-contract.ts |
 * | brackets | runtime/roles/platform-http.test.ts, tests/hostile/ |
 * | wide-values | tests/faults/wide-values.e2e.test.ts, tests/hostile/ |
 * | cancelled | tests/faults/cancelled.e2e.test.ts |
 * | catastrophic-sum, cut in every way | core/measures/double-sum.test.ts |
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { watershed } from '#tests/faults/watershed.ts'

const CASES = import.meta.dirname
const DATASETS = ['micro', 'latency', 'ledger', 'overflow', 'shop']

type Row = Readonly<Record<string, unknown>>
interface Taken {
  readonly accepted: number
  readonly rejected: number
  readonly position: string
  readonly rows: readonly { readonly reason: string }[]
  readonly warnings?: readonly { readonly column: string; readonly events: number }[]
}

describe('shared cases', () => {
  let folder: string
  let platform: PlatformProcess
  let address: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-cases-'))
    const datasets = DATASETS.flatMap((name) => ['--dataset', join(CASES, 'definitions', `${name}.ts`)])
    platform = new PlatformProcess({ arguments: ['--data', folder, '--port', '0', '--no-demo', ...datasets] })
    address = await platform.address
  })
  afterAll(async () => {
    await platform.stop()
    rmSync(folder, { recursive: true })
  })

  async function post(dataset: string, body: string): Promise<Taken> {
    const headers = { 'content-type': 'application/x-ndjson' }
    const reply = await fetch(`${address}/v1/datasets/${dataset}/events`, { method: 'POST', headers, body })
    const text = await reply.text()
    expect(reply.status, text).toBe(202)
    return JSON.parse(text) as Taken
  }
  const postInput = (dataset: string, input = dataset): Promise<Taken> =>
    post(dataset, readFileSync(join(CASES, 'inputs', `${input}.ndjson`), 'utf8'))

  async function ask(view: string, query: string, { position }: Taken): Promise<{ data: Row[]; meta: Row }> {
    const reply = await fetch(`${address}/v1/datasets/${view.replace('/', '/views/')}?${query}&atLeast=${position}`)
    const text = await reply.text()
    expect(reply.status, text).toBe(200)
    return JSON.parse(text) as { data: Row[]; meta: Row }
  }

  test('micro-order: first and latest are ordered by the microsecond', async () => {
    const taken = await postInput('micro')
    const { data } = await ask('micro/v', 'filter=k:eq:a', taken)
    expect(data).toMatchObject([{ k: 'a', n: 2, first: 2, last: 1 }])
  })

  test('zone-change-in-pane: a local day is the right one, or the question is refused', async () => {
    const taken = await postInput('micro')
    for (const [view, zone, key] of [
      ['hr', 'America/Moncton', 'mon'],
      ['day', 'America/St_Johns', 'sj'],
    ] as const) {
      const query = `grain=day&timezone=${zone}&filter=k:eq:${key}&atLeast=${taken.position}`
      const reply = await fetch(`${address}/v1/datasets/micro/views/${view}?${query}`)
      const answer = (await reply.json()) as { data: { time: string }[]; detail: string }
      if (reply.status === 200) {
        const days = answer.data.map(({ time }) =>
          new Intl.DateTimeFormat('sv', { timeZone: zone, dateStyle: 'short' }).format(new Date(time)),
        )
        expect(days).toEqual(['2006-10-28'])
      } else {
        expect(reply.status).toBe(400)
        expect(answer.detail).toContain(zone)
      }
    }
  })

  test('year-one: one odd time does not keep others from being answered in a zone', async () => {
    const taken = await postInput('micro', 'year-one')
    expect(taken).toMatchObject({ accepted: 1, rejected: 1 })
    expect(taken.rows[0]!.reason).toMatch(/^t \(\$\.t\): "0001-01-01T00:00:00Z" is outside the accepted times/)
    const { data } = await ask('micro/day', 'grain=day&timezone=Europe/Berlin&filter=k:eq:now', taken)
    expect(data).toMatchObject([{ k: 'now', n: 1, time: '2026-11-25T23:00:00.000Z' }])
  })

  test('before-1970: a time with a fraction lies in the pane before', async () => {
    const taken = await post('micro', '{"k":"old","t":"1969-12-31T23:59:59.999900Z","i":1}')
    const { data } = await ask('micro/day', 'grain=day&filter=k:eq:old', taken)
    expect(data).toMatchObject([{ n: 1, time: '1969-12-31T00:00:00.000Z' }])
  })

  test('quantile-rank: the nearest rank, within one per cent, and never outside the values', async () => {
    const { data } = await ask('latency/by_service', 'limit=100', await postInput('latency'))
    const by = new Map(data.map((row) => [row.service, row as Record<string, number>]))
    const near = (value: number | undefined, wanted: number): void =>
      expect(Math.abs(value! - wanted)).toBeLessThanOrEqual(wanted * 0.01)
    near(by.get('nine-and-one')!.p95, 1000)
    near(by.get('forty-nine-and-one')!.p99, 5000)
    near(by.get('pair')!.p50, 100)
    near(by.get('pair')!.p95, 200)
    expect(by.get('single')).toMatchObject({ p50: 123, p95: 123, p99: 123 })
    for (const { lowest, p50, p95, p99, highest } of by.values())
      for (const value of [p50, p95, p99]) expect(value! >= lowest! && value! <= highest!).toBe(true)
  })

  test('cancelling-sum: refunds that cancel leave the rest, within the stated bound', async () => {
    const { data } = await ask('ledger/net', '', await postInput('ledger'))
    const magnitude = 2 * 123456789.1 + 0.1 + 0.2 + 0.3 + 2 * 77777777.7
    expect(Math.abs(data[0]!.net as number)).toBeLessThanOrEqual(magnitude * 1e-12)
  })

  test('catastrophic-sum: a large value and its opposite leave the third', async () => {
    const amounts = [1e16, -1e16, 1].map((amount) => JSON.stringify({ k: 'a', t: '2026-01-01', amount }))
    const before = await ask('ledger/net', '', await post('ledger', amounts[0]!))
    const { data } = await ask('ledger/net', '', await post('ledger', amounts.slice(1).join('\n')))
    expect(before.data[0]!.net as number).toBeCloseTo(1e16, -6)
    expect(data[0]!.net as number).toBeCloseTo(1, 3)
  })

  test('overflow: what has no finite value ranks last, and the median is the value', async () => {
    const taken = await postInput('overflow')
    expect((await ask('overflow/largest', '', taken)).data).toMatchObject([{ k: 'b', total: 5 }])
    const { data } = await ask('overflow/middle', 'filter=k:eq:a', taken)
    expect(data[0]!.median as number).toBeGreaterThan(0.99e308)
    expect(data[0]!.median as number).toBeLessThan(1.01e308)
  })

  test('unconverted: failed conversions are counted and shown', async () => {
    const taken = await postInput('shop')
    expect(taken).toMatchObject({ accepted: 4, rejected: 0 })
    const counts = Object.fromEntries(taken.warnings!.map(({ column, events }) => [column, events]))
    expect(counts).toEqual({ price: 2, course: 1 })
    const { data } = await ask('shop/sales', 'filter=course:eq:sql-101', taken)
    expect(data).toMatchObject([{ n: 3, revenue: 20 }])
  })

  test('csv, array, gz: their formats are recognised by ingest, and every row is taken', async () => {
    const gz = join(folder, 'shop.ndjson.gz')
    writeFileSync(gz, gzipSync(readFileSync(join(CASES, 'inputs', 'shop.ndjson'))))
    const taken = await Promise.all([
      ingested('delays', join(CASES, 'inputs', 'semicolon.csv'), '--decimal-comma', 'delay'),
      ingested('pushes', join(CASES, 'inputs', 'array.json')),
      ingested('shop', gz),
    ])
    expect(taken).toEqual([
      { accepted: 3, rejected: 0 },
      { accepted: 2, rejected: 0 },
      { accepted: 4, rejected: 0 },
    ])
  })

  /** Into a data folder of its own. */
  async function ingested(dataset: string, file: string, ...words: string[]): Promise<unknown> {
    const definition = join(CASES, 'definitions', `${dataset}.ts`)
    const command = ['ingest', dataset, file, '--dataset', definition, '--json', ...words]
    const { code, stdout, stderr } = await watershed(command, join(folder, `${dataset}-files`))
    expect(code, stderr).toBe(0)
    const { accepted, rejected } = JSON.parse(stdout) as Taken
    return { accepted, rejected }
  }

  test('verify recounts all of it, and finds no difference', async () => {
    const datasets = DATASETS.flatMap((name) => ['--dataset', join(CASES, 'definitions', `${name}.ts`)])
    const words = ['--data', folder, '--json', ...datasets]
    const verify = new PlatformProcess({ command: 'verify', arguments: words })
    expect(await verify.exited, verify.said).toEqual({ code: 0, signal: null })
  })
})
