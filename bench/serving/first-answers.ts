/**
 * Latency of first queries to the demo: sent as soon as it prints its address, one for each of six views, each on a new connection. Measured
 * for a start in an empty folder and for restarts after kill -9.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../rsvp-platform.ts'
import { HttpConnection } from './http-connection.ts'
import { TRENDING, withFolder } from './prepared-folder.ts'
import { ServerProcess } from './server-process.ts'

const RESTARTS = 5
const RUNS_MS = 8_000
const RSVPS = '/v1/datasets/meetup_rsvps/views'
const OTHERS = [
  `${RSVPS}/responses_by_country?order=-responses`,
  `${RSVPS}/responses_by_city?order=-responses&limit=20`,
  `${RSVPS}/responses_map?measures=responses&order=-responses&limit=100`,
  `${RSVPS}/group_summary?measures=name,responses,members&order=-responses&limit=10`,
  `${RSVPS}/event_summary?measures=name,date,attendees&order=-attendees&limit=10`,
]

interface Start {
  readonly readyMs: number
  readonly firstMs: number
  readonly othersMs: readonly number[]
}

export function firstAnswers(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    const first = await started(folder)
    const again: Start[] = []
    for (let restart = 0; restart < RESTARTS; restart++) again.push(await started(folder))
    return {
      readyMs: first.readyMs,
      firstMs: first.firstMs,
      othersMsMax: Math.max(...first.othersMs),
      'restarted:readyMs': median(again.map(({ readyMs }) => readyMs)),
      'restarted:firstMs': median(again.map(({ firstMs }) => firstMs)),
      'restarted:firstMsMax': Math.max(...again.map(({ firstMs }) => firstMs)),
      'restarted:othersMs': median(again.flatMap(({ othersMs }) => othersMs)),
      'restarted:othersMsMax': Math.max(...again.flatMap(({ othersMs }) => othersMs)),
    }
  })
}

async function started(folder: string): Promise<Start> {
  const began = performance.now()
  const server = await ServerProcess.start({ folder, demo: true })
  try {
    const readyMs = performance.now() - began
    const firstMs = await asked(server.url, TRENDING)
    const othersMs: number[] = []
    for (const path of OTHERS) othersMs.push(await asked(server.url, path))
    await sleep(RUNS_MS)
    return { readyMs, firstMs, othersMs }
  } finally {
    await server.stop(true)
  }
}

/** Includes the time to connect. */
async function asked(url: string, path: string): Promise<number> {
  const began = performance.now()
  const connection = await HttpConnection.open(url)
  const { status } = await connection.get(path)
  const tookMs = performance.now() - began
  connection.close()
  if (status !== 200) throw new Error(`${path} was answered with ${status}`)
  return tookMs
}
