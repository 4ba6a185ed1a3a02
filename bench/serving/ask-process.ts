/** Asks questions as stdin says (Asking, JSON), and writes what was measured (Asked, JSON) to stdout. */
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Asked, type Asking, quantileOf } from './asking.ts'
import { ConnectionPool, type HttpConnection } from './http-connection.ts'
import { cpuSeconds, machineCpuSeconds } from './process-usage.ts'
import { untilMoment } from './schedule.ts'

/** after the run, answers that are still awaited get this long */
const LAST_ANSWERS_MS = 5_000
const POSITION = '"position":['

/** CPU time, seconds */
interface Used {
  readonly server: number
  readonly others: number
}

const { url, paths, load, warmMs = 0, forMs, server } = (await json(process.stdin)) as Asking
const pool = new ConnectionPool(url)
const latencies: number[] = []
/** of measured questions without an answer yet, or that failed: when they were due */
const unanswered = new Set<{ readonly sinceMs: number }>()
const positions = new Set<string>()
let [asked, bytes] = [0, 0]

function nextPath(): string {
  return paths[asked++ % paths.length]!
}

async function askOn(connection: HttpConnection, sinceMs: number): Promise<void> {
  const measured = sinceMs >= fromMs && sinceMs < untilMs
  const question = { sinceMs }
  if (measured) unanswered.add(question)
  const { status, body } = await connection.get(nextPath())
  if (!measured || status !== 200) return
  unanswered.delete(question)
  latencies.push(performance.now() - sinceMs)
  bytes += body.length
  const at = body.indexOf(POSITION)
  if (at >= 0) positions.add(body.toString('latin1', at, body.indexOf(']', at)))
}

async function askClosed(connections: number): Promise<void> {
  const worker = (): Promise<void> =>
    pool.use(async (connection) => {
      for (let now = performance.now(); now < untilMs; now = performance.now()) await askOn(connection, now)
    })
  await Promise.all(Array.from({ length: connections }, worker))
}

async function askOpen(perSecond: number): Promise<void> {
  const answered: Promise<void>[] = []
  for (let n = 0; ; n++) {
    const dueMs = beganMs + (n * 1_000) / perSecond
    if (dueMs >= untilMs) break
    await untilMoment(dueMs)
    answered.push(pool.use((connection) => askOn(connection, dueMs)).catch(() => {}))
  }
  await Promise.race([Promise.all(answered), sleep(LAST_ANSWERS_MS)])
}

const beganMs = performance.now()
const [fromMs, untilMs] = [beganMs + warmMs, beganMs + warmMs + forMs]
const usedAt = async (ms: number): Promise<Used> => {
  await sleep(ms)
  const own = cpuSeconds(process.pid)
  const asked = server === undefined ? 0 : cpuSeconds(server)
  return { server: asked, others: machineCpuSeconds() - own - asked }
}
const [warm, over] = [usedAt(warmMs), usedAt(warmMs + forMs)]
await (load.kind === 'closed' ? askClosed(load.connections) : askOpen(load.perSecond))
const [before, after] = [await warm, await over]
const answers = latencies.length
const overMs = performance.now()
const waits = [...unanswered].map(({ sinceMs }) => overMs - sinceMs)
// Questions that began while warming up may have taken the whole time.
const sorted = answers + waits.length === 0 ? [forMs] : [...latencies, ...waits].toSorted((a, b) => a - b)
const seconds = (untilMs - fromMs) / 1_000
const result: Asked = {
  answers,
  failed: unanswered.size,
  answersPerSecond: answers / seconds,
  meanMs: sorted.reduce((sum, each) => sum + each, 0) / sorted.length,
  p50Ms: quantileOf(sorted, 0.5),
  p99Ms: quantileOf(sorted, 0.99),
  maxMs: sorted.at(-1)!,
  bytesPerAnswer: bytes / Math.max(1, answers),
  serverCpuSeconds: after.server - before.server,
  seconds,
  othersCores: (after.others - before.others) / seconds,
  positions: positions.size,
}
process.stdout.write(JSON.stringify(result), () => process.exit(0))
