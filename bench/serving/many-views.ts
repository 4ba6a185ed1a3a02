/**
 * 100 different queries a second over all views of two datasets, while 10,000 events a second arrive: query latency, and the rates at which
 * events are ingested and counted with and without these queries. Then the same queries while the stream role catches up with a backlog: its
 * rate with and without them, in turns.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../rsvp-platform.ts'
import { ask, steadily } from './asking.ts'
import { Feed } from './feeding.ts'
import { appendRsvps, withFolder } from './prepared-folder.ts'
import { ServerProcess } from './server-process.ts'
import { differentQuestions } from './view-questions.ts'

const DATASETS = ['meetup_rsvps', join(import.meta.dirname, 'winds.ts')]
const BACKLOG = 400_000
const ROUNDS = 2
const ASKED_PER_SECOND = 100
const RSVPS_PER_SECOND = 9_000
const WINDS_PER_SECOND = 1_000
const LIVE_MS = 20_000
const WARM_MS = 4_000
/** Views stay up to date for a while after the last query. */
const UNASKED_MS = 11_000
const QUESTIONS = differentQuestions(10_000)
const STEADY = { kind: 'open', perSecond: ASKED_PER_SECOND } as const
const EVER_MS = 600_000

export function manyViews(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    const [full, live] = [join(folder, 'full'), join(folder, 'live')]
    const answered = await whileEventsArrive(live)
    rmSync(live, { recursive: true })
    await appendRsvps(full, BACKLOG, Date.now() - 3_600_000, Date.now())
    const [alone, asked]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await catchUpRate(full, false))
      asked.push(await catchUpRate(full, true))
    }
    return {
      ...answered,
      eventsPerSecond: Math.max(...alone),
      eventsPerSecondWhileAsked: Math.max(...asked),
      whileAskedAgainstAlone: median(asked.map((rate, round) => rate / alone[round]!)),
    }
  })
}

/** Everything may use both cores: so much is more than one core's work. */
async function whileEventsArrive(folder: string): Promise<Record<string, number>> {
  const server = await ServerProcess.start({ folder, datasets: DATASETS })
  try {
    const { url, pid } = server
    const rsvps = await Feed.start({ url, dataset: 'meetup_rsvps', perSecond: RSVPS_PER_SECOND }, null)
    const winds = await Feed.start({ url, dataset: 'winds', perSecond: WINDS_PER_SECOND }, null)
    const asking = { url, server: pid, paths: QUESTIONS, load: STEADY, warmMs: WARM_MS, forMs: LIVE_MS }
    const answering = ask(asking, null)
    await sleep(WARM_MS)
    const beside = await ingestedPerSecond(server)
    const asked = await answering
    const behind = await eventsBehind(server)
    await sleep(UNASKED_MS)
    const alone = await ingestedPerSecond(server)
    const [{ events, refused }] = await Promise.all([rsvps.stop(), winds.stop()])
    const { residentMib } = server
    return {
      ...steadily('steady', asked),
      takenPerSecond: alone.taken,
      takenPerSecondWhileAsked: beside.taken,
      countedPerSecond: alone.counted,
      countedPerSecondWhileAsked: beside.counted,
      takenWhileAskedAgainstAlone: beside.taken / alone.taken,
      // Against what is ingested, because without queries, answers also catch up with a backlog.
      countedWhileAskedAgainstTaken: beside.counted / beside.taken,
      eventsBehind: behind,
      refusedShare: refused / events,
      residentMib,
    }
  } finally {
    await server.stop(true)
  }
}

/** Rates at which the log accepts events and answers count them. */
async function ingestedPerSecond(server: ServerProcess): Promise<{ readonly taken: number; readonly counted: number }> {
  const at = async (): Promise<readonly [ms: number, taken: number, counted: number]> => [
    performance.now(),
    await server.metric('watershed_log_end_offset'),
    await server.metric('watershed_position_offset'),
  ]
  const before = await at()
  await sleep(LIVE_MS)
  const after = await at()
  const seconds = (after[0] - before[0]) / 1_000
  return { taken: (after[1] - before[1]) / seconds, counted: (after[2] - before[2]) / seconds }
}

async function eventsBehind(server: ServerProcess): Promise<number> {
  return (await server.metric('watershed_log_end_offset')) - (await server.metric('watershed_position_offset'))
}

/** Events per second from the moment that the platform answers until everything in the log is counted. */
async function catchUpRate(full: string, whileAsked: boolean): Promise<number> {
  const folder = `${full}-copy`
  cpSync(full, folder, { recursive: true })
  const server = await ServerProcess.start({ folder, datasets: DATASETS })
  const over = new AbortController()
  try {
    const [began, before] = [performance.now(), await eventsBehind(server)]
    const asking = { url: server.url, paths: QUESTIONS, load: STEADY, forMs: EVER_MS }
    const asked = whileAsked ? ask(asking, null, over.signal).catch(() => {}) : null
    while ((await eventsBehind(server)) > 0) await sleep(100)
    const rate = before / ((performance.now() - began) / 1_000)
    over.abort()
    await asked
    return rate
  } finally {
    await server.stop(true)
    rmSync(folder, { recursive: true })
  }
}
