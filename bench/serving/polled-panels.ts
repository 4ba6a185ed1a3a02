/** Twenty clients that each ask ten panels every two seconds, with 200 events a second arriving, everything on one core: what share of it they take. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, steadily } from './asking.ts'
import { Feed } from './feeding.ts'
import { SERVER_CORE } from './pinned-process.ts'
import { fillPast, STAY_OPEN, TRENDING, withFolder } from './prepared-folder.ts'
import { ServerProcess } from './server-process.ts'

const CLOSED_EVENTS = 20_000
const OPEN_EVENTS = 20_000
const EVENTS_PER_SECOND = 200
const CLIENTS = 20
const EVERY_S = 2
const POLLED_MS = 16_000
const UNPOLLED_MS = 6_000
const UNASKED_MS = 10_000

const RSVPS = '/v1/datasets/meetup_rsvps/views'
const PANELS = [
  TRENDING,
  `${TRENDING}&filter=country:eq:us`,
  `${TRENDING}&per=country&limit=3`,
  `${RSVPS}/responses_by_country?order=-responses`,
  `${RSVPS}/responses_by_country?dimensions=`,
  `${RSVPS}/responses_by_country?dimensions=&grain=minute&order=-time&limit=60`,
  `${RSVPS}/responses_by_city?order=-responses&limit=20`,
  `${RSVPS}/responses_map?measures=responses&order=-responses&limit=500`,
  `${RSVPS}/group_summary?measures=name,responses,members&order=-responses&limit=10`,
  `${RSVPS}/event_summary?measures=name,date,attendees&order=-attendees&limit=10`,
]

export function polledPanels(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await fillPast(folder, { closed: CLOSED_EVENTS, open: OPEN_EVENTS })
    const server = await ServerProcess.start({ folder, core: SERVER_CORE, settings: STAY_OPEN })
    try {
      await server.until(TRENDING, ({ behind }) => behind === 0)
      // What was asked for just now is followed for a while.
      await sleep(UNASKED_MS)
      await server.untilIdle()
      const feed = await Feed.start({ url: server.url, dataset: 'meetup_rsvps', perSecond: EVENTS_PER_SECOND })
      const unpolledShare = await cpuShare(server, UNPOLLED_MS)
      const before = await computedBy(server)
      const load = { kind: 'open', perSecond: (CLIENTS * PANELS.length) / EVERY_S } as const
      const asked = await ask({ url: server.url, server: server.pid, paths: PANELS, load, forMs: POLLED_MS })
      const computed = (await computedBy(server)) - before
      await feed.stop()
      return {
        ...steadily('polled', asked),
        unpolledCpuShare: unpolledShare,
        computedAnswers: computed,
        changes: asked.positions,
        computedPerPanelAndChange: computed / PANELS.length / Math.max(1, asked.positions),
        othersCores: asked.othersCores,
        residentMib: server.residentMib,
      }
    } finally {
      await server.stop(true)
    }
  })
}

/** Merged answers that were computed so far. A platform that does not say so computes every one. */
async function computedBy(server: ServerProcess): Promise<number> {
  const computed = await server.metric('watershed_answers_total', 'source="computed"')
  return computed > 0 ? computed : server.metric('watershed_query_seconds_count')
}

/** Of one core, over some time. */
async function cpuShare(server: ServerProcess, forMs: number): Promise<number> {
  const [began, before] = [performance.now(), server.cpuSeconds]
  await sleep(forMs)
  return ((server.cpuSeconds - before) * 1_000) / (performance.now() - began)
}
