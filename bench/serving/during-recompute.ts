/** The merged top 10 of `top10` while the platform's own schedule recomputes everything from raw events, again and again, on the same core. */
import { type Asked, ask, steadily } from './asking.ts'
import { Feed } from './feeding.ts'
import { SERVER_CORE } from './pinned-process.ts'
import { fillPast, STAY_OPEN, TRENDING, withFolder } from './prepared-folder.ts'
import { ServerProcess } from './server-process.ts'

/** a full recompute of them takes ten seconds and more where it shares its core */
const CLOSED_EVENTS = 1_500_000
const CLOSED_FOR_MS = 86_400_000
const OPEN_EVENTS = 40_000
const EVENTS_PER_SECOND = 200
const ASKED_PER_SECOND = 100

const ALWAYS_RECOMPUTING = { batchFullCron: '* * * * * *', verifyAfterFull: false, keepGenerations: 2 }
const DIFFERENT = Array.from({ length: 2_000 }, (_, n) => `${TRENDING}&filter=country:ne:x${n}`)

interface Generations {
  readonly generations: readonly { readonly id: string; readonly tookMs: number }[]
}

export function duringRecompute(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await fillPast(folder, { closed: CLOSED_EVENTS, closedForMs: CLOSED_FOR_MS, open: OPEN_EVENTS })
    const settings = { ...STAY_OPEN, ...ALWAYS_RECOMPUTING }
    const server = await ServerProcess.start({ folder, core: SERVER_CORE, settings })
    try {
      await server.until(TRENDING, ({ behind }) => behind === 0)
      const feed = await Feed.start({ url: server.url, dataset: 'meetup_rsvps', perSecond: EVENTS_PER_SECOND })
      const same = await askSteadily(server, [TRENDING], 10_000)
      const different = await askSteadily(server, DIFFERENT, 5_000)
      await feed.stop()
      const { generations } = await server.get<Generations>('/v1/datasets/meetup_rsvps/generations')
      return {
        ...steadily('steady', same),
        ...steadily('computedSteady', different),
        recomputeSecondsMax: Math.max(...generations.slice(1).map(({ tookMs }) => tookMs)) / 1_000,
        othersCores: Math.max(same.othersCores, different.othersCores),
        residentMib: server.residentMib,
      }
    } finally {
      await server.stop(true)
    }
  })
}

function askSteadily(server: ServerProcess, paths: readonly string[], forMs: number): Promise<Asked> {
  const load = { kind: 'open', perSecond: ASKED_PER_SECOND } as const
  return ask({ url: server.url, server: server.pid, paths, load, warmMs: 1_000, forMs })
}
