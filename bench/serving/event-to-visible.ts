/**
 * From sending events over HTTP to the first answer that counts them, at half the top rate: asked for with short pauses, and with one look
 * for each request of events, some time after it was sent. Client and platform share the processors.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Acknowledged, isShown, LivePlatform, REQUEST } from '../live-platform.ts'
import { quantileOf } from './asking.ts'

const ASK_PAUSE_MS = 10
const ASKED_MS = 15_000
const UNASKED_MS = 12_000
const WARM_REQUESTS = 40
const TOP_REQUESTS = 150
/** after so long one look is taken; one delay after the other */
const LOOKS_AFTER_MS = [50, 100, 250, 500, 1_000, 2_000]

export async function eventToVisible(): Promise<Record<string, number>> {
  const platform = await LivePlatform.start()
  try {
    const topRate = await topEventsPerSecond(platform)
    const everyMs = REQUEST / (topRate / 2 / 1_000)
    const asked = (await askedFor(platform, everyMs)).toSorted((a, b) => a - b)
    const unasked = await lookedAtOnce(platform, everyMs)
    return {
      topEventsPerSecond: topRate,
      halfEventsPerSecond: topRate / 2,
      requests: asked.length,
      askedP50Ms: quantileOf(asked, 0.5),
      askedP99Ms: quantileOf(asked, 0.99),
      askedMaxMs: asked.at(-1)!,
      ...unasked,
    }
  } finally {
    await platform.stop()
  }
}

async function topEventsPerSecond(platform: LivePlatform): Promise<number> {
  await platform.flood(WARM_REQUESTS)
  const began = performance.now()
  for (const each of await platform.flood(TOP_REQUESTS)) await platform.untilShown(each)
  return (TOP_REQUESTS * REQUEST) / ((performance.now() - began) / 1_000)
}

/** Sends a request when it is due, whatever became of the ones before. */
async function sendSteadily(
  platform: LivePlatform,
  everyMs: number,
  forMs: number,
  sent: (each: Acknowledged) => unknown,
): Promise<void> {
  const sending: Promise<unknown>[] = []
  const until = performance.now() + forMs
  for (let due = performance.now(); due < until; due += everyMs) {
    await sleep(Math.max(0, due - performance.now()))
    sending.push(platform.send().then(sent))
  }
  await Promise.all(sending)
}

/** @returns per request, how long its events took to be shown, ms */
async function askedFor(platform: LivePlatform, everyMs: number): Promise<number[]> {
  const waits: number[] = []
  const open = new Set<Acknowledged>()
  let sending = true
  const asking = (async () => {
    while (sending || open.size > 0) {
      const position = await platform.position()
      for (const each of open) {
        if (!isShown(each.ends, position)) continue
        open.delete(each)
        waits.push(performance.now() - each.sentMs)
      }
      await sleep(ASK_PAUSE_MS)
    }
  })()
  await sendSteadily(platform, everyMs, ASKED_MS, (each) => open.add(each))
  sending = false
  await asking
  return waits
}

/** @returns for each delay, the share of looks that long after a request was sent that showed its events */
async function lookedAtOnce(platform: LivePlatform, everyMs: number): Promise<Record<string, number>> {
  const looks = new Map<number, boolean[]>(LOOKS_AFTER_MS.map((afterMs) => [afterMs, []]))
  let sent = 0
  await sendSteadily(platform, everyMs, UNASKED_MS, async ({ sentMs, ends }) => {
    const afterMs = LOOKS_AFTER_MS[sent++ % LOOKS_AFTER_MS.length]!
    await sleep(Math.max(0, sentMs + afterMs - performance.now()))
    looks.get(afterMs)!.push(isShown(ends, await platform.position()))
  })
  return Object.fromEntries(
    [...looks].map(([afterMs, shown]) => [
      `unaskedShownAfter${afterMs}Ms`,
      shown.filter((each) => each).length / shown.length,
    ]),
  )
}
