/** Sends prepared requests as stdin says (Flooding, JSON), and writes what was measured (Flooded, JSON) to stdout. */
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantileOf } from '../serving/asking.ts'
import { HttpConnection } from '../serving/http-connection.ts'
import { cpuSeconds } from '../serving/process-usage.ts'
import { type Flooded, type Flooding, SENT } from './flooding.ts'

const BUSY_PAUSE_MS = 20

const { url, path, sent: name, request, connections, warmMs, forMs, server } = (await json(process.stdin)) as Flooding
const { bodies: bodiesOf, contentType } = SENT[name]
const bodies = bodiesOf(request)
const latencies: number[] = []
let [sent, acknowledged, busy] = [0, 0, 0]

async function sendOn(connection: HttpConnection): Promise<void> {
  const body = bodies[sent++ % bodies.length]!
  for (;;) {
    const sentMs = performance.now()
    const { status } = await connection.post(path, body, contentType)
    if (status === 202) {
      latencies.push(performance.now() - sentMs)
      acknowledged += request
      return
    }
    if (status !== 429) throw new Error(`events were answered with ${status}`)
    busy++
    await sleep(BUSY_PAUSE_MS)
  }
}

const untilMs = performance.now() + warmMs + forMs
const flooding = Array.from({ length: connections }, async () => {
  const connection = await HttpConnection.open(url)
  while (performance.now() < untilMs) await sendOn(connection)
  connection.close()
})
const now = () => ({ acknowledged, server: cpuSeconds(server), client: process.cpuUsage(), ms: performance.now() })
await sleep(warmMs)
latencies.length = 0
const before = now()
await sleep(forMs)
const after = now()
const sorted = latencies.toSorted((a, b) => a - b)
await Promise.all(flooding)
const events = after.acknowledged - before.acknowledged
const client = process.cpuUsage(before.client)
const result: Flooded = {
  eventsPerSecond: events / ((after.ms - before.ms) / 1_000),
  busy,
  serverCpuUs: ((after.server - before.server) * 1e6) / events,
  clientCpuUs: (client.user + client.system) / events,
  p50Ms: quantileOf(sorted, 0.5),
  p99Ms: quantileOf(sorted, 0.99),
  acknowledged,
}
process.stdout.write(JSON.stringify(result), () => process.exit(0))
