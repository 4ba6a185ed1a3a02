/**
 * A thousand live readers of twenty queries while events arrive, the platform on one core: its CPU time, how long an event takes to
 * each reader, and memory; against itself with one reader of each query. What sending costs is measured alone, too: the same streams sent
 * again by the platform's classes, and by a bare server.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Followed, follow } from './following.ts'
import { SERVER_CORE, spawnNode } from './pinned-process.ts'
import { appendRsvps, STAY_OPEN, withFolder } from './prepared-folder.ts'
import { ownResidentMib } from './process-usage.ts'
import type { Playing } from './replay-process.ts'
import { ServerProcess } from './server-process.ts'

const READERS_PER_QUERY = 50
const EVENTS_PER_SECOND = Number(process.env.BENCH_EVENTS_PER_SECOND ?? 500)
const WARM_MS = 2_000
const FOR_MS = 8_000
const IDLE_MS = 2_000
const OPEN_EVENTS = 20_000
const CONNECTIONS = 5_000
const SETTINGS = {
  ...STAY_OPEN,
  liveReadersMax: CONNECTIONS,
  liveReadersPerClientMax: CONNECTIONS,
  connectionsMax: CONNECTIONS,
}

const VIEWS = '/v1/datasets/meetup_rsvps/views'
const BY_COUNTRY = `${VIEWS}/responses_by_country/live?order=-responses`
/** each changes with nearly every request of events */
const QUERIES = [
  ...[5, 10, 20].map((limit) => `${BY_COUNTRY}&limit=${limit}`),
  ...['no', 'yes,no', 'guests', 'attendees'].map((measures) => `${BY_COUNTRY}&measures=responses,${measures}`),
  ...['responses', 'yes', 'no', 'guests'].map(
    (measure) => `${VIEWS}/responses_by_country/live?dimensions=&measures=${measure}`,
  ),
  ...['minute', 'hour'].map(
    (grain) => `${VIEWS}/responses_by_country/live?dimensions=&grain=${grain}&order=-time&limit=30`,
  ),
  ...[5, 20, 100].map((limit) => `${VIEWS}/responses_by_city/live?order=-responses&limit=${limit}`),
  ...['us', 'gb'].map((name) => `${VIEWS}/responses_by_city/live?filter=country:eq:${name}&order=-responses&limit=20`),
  `${VIEWS}/responses_map/live?measures=responses&order=-responses&limit=100`,
  `${VIEWS}/group_summary/live?measures=name,responses&order=-responses&limit=10`,
]

export function liveReaders(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await appendRsvps(folder, OPEN_EVENTS, Date.now() - 200_000, Date.now())
    const server = await ServerProcess.start({ folder, core: SERVER_CORE, settings: SETTINGS })
    try {
      await server.until(`${VIEWS}/responses_by_country`, ({ behind }) => behind === 0)
      await server.untilIdle()
      const [idle, oneEach, many, computed] = await threeRuns(server)
      const [bare, own] = [await replay('bare', many), await replay('platform', many)]
      return {
        ...figures({ idle, oneEach, many, bare, own }),
        computedPerDifferentEvent: computed / many.different,
      }
    } finally {
      await server.stop(true)
    }
  })
}

/** Nothing arrives; one reader of each query; all readers. The last figure: answers computed in the last one. */
async function threeRuns(server: ServerProcess): Promise<[Followed, Followed, Followed, number]> {
  const { url, pid } = server
  const common = { url, server: pid, paths: QUERIES, dataset: 'meetup_rsvps', warmMs: WARM_MS, record: false } as const
  const idle = await follow({ ...common, readersPerPath: READERS_PER_QUERY, perSecond: 0, forMs: IDLE_MS })
  const fed = { ...common, perSecond: EVENTS_PER_SECOND, forMs: FOR_MS }
  const oneEach = await follow({ ...fed, readersPerPath: 1 })
  const before = await computedBy(server)
  const many = await follow({ ...fed, readersPerPath: READERS_PER_QUERY, record: true })
  return [idle, oneEach, many, (await computedBy(server)) - before]
}

const computedBy = (server: ServerProcess): Promise<number> =>
  server.metric('watershed_answers_total', 'source="computed"')

interface Runs {
  readonly idle: Followed
  readonly oneEach: Followed
  readonly many: Followed
  readonly bare: Replayed
  readonly own: Replayed
}

function figures({ idle, oneEach, many, bare, own }: Runs): Record<string, number> {
  const share = ({ servingCpuSeconds, seconds }: Followed): number => servingCpuSeconds / seconds
  return {
    queries: QUERIES.length,
    readers: many.readers,
    servingCpuShare: share(many),
    platformCpuShare: many.serverCpuSeconds / many.seconds,
    idleServingCpuShare: share(idle),
    oneReaderEachServingCpuShare: share(oneEach),
    receivedPerSecond: many.received / many.seconds,
    changesPerQueryAndSecond: many.received / many.readers / many.seconds,
    bytesPerEvent: many.receivedBytes / many.received,
    delayP50Ms: many.delayP50Ms,
    delayP99Ms: many.delayP99Ms,
    delayMaxMs: many.delayMaxMs,
    missing: many.missing,
    oneReaderEachDelayP50Ms: oneEach.delayP50Ms,
    oneReaderEachDelayP99Ms: oneEach.delayP99Ms,
    firstToLastReaderP50Ms: many.spreadP50Ms,
    bareFirstToLastReaderP50Ms: bare.followed.spreadP50Ms,
    sentCpuUsPerReaderAndEvent: own.cpuUsPerEvent,
    bareCpuUsPerReaderAndEvent: bare.cpuUsPerEvent,
    sentAgainstBare: bare.cpuUsPerEvent / own.cpuUsPerEvent,
    kibPerReader: own.kibPerReader,
    bareKibPerReader: bare.kibPerReader,
    servingMib: many.servingMib,
    othersCores: many.othersCores,
  }
}

interface Replayed {
  readonly followed: Followed
  readonly cpuUsPerEvent: number
  readonly kibPerReader: number
}

/** The streams as they were recorded, to as many readers. */
async function replay(by: Playing['by'], { recorded, readers, seconds }: Followed): Promise<Replayed> {
  const child = spawnNode(join(import.meta.dirname, 'replay-process.ts'), [], SERVER_CORE)
  const streams = Object.fromEntries(QUERIES.map((path, at) => [path, recorded[at]!]))
  child.stdin!.end(JSON.stringify({ by, readers, streams, afterMs: WARM_MS } satisfies Playing))
  try {
    const [url] = (await once(createInterface(child.stdout!), 'line')) as [string]
    const before = ownResidentMib(child.pid!)
    const common = { url, server: child.pid!, paths: QUERIES, dataset: 'meetup_rsvps', record: false } as const
    const forMs = seconds * 1_000
    const followed = await follow({
      ...common,
      readersPerPath: READERS_PER_QUERY,
      perSecond: 0,
      warmMs: WARM_MS,
      forMs,
    })
    return {
      followed,
      cpuUsPerEvent: (followed.servingCpuSeconds * 1e6) / followed.received,
      kibPerReader: ((followed.servingMib - before) * 1_024) / readers,
    }
  } finally {
    child.kill('SIGKILL')
  }
}
