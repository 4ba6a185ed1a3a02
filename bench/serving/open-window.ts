/**
 * A merged top 10 with 40,000 events open and 200 more a second, everything on one core: the same question, and questions that were never
 * asked before; as fast as they are answered, and at 100 a second. Then, with nothing arriving, what computing one answer takes, against
 * DuckDB alone over a table of the same panes; and both must give the same ten.
 */
import { type Asked, type Asking, ask, cpuUsPerAnswer, quantileOf, steadily } from './asking.ts'
import { BarePanes, type Mentioned } from './bare-panes.ts'
import { Feed } from './feeding.ts'
import { SERVER_CORE } from './pinned-process.ts'
import { fillPast, STAY_OPEN, TRENDING, withFolder } from './prepared-folder.ts'
import { type ServedMeta, ServerProcess } from './server-process.ts'

const CLOSED_EVENTS = 20_000
const OPEN_EVENTS = 40_000
const EVENTS_PER_SECOND = 200
const ASKED_PER_SECOND = 100
const CONNECTIONS = 4
const BARE_MS = 2_000
const QUERY_SECONDS = 'watershed_query_seconds'

/** Questions whose filter no other one has: each must be computed. */
const DIFFERENT = Array.from({ length: 20_000 }, (_, n) => `${TRENDING}&filter=country:ne:x${n}`)
const SAME = [TRENDING]

type Load = Pick<Asking, 'paths' | 'load' | 'forMs'>

const fast = (paths: readonly string[], connections: number): Load => ({
  paths,
  load: { kind: 'closed', connections },
  forMs: 4_000,
})
const steady = (paths: readonly string[], forMs: number): Load => ({
  paths,
  load: { kind: 'open', perSecond: ASKED_PER_SECOND },
  forMs,
})

export function openWindow(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await fillPast(folder, { closed: CLOSED_EVENTS, open: OPEN_EVENTS })
    const server = await ServerProcess.start({ folder, core: SERVER_CORE, settings: STAY_OPEN })
    try {
      // What overloads the platform comes last.
      const settled = await computedAnswers(server, folder)
      return { ...settled, ...(await whileEventsArrive(server)), residentMib: server.residentMib }
    } finally {
      await server.stop(true)
    }
  })
}

async function whileEventsArrive(server: ServerProcess): Promise<Record<string, number>> {
  const feed = await Feed.start({ url: server.url, dataset: 'meetup_rsvps', perSecond: EVENTS_PER_SECOND })
  const run = (load: Load): Promise<Asked> => ask({ url: server.url, server: server.pid, warmMs: 1_000, ...load })
  const same = await run(fast(SAME, CONNECTIONS))
  const different = await run(fast(DIFFERENT, CONNECTIONS))
  const sameSteady = await run(steady(SAME, 8_000))
  const differentSteady = await run(steady(DIFFERENT, 4_000))
  const { lateMsMax } = await feed.stop()
  return {
    answersPerSecond: same.answersPerSecond,
    computedAnswersPerSecond: different.answersPerSecond,
    cpuUsPerAnswer: cpuUsPerAnswer(same),
    cpuUsPerComputedAnswer: cpuUsPerAnswer(different),
    ...steadily('steady', sameSteady),
    ...steadily('computedSteady', differentSteady),
    feedLateMsMax: lateMsMax,
    othersCores: Math.max(...[same, different, sameSteady, differentSteady].map(({ othersCores }) => othersCores)),
  }
}

/** With nothing arriving and one question at a time: the server's own time, the time with HTTP and the client, and DuckDB alone. */
async function computedAnswers(server: ServerProcess, folder: string): Promise<Record<string, number>> {
  await server.until(TRENDING, ({ behind }) => behind === 0)
  await server.untilIdle()
  const { data, meta } = await server.answer<Mentioned>(TRENDING)
  const spent = (): Promise<number> => server.metric(`${QUERY_SECONDS}_sum`)
  const answered = (): Promise<number> => server.metric(`${QUERY_SECONDS}_count`)
  const [spentBefore, answeredBefore] = [await spent(), await answered()]
  const asked = await ask({ url: server.url, server: server.pid, ...fast(DIFFERENT.toReversed(), 1) })
  const computedMs = (((await spent()) - spentBefore) / ((await answered()) - answeredBefore)) * 1_000
  const bare = await bareAnswers(folder, data, meta)
  return {
    computedMs,
    computedOverHttpMs: asked.p50Ms,
    computedCpuUs: cpuUsPerAnswer(asked),
    ...bare,
    computedAgainstBare: computedMs / bare.bareMs,
    computedOverHttpAgainstBare: asked.p50Ms / bare.bareP50Ms,
    computedCpuAgainstBare: cpuUsPerAnswer(asked) / bare.bareCpuUs,
    openEvents: meta.rows.open,
  }
}

interface BareAnswers {
  readonly bareMs: number
  readonly bareP50Ms: number
  readonly bareCpuUs: number
}

/** @throws Error when the platform's ten topics are not the ten of the panes */
async function bareAnswers(folder: string, served: readonly Mentioned[], meta: ServedMeta): Promise<BareAnswers> {
  const panes = await BarePanes.of(folder)
  try {
    const toMs = Date.parse(meta.to)
    const wanted = JSON.stringify(await panes.topTen(toMs))
    const found = JSON.stringify(served.map(({ topic, mentions }) => ({ topic, mentions })))
    if (found !== wanted) throw new Error(`the platform answers ${found}, but its events give ${wanted}`)
    const [began, cpuBefore] = [performance.now(), process.cpuUsage()]
    const latencies: number[] = []
    for (let now = began; now - began < BARE_MS; now = performance.now()) {
      await panes.topTen(toMs)
      latencies.push(performance.now() - now)
    }
    const { user, system } = process.cpuUsage(cpuBefore)
    const answers = latencies.length
    const bareMs = latencies.reduce((sum, each) => sum + each, 0) / answers
    const sorted = latencies.toSorted((a, b) => a - b)
    return { bareMs, bareP50Ms: quantileOf(sorted, 0.5), bareCpuUs: (user + system) / answers }
  } finally {
    panes.close()
  }
}
