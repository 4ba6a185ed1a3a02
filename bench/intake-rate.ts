/**
 * Events over HTTP into the embedded log: the intake role alone, and the whole platform with all RSVP views, each flooded by a process
 * of its own on the same processors. Baselines with the same bytes: JSON.parse in one thread, and a bare node:http server that
 * only reads the bodies. Also how long one large body holds up the event loop that serves answers.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FloodedServer } from './intake/flooded-server.ts'
import type { Flooded } from './intake/flooding.ts'
import { rsvpBodies } from './intake/rsvp-bodies.ts'
import { median } from './rsvp-platform.ts'
import { HttpConnection } from './serving/http-connection.ts'

const EVENTS_PATH = '/v1/datasets/meetup_rsvps/events'
const REQUEST = 1_000
const FLOOD = {
  path: EVENTS_PATH,
  sent: 'rsvps',
  request: REQUEST,
  connections: 8,
  warmMs: 2_000,
  forMs: 8_000,
} as const
const SALES = join(import.meta.dirname, 'intake/sales-table.ts')
/** in turns */
const SALES_ROUNDS = 3
const LARGE_BYTES_MAX = 16 * 1024 * 1024
const LARGE_BODIES = 7

export async function intakeRate(): Promise<Record<string, number>> {
  const parse = parseEventsPerSecond()
  const bare = await flooded('bare')
  const alone = await flooded('intake')
  const whole = await flooded('start', lags)
  return {
    parseEventsPerSecond: parse,
    bareEventsPerSecond: bare.eventsPerSecond,
    bareCpuUsPerEvent: bare.serverCpuUs,
    aloneEventsPerSecond: alone.eventsPerSecond,
    aloneCpuUsPerEvent: alone.serverCpuUs,
    eventsPerSecond: whole.eventsPerSecond,
    platformCpuUsPerEvent: whole.serverCpuUs,
    clientCpuUsPerEvent: whole.clientCpuUs,
    requestP50Ms: whole.p50Ms,
    requestP99Ms: whole.p99Ms,
    busyRefusals: whole.busy,
    events: whole.acknowledged,
    streamLagEvents: whole.streamLag,
    streamCaughtUpMs: whole.streamCaughtUpMs,
    answersCaughtUpMs: whole.answersCaughtUpMs,
    rateAgainstParse: whole.eventsPerSecond / parse,
    aloneRateAgainstParse: alone.eventsPerSecond / parse,
    aloneRateAgainstBare: alone.eventsPerSecond / bare.eventsPerSecond,
    ...(await largeBodies()),
    ...(await arrowAgainstNdjson()),
  }
}

/** In one thread; the better of two passes, for the first one is compiled on the way. */
function parseEventsPerSecond(): number {
  const lines = rsvpBodies(REQUEST).flatMap((body) => body.toString('utf8').trimEnd().split('\n'))
  const rates = [1, 2].map(() => {
    const began = performance.now()
    for (const line of lines) JSON.parse(line)
    return lines.length / ((performance.now() - began) / 1_000)
  })
  return Math.max(...rates)
}

async function flooded<More extends object = object>(
  kind: 'bare' | 'intake' | 'start',
  look: (server: FloodedServer) => Promise<More> = async () => ({}) as More,
): Promise<Flooded & More> {
  const server = await FloodedServer.start(kind)
  try {
    const measured = await server.flood(FLOOD)
    return { ...measured, ...(await look(server)) }
  } finally {
    await server.stop()
  }
}

/** The same flat events in both formats, into the intake alone. */
export async function arrowAgainstNdjson(): Promise<Record<string, number>> {
  const server = await FloodedServer.start('intake', ['--dataset', SALES])
  const path = '/v1/datasets/sales_table/events'
  const [ndjson, arrow]: [Flooded[], Flooded[]] = [[], []]
  try {
    for (let round = 0; round < SALES_ROUNDS; round++) {
      ndjson.push(await server.flood({ ...FLOOD, path, sent: 'sales as NDJSON', forMs: 3_000 }))
      arrow.push(await server.flood({ ...FLOOD, path, sent: 'sales as Arrow', forMs: 3_000 }))
    }
  } finally {
    await server.stop()
  }
  const of = (all: readonly Flooded[], name: 'eventsPerSecond' | 'serverCpuUs'): number =>
    median(all.map((each) => each[name]))
  return {
    salesNdjsonEventsPerSecond: of(ndjson, 'eventsPerSecond'),
    salesNdjsonCpuUsPerEvent: of(ndjson, 'serverCpuUs'),
    salesArrowEventsPerSecond: of(arrow, 'eventsPerSecond'),
    salesArrowCpuUsPerEvent: of(arrow, 'serverCpuUs'),
    arrowAgainstNdjson: of(arrow, 'eventsPerSecond') / of(ndjson, 'eventsPerSecond'),
    arrowCpuAgainstNdjson: of(ndjson, 'serverCpuUs') / of(arrow, 'serverCpuUs'),
  }
}

/** How far the stream role is behind when the flood ends, and when it and the answers have caught up. */
async function lags(
  server: FloodedServer,
): Promise<Record<'streamLag' | 'streamCaughtUpMs' | 'answersCaughtUpMs', number>> {
  const began = performance.now()
  const streamLag = await server.streamLag()
  while ((await server.behind()) > 0) await sleep(20)
  const answersCaughtUpMs = performance.now() - began
  while ((await server.streamLag()) > 0) await sleep(50)
  return { streamLag, streamCaughtUpMs: performance.now() - began, answersCaughtUpMs }
}

/** The longest delay of the main thread's event loop while the platform takes in one large body and nothing else. */
async function largeBodies(): Promise<Record<string, number>> {
  const server = await FloodedServer.start('start')
  try {
    const [events] = rsvpBodies(60_000)
    const body = events!.subarray(0, events!.lastIndexOf('\n', LARGE_BYTES_MAX - 1) + 1)
    const connection = await HttpConnection.open(server.url)
    const delays: number[] = []
    for (let sent = 0; sent < LARGE_BODIES; sent++) {
      while ((await server.behind()) > 0) await sleep(50)
      await server.loopDelayMs()
      const { status } = await connection.post(EVENTS_PATH, body)
      if (status !== 202) throw new Error(`a body of ${body.length} bytes was answered with ${status}`)
      delays.push(await server.loopDelayMs())
    }
    connection.close()
    return {
      largeBodyBytes: body.length,
      largeBodyLoopDelayMs: median(delays),
      largeBodyLoopDelayMsMax: Math.max(...delays),
    }
  } finally {
    await server.stop()
  }
}
