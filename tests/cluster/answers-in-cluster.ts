/**
 * For cluster.e2e.test.ts: generated questions have the same answer by GET and POST, in each format and as a stream of events, and it is
 * what plain code counts. Nothing is posted meanwhile, so all answers that count every event are of one position, whatever closes or is
 * published between two of them. QUERY_MODEL_RUNS=100 asks more.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FormatName } from '#serving/formats/answer-format.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { PlatformProcess } from '#tests/crash/platform-process.ts'
import { StreamClient } from '../event-stream-client.ts'
import { AnswerReader, type PlainRows } from '../formats/read-answers.ts'
import { bodyOf, expectRows, parametersOf, queries } from '../query-model/generated-queries.ts'
import { eventOf, type PlainQuery, plainRows, plainTotals, type Row, someSales } from '../query-model/plain-sales.ts'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

const seed = Number(process.env.QUERY_MODEL_SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.QUERY_MODEL_RUNS ?? 6)
const SALES = new URL('../query-model/plain-sales.ts', import.meta.url).href
const OTHERS = ['ndjson', 'csv', 'parquet'] as const satisfies readonly FormatName[]
const DATASET = '/v1/datasets/sales'

const byGet = queries.filter((question) => parametersOf(question) !== null)

interface Given {
  readonly data: readonly Row[]
  readonly meta: { readonly totals: Row | null; readonly rows: { readonly batch: number } }
}

export function answersInCluster(services: () => ClusterServices): void {
  describe('the query model', () => {
    const sold = someSales(seed, 300)
    let site: ClusterSite
    let serve: PlatformProcess
    let engine: DuckDbEngine
    let connection: EngineConnection
    let reader: AnswerReader
    beforeEach(async () => {
      site = await ClusterSite.make(services(), { datasets: ['./sales.ts'] })
      await writeFile(join(site.folder, 'sales.ts'), `export { sales as default } from '${SALES}'\n`)
      serve = site.run('serve')
      site.run('stream')
      site.run('batch')
      const scratch = join(site.folder, 'read')
      await mkdir(scratch)
      engine = await DuckDbEngine.open({ folders: [scratch], threads: 1 })
      connection = await engine.connect()
      reader = new AnswerReader(connection, scratch)
    })
    afterEach(async () => {
      connection.close()
      engine.close()
      await site.remove()
    })

    async function sent(events: readonly string[]): Promise<string> {
      const headers = { 'content-type': 'application/x-ndjson' }
      const url = `${await serve.address}${DATASET}/events`
      const reply = await fetch(url, { method: 'POST', headers, body: events.join('\n') })
      const { accepted, position } = (await reply.json()) as { accepted: number; position: string }
      expect({ status: reply.status, accepted }).toEqual({ status: 202, accepted: events.length })
      return position
    }

    /** Every one of these counts all events. */
    async function ask(question: PlainQuery, atLeast: string, format: FormatName): Promise<Buffer> {
      const url = `${await serve.address}${DATASET}/views/sold.${format}?${textsOf(question, atLeast)}`
      return bytesOf(await fetch(url))
    }

    async function posted(question: PlainQuery, atLeast: string): Promise<Buffer> {
      const body = JSON.stringify({ ...bodyOf(question), atLeast })
      const headers = { 'content-type': 'application/json' }
      return bytesOf(await fetch(`${await serve.address}${DATASET}/query`, { method: 'POST', headers, body }))
    }

    async function followed(question: PlainQuery, atLeast: string): Promise<readonly unknown[]> {
      const client = await StreamClient.open(
        `${await serve.address}${DATASET}/views/sold/live?${textsOf(question, atLeast)}`,
      )
      try {
        await client.next('the answer', ({ event }) => event === 'answer')
        return client.rows
      } finally {
        client.close()
      }
    }

    test(`GET, POST, every format and the stream give what plain code counts (seed ${seed})`, async () => {
      const events = sold.map(eventOf)
      const half = events.length / 2
      const early = await sent(events.slice(0, half))
      await site.until('a generation counts some of the sales', async () => {
        const reply = await fetch(`${await serve.address}${DATASET}/views/sold?atLeast=${early}`)
        return reply.status === 200 && ((await reply.json()) as Given).meta.rows.batch > 0
      })
      const atLeast = `${early},${await sent(events.slice(half))}`
      await fc.assert(
        fc.asyncProperty(byGet, async (question) => {
          const json = (await ask(question, atLeast, 'json')).toString()
          const { data, meta } = JSON.parse(json) as Given
          expectRows(data, plainRows(sold, question))
          if (question.totals) expectRows([meta.totals!], [plainTotals(sold, question)])
          expect((JSON.parse((await posted(question, atLeast)).toString()) as Given).data).toEqual(data)
          expect(await followed(question, atLeast)).toEqual(data)
          const { names, types, rows } = reader.arrow(await ask(question, atLeast, 'arrow'))
          const wanted: PlainRows = { names, rows }
          expect(reader.json(json, names, types)).toEqual(wanted)
          for (const format of OTHERS) {
            const bytes = await ask(question, atLeast, format)
            const read =
              format === 'ndjson' ? reader.ndjson(bytes.toString(), names, types) : reader[format](bytes, types)
            const { names: own, rows: found } = await read
            expect({ names: own, rows: found }, format).toEqual(wanted)
          }
        }),
        { numRuns, seed },
      )
    })
  })
}

function textsOf(question: PlainQuery, atLeast: string): URLSearchParams {
  return new URLSearchParams([...parametersOf(question)!, ['atLeast', atLeast]])
}

async function bytesOf(reply: Response): Promise<Buffer> {
  const bytes = Buffer.from(await reply.arrayBuffer())
  expect(reply.status, bytes.toString()).toBe(200)
  return bytes
}
