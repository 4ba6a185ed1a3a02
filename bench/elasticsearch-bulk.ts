/**
 * Partials to Elasticsearch: the speed store's bulk loop against the official client's `helpers.bulk`, on the same documents with the
 * same ids and versions, into indices with the same mapping, in turns. Ratios: documents per second, and this process's CPU time per document; for rows that are written again, as a flush
 * does with touched keys, and for new ones, as in the first flush of a segment.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '@elastic/elasticsearch'
import { writeBulk } from '#storage/elasticsearch/bulk-writer.ts'
import { ElasticsearchConnection } from '#storage/elasticsearch/elasticsearch-connection.ts'
import {
  partialId,
  partialOperation,
  SpeedIndexNames,
} from '#storage/speed-store/elasticsearch/elasticsearch-speed-index.ts'
import type { PartialRow } from '#storage/speed-store/speed-store.ts'
import { startElasticsearch } from '#tests/servers/elasticsearch-server.ts'
import { holdToShare } from './cpu-share.ts'

const DOCUMENTS = Number(process.env.BENCH_DOCUMENTS ?? 25_000)
// Many short pairs: what else the machine does falls on both sides of a pair alike.
const ROUNDS = 21
const SETTLE_MS = 400
/** until the server's own compiler has seen enough: a cold server is what both sides wait for */
const WARM_ROUNDS = 40
const SHARE = 0.25
const SHARE_ROUNDS = 11

interface Spent {
  readonly wallMs: number
  readonly cpuMs: number
}

async function spent(work: () => Promise<void>): Promise<Spent> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  await work()
  const used = process.cpuUsage(cpu)
  return { wallMs: performance.now() - wall, cpuMs: (used.user + used.system) / 1_000 }
}

/** Rows as large as those of the RSVP views: topics × country × 10 s. */
function partials(version: number, segmentStart: number): PartialRow[] {
  return Array.from({ length: DOCUMENTS }, (_, at) => {
    const pane = 1_700_000_000_000 + (at % 300) * 10_000
    const topic = `Topic number ${at % 2_000}`
    const row = JSON.stringify({
      pane,
      topic,
      country: 'us',
      mentions__n: (at * 7) % 1_000,
      guests__s: String(at),
      yes__n: at % 99,
    })
    return {
      view: '0123456789abcdef',
      partition: 0,
      segmentStart,
      key: JSON.stringify([pane, topic, at]),
      pane,
      version,
      row,
    }
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** @returns documents per second of both sides and the medians of their ratios over the rounds */
export async function elasticsearchBulk(): Promise<Record<string, number>> {
  const server = await startElasticsearch({ compileFully: true })
  const connection = new ElasticsearchConnection({ node: server.node })
  const client = new Client({ node: server.node })
  try {
    const names = new SpeedIndexNames({ prefix: 'bench', dataset: 'd', log: 'l' })
    await client.indices.putIndexTemplate({ name: names.template, ...(names.templateBody(0) as object) })
    const [own, theirs] = [names.fresh(0), names.fresh(1)]
    for (const index of [own, theirs]) await client.indices.create({ index })
    const ownRound = async (rows: readonly PartialRow[]): Promise<void> => {
      const operations = rows.values().map(partialOperation)
      const { done } = await writeBulk(connection, { doing: 'measuring', index: own, operations, describe: String })
      if (done !== rows.length) throw new Error(`${done} of ${rows.length} documents were written`)
    }
    const helperRound = async (rows: readonly PartialRow[]): Promise<void> => {
      const { successful } = await client.helpers.bulk({
        datasource: [...rows],
        onDocument: (row) => {
          const { segmentStart, partition, view, version } = row
          const action = { _index: theirs, _id: partialId(row), version, version_type: 'external_gte' as const }
          const document = {
            kind: 'partial',
            segment: `${partition}:${segmentStart}`,
            start: segmentStart,
            view,
            row: row.row,
          }
          return [{ index: action }, document]
        },
      })
      if (successful !== rows.length) throw new Error(`${successful} of ${rows.length} documents were written`)
    }
    // What one side left for the server to do must not fall on the other: both indices are refreshed, as owners do, and merged.
    const settled = async (): Promise<void> => {
      await client.indices.refresh({ index: [own, theirs] })
      await sleep(SETTLE_MS)
    }
    let version = 0
    for (let round = 0; round < WARM_ROUNDS; round++) {
      const warm = partials(++version, 0)
      await ownRound(warm)
      await helperRound(warm)
    }
    const turns = async (rowsOf: () => PartialRow[], count = ROUNDS): Promise<Record<string, number>> => {
      const rounds: { own: Spent; helper: Spent }[] = []
      for (let round = 0; round < count; round++) {
        const rows = rowsOf()
        // In turns, each side first every other time: the server's merges fall on both.
        const ownFirst = round % 2 === 0
        await settled()
        const first = await spent(() => (ownFirst ? ownRound(rows) : helperRound(rows)))
        await settled()
        const second = await spent(() => (ownFirst ? helperRound(rows) : ownRound(rows)))
        rounds.push(ownFirst ? { own: first, helper: second } : { own: second, helper: first })
      }
      const rate = ({ wallMs }: Spent): number => (DOCUMENTS * 1_000) / wallMs
      return {
        ownDocumentsPerSecond: median(rounds.map((round) => rate(round.own))),
        helperDocumentsPerSecond: median(rounds.map((round) => rate(round.helper))),
        rateAgainstHelper: median(rounds.map((round) => round.helper.wallMs / round.own.wallMs)),
        cpuAgainstHelper: median(rounds.map((round) => round.own.cpuMs / round.helper.cpuMs)),
      }
    }
    const under = (what: string, figures: Record<string, number>): Record<string, number> =>
      Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${what}:${name}`, value]))
    const [again, fresh] = [
      (): PartialRow[] => partials(++version, 0),
      (): PartialRow[] => partials(++version, version),
    ]
    const figures = {
      documents: DOCUMENTS,
      ...under('again', await turns(again)),
      ...under('new', await turns(fresh)),
    }
    const release = holdToShare(SHARE)
    if (release === null) {
      process.stderr.write('no control groups for us here: nothing is measured with a quarter of a core\n')
      return figures
    }
    try {
      return {
        ...figures,
        ...under('quarterCore:again', await turns(again, SHARE_ROUNDS)),
        ...under('quarterCore:new', await turns(fresh, SHARE_ROUNDS)),
      }
    } finally {
      release()
    }
  } finally {
    await connection.close()
    await client.close()
    await server.stop()
  }
}
