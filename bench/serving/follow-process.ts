/**
 * Follows queries as stdin says (Following, JSON) while it sends events, and writes what was measured (Followed, JSON) to stdout. Events
 * are sent from here, so that sending and receiving are on one clock.
 */
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantileOf } from './asking.ts'
import { eventMaker } from './event-makers.ts'
import type { Followed, Following, Recorded } from './following.ts'
import { ConnectionPool } from './http-connection.ts'
import { cpuSeconds, machineCpuSeconds, ownResidentMib, usageByRole } from './process-usage.ts'
import { untilMoment } from './schedule.ts'
import { StreamReader } from './stream-reader.ts'

const OPENED_AT_ONCE = 20
const EVERY_MS = 50
/** after the run, events that are still awaited get this long */
const LAST_EVENTS_MS = 3_000

interface Sent {
  readonly sentMs: number
  /** partition → the offset behind its last event */
  readonly ends: ReadonlyMap<number, number>
}

/** One event of a query: what it counts, and when each of the query's readers got it. */
interface Shown {
  readonly position: ReadonlyMap<number, number>
  readonly arrivalsMs: number[]
}

const following = (await json(process.stdin)) as Following
const { url, paths, readersPerPath, perSecond, dataset, warmMs, forMs, server, record } = following
const pool = new ConnectionPool(url)
const make = eventMaker(dataset)
const sent: Sent[] = []
/** by path: id → event, in the order of their first arrival */
const shown = paths.map(() => new Map<string, Shown>())
const recorded = paths.map((): { atMs: number; base64: string }[] => [])
let [fromMs, untilMs, received, receivedBytes] = [Number.POSITIVE_INFINITY, 0, 0, 0]

function positionOf(id: string): ReadonlyMap<number, number> {
  const pairs = id.split('/')[0]!.split(',')
  return new Map(pairs.map((pair) => pair.split(':').map(Number) as [number, number]))
}

function take(path: number, reader: number, id: string, bytes: Buffer): void {
  const nowMs = performance.now()
  const events = shown[path]!
  const event = events.get(id) ?? { position: positionOf(id), arrivalsMs: [] }
  events.set(id, event)
  event.arrivalsMs[reader] = nowMs
  if (nowMs < fromMs || nowMs > untilMs) return
  received++
  receivedBytes += bytes.length
  if (!record || reader > 0) return
  const text = bytes.toString('utf8')
  const base64 = Buffer.from(text.slice(0, text.indexOf('\n\n') + 2)).toString('base64')
  recorded[path]!.push({ atMs: nowMs - fromMs, base64 })
}

async function openAll(): Promise<StreamReader[]> {
  const wanted = paths.flatMap((text, path) =>
    Array.from({ length: readersPerPath }, (_, reader) => ({ text, path, reader })),
  )
  const readers: StreamReader[] = []
  for (let at = 0; at < wanted.length; at += OPENED_AT_ONCE) {
    const opening = wanted
      .slice(at, at + OPENED_AT_ONCE)
      .map(({ text, path, reader }) => StreamReader.open(url, text, ({ id, bytes }) => take(path, reader, id, bytes)))
    readers.push(...(await Promise.all(opening)))
  }
  return readers
}

async function send(count: number): Promise<void> {
  const lines = Array.from({ length: count }, () => make(Date.now())).join('\n')
  const sentMs = performance.now()
  const path = `/v1/datasets/${dataset}/events?verdicts=all`
  const { status, body } = await pool.use((connection) => connection.post(path, lines))
  if (status !== 202) throw new Error(`events were answered with ${status}`)
  const ends = new Map<number, number>()
  for (const { partition, offset } of (JSON.parse(body.toString('utf8')) as { rows: Placed[] }).rows)
    ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
  if (sentMs >= fromMs && sentMs < untilMs) sent.push({ sentMs, ends })
}

interface Placed {
  readonly partition: number
  readonly offset: number
}

async function feed(beganMs: number): Promise<void> {
  const sending: Promise<void>[] = []
  for (let n = 1, events = 0; perSecond > 0; n++) {
    const dueMs = beganMs + n * EVERY_MS
    if (dueMs > untilMs) break
    await untilMoment(dueMs)
    const count = Math.floor((n * EVERY_MS * perSecond) / 1_000) - events
    events += count
    if (count > 0) sending.push(send(count))
  }
  await Promise.all(sending)
}

interface Used {
  readonly serving: number
  readonly all: number
  readonly others: number
}

async function usedAt(ms: number): Promise<Used> {
  await sleep(ms)
  const all = cpuSeconds(server)
  const others = machineCpuSeconds() - cpuSeconds(process.pid) - all
  return { serving: usageByRole(server).get('main') ?? 0, all, others }
}

/** Of each request and reader. */
function delays(): { readonly delaysMs: number[]; readonly missing: number } {
  const delaysMs: number[] = []
  let missing = 0
  for (const events of shown.map((each) => [...each.values()])) {
    for (const { sentMs, ends } of sent) {
      const first = events.findIndex(({ position }) => [...ends].every(([at, end]) => (position.get(at) ?? 0) >= end))
      for (let reader = 0; reader < readersPerPath; reader++) {
        const counting =
          first === -1 ? undefined : events.slice(first).find(({ arrivalsMs }) => arrivalsMs[reader] !== undefined)
        if (counting === undefined) missing++
        else delaysMs.push(counting.arrivalsMs[reader]! - sentMs)
      }
    }
  }
  return { delaysMs: delaysMs.sort((a, b) => a - b), missing }
}

/** Of each event, from its first to its last reader. */
function spreads(): number[] {
  const events = shown.flatMap((each) => [...each.values()])
  const all = events.map(({ arrivalsMs }) => arrivalsMs.filter((ms) => ms >= fromMs && ms < untilMs))
  return all
    .filter((times) => times.length === readersPerPath)
    .map((times) => Math.max(...times) - Math.min(...times))
    .sort((a, b) => a - b)
}

const readers = await openAll()
const beganMs = performance.now()
fromMs = beganMs + warmMs
untilMs = fromMs + forMs
const [warm, over] = [usedAt(warmMs), usedAt(warmMs + forMs)]
await feed(beganMs)
const [before, after] = [await warm, await over]
const servingMib = ownResidentMib(server)
await sleep(perSecond > 0 ? LAST_EVENTS_MS : 0)
const { delaysMs, missing } = delays()
const different = shown.reduce((sum, each) => sum + each.size, 0)
for (const reader of readers) reader.close()
const result: Followed = {
  readers: readers.length,
  received,
  receivedBytes,
  different,
  requests: sent.length,
  delayP50Ms: quantileOf(delaysMs, 0.5),
  delayP99Ms: quantileOf(delaysMs, 0.99),
  delayMaxMs: delaysMs.at(-1) ?? 0,
  missing,
  spreadP50Ms: quantileOf(spreads(), 0.5),
  servingCpuSeconds: after.serving - before.serving,
  serverCpuSeconds: after.all - before.all,
  seconds: forMs / 1_000,
  othersCores: (after.others - before.others) / (forMs / 1_000),
  servingMib,
  recorded: recorded as Recorded[],
}
process.stdout.write(JSON.stringify(result), () => process.exit(0))
