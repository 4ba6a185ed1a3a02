/**
 * The whole platform as its own process, fed and asked over HTTP on the same processors. Two benchmarks:
 *  - event to visible answer: the top rate first (as fast as events are acknowledged and shown), then half of it while an
 *    answer is asked for again and again; per request, the time from sending its events to the first answer that counts them;
 *  - memory: the resident set over millions of events, as a slope over the second half.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { residentMib } from './serving/process-usage.ts'

/** events in one request */
export const REQUEST = 1_000
/** requests made before the run, so that making events takes none of the measured time; sent again from the first on */
const PREPARED = 300
const IN_FLIGHT = 4
/** between two questions at half the rate: a look ten times a second takes little of what is measured */
const ASK_PAUSE_MS = 100

export interface Acknowledged {
  readonly sentMs: number
  /** per partition: the offset behind the request's last event */
  readonly ends: ReadonlyMap<number, number>
}

/** The platform, and events for it that were made before. */
export class LivePlatform {
  readonly #process: ChildProcess
  readonly #folder: string
  readonly #url: string
  readonly #bodies: readonly string[]
  #sent = 0

  static async start(): Promise<LivePlatform> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
    const watershed = join(import.meta.dirname, '../watershed')
    const child = spawn(watershed, ['start', '--no-demo', '--data', folder, '--port', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
    const generator = new RsvpGenerator({ seed: 1, startMs: Date.now(), eventsPerSecond: 5_000, malformedShare: 0 })
    const body = (): string => Array.from({ length: REQUEST }, () => generator.next()).join('\n')
    return new LivePlatform(
      child,
      folder,
      (JSON.parse(line) as { url: string }).url,
      Array.from({ length: PREPARED }, body),
    )
  }

  private constructor(child: ChildProcess, folder: string, url: string, bodies: readonly string[]) {
    this.#process = child
    this.#folder = folder
    this.#url = url
    this.#bodies = bodies
  }

  /** One request; waits and sends again when the door says that too much is under way. */
  async send(): Promise<Acknowledged> {
    const body = this.#bodies[this.#sent++ % PREPARED]!
    const sentMs = performance.now()
    for (;;) {
      const reply = await fetch(`${this.#url}/v1/datasets/meetup_rsvps/events?verdicts=all`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body,
      })
      const answer = (await reply.json()) as { rows: { partition: number; offset: number }[] }
      if (reply.status === 202) {
        const ends = new Map<number, number>()
        for (const { partition, offset } of answer.rows)
          ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
        return { sentMs, ends }
      }
      if (reply.status !== 429) throw new Error(`events were answered with ${reply.status}: ${JSON.stringify(answer)}`)
      await sleep(50)
    }
  }

  /** What an answer counts, per partition. */
  async position(): Promise<readonly number[]> {
    const reply = await fetch(
      `${this.#url}/v1/datasets/meetup_rsvps/views/responses_by_country?dimensions=&measures=responses`,
    )
    return ((await reply.json()) as { meta: { position: number[] } }).meta.position
  }

  async untilShown({ ends }: Acknowledged): Promise<void> {
    while (!isShown(ends, await this.position())) await sleep(20)
  }

  /** Sends `requests`, some at a time. */
  async flood(requests: number): Promise<Acknowledged[]> {
    const acknowledged: Acknowledged[] = []
    let left = requests
    const worker = async (): Promise<void> => {
      while (left-- > 0) acknowledged.push(await this.send())
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
    return acknowledged
  }

  /** of all its processes; pages that they share are counted in each */
  residentMib(): number {
    return residentMib(this.#process.pid!)
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL')
    await once(this.#process, 'exit')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export const isShown = (ends: ReadonlyMap<number, number>, position: readonly number[]): boolean =>
  [...ends].every(([partition, end]) => position[partition]! >= end)

/** @returns the top rate in events per second, and milliseconds at half of it */
export async function eventToAnswer(): Promise<Record<string, number>> {
  const platform = await LivePlatform.start()
  try {
    await platform.flood(50)
    const began = performance.now()
    const flooded = await platform.flood(300)
    for (const each of flooded) await platform.untilShown(each)
    const topRate = (300 * REQUEST) / ((performance.now() - began) / 1_000)
    const everyMs = REQUEST / (topRate / 2 / 1_000)
    const waits: number[] = []
    const open = new Set<Acknowledged>()
    const until = performance.now() + 30_000
    const sending: Promise<void>[] = []
    const asking = (async () => {
      while (performance.now() < until || open.size > 0) {
        const position = await platform.position()
        for (const each of open) {
          if (!isShown(each.ends, position)) continue
          open.delete(each)
          waits.push(performance.now() - each.sentMs)
        }
        await sleep(ASK_PAUSE_MS)
      }
    })()
    for (let due = performance.now(); due < until; due += everyMs) {
      await sleep(Math.max(0, due - performance.now()))
      sending.push(platform.send().then((each) => void open.add(each)))
    }
    await Promise.all(sending)
    await asking
    const sorted = waits.toSorted((a, b) => a - b)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
    return {
      topEventsPerSecond: topRate,
      halfEventsPerSecond: topRate / 2,
      requests: sorted.length,
      medianMs: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
    }
  } finally {
    await platform.stop()
  }
}

/** @returns MiB at four places, and the slope of the second half in MiB per million events (least squares) */
export async function memorySlope(): Promise<Record<string, number>> {
  const events = Number(process.env.BENCH_EVENTS ?? 5_000_000)
  const platform = await LivePlatform.start()
  try {
    const samples: { millions: number; mib: number }[] = []
    const step = 50
    for (let sent = 0; sent < events / REQUEST; sent += step) {
      const acknowledged = await platform.flood(step)
      await platform.untilShown(acknowledged.at(-1)!)
      samples.push({ millions: ((sent + step) * REQUEST) / 1e6, mib: platform.residentMib() })
    }
    const half = samples.slice(Math.floor(samples.length / 2))
    const mean = (of: (sample: (typeof half)[number]) => number): number =>
      half.reduce((sum, sample) => sum + of(sample), 0) / half.length
    const [x, y] = [mean(({ millions }) => millions), mean(({ mib }) => mib)]
    const slope = mean(({ millions, mib }) => (millions - x) * (mib - y)) / mean(({ millions }) => (millions - x) ** 2)
    const place = (share: number): number => samples[Math.ceil(samples.length * share) - 1]!.mib
    return {
      events,
      mibAtTenth: place(0.1),
      mibAtHalf: place(0.5),
      mibAtEnd: place(1),
      mibMax: Math.max(...samples.map(({ mib }) => mib)),
      slopeMibPerMillion: slope,
    }
  } finally {
    await platform.stop()
  }
}
