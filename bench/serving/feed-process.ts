/**
 * Sends events as its argument says (Feeding, JSON) until stdin ends; writes a line end to stdout once the first request was answered,
 * and at the end what was sent (Fed, JSON). A request is due on a fixed schedule, whether or not earlier ones were answered.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventMaker } from './event-makers.ts'
import type { Fed, Feeding } from './feeding.ts'
import { ConnectionPool } from './http-connection.ts'
import { untilMoment } from './schedule.ts'

/** at the end, answers that are still awaited get this long */
const LAST_ANSWERS_MS = 3_000

const { url, dataset, perSecond, everyMs = 50 } = JSON.parse(process.argv[2]!) as Feeding
const path = `/v1/datasets/${dataset}/events`
const pool = new ConnectionPool(url)
const make = eventMaker(dataset)
const answered = new Set<Promise<void>>()
let [events, taken, lateMsMax, stopped] = [0, 0, 0, false]
process.stdin.resume().on('end', () => {
  stopped = true
})

function linesOf(count: number): string {
  const nowMs = Date.now()
  return Array.from({ length: count }, () => make(nowMs)).join('\n')
}

async function send(count: number, lines: string): Promise<void> {
  try {
    const { status } = await pool.use((connection) => connection.post(path, lines))
    if (status === 202) taken += count
  } catch {
    // Not taken, and counted as such.
  }
}

await send(1, linesOf(1))
events++
process.stdout.write('\n')
const beganMs = performance.now()
for (let n = 1; !stopped; n++) {
  const dueMs = beganMs + n * everyMs
  const count = 1 + Math.floor((n * everyMs * perSecond) / 1_000) - events
  const lines = linesOf(count)
  await untilMoment(dueMs)
  lateMsMax = Math.max(lateMsMax, performance.now() - dueMs)
  events += count
  const sent: Promise<void> = send(count, lines).finally(() => answered.delete(sent))
  answered.add(sent)
}
await Promise.race([Promise.all(answered), sleep(LAST_ANSWERS_MS)])
const fed: Fed = { events, refused: events - taken, seconds: (performance.now() - beganMs) / 1_000, lateMsMax }
process.stdout.write(JSON.stringify(fed), () => process.exit(0))
