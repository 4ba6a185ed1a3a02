/** Asks processes for a view's total all the time, keeps what they answered, and recounts it at each answer's own position. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { EventLog } from '#storage/log/event-log.ts'
import type { PlatformProcess } from '#tests/crash/platform-process.ts'

const QUERY = '/v1/datasets/crash_events/views/by_kind?dimensions=&measures=events,total'
const ASK_EVERY_MS = 25

interface Answer {
  readonly data: readonly { readonly events: number; readonly total: number }[]
  readonly meta: {
    readonly position: readonly number[]
    readonly ahead: readonly unknown[]
    readonly generation: { readonly id: string } | null
    readonly deadLetters: number
  }
}

/** Of one partition, for each offset: how many usable events are before it, and the sum of their amounts. */
interface Running {
  readonly events: number[]
  readonly total: number[]
}

interface Given {
  /** which process */
  readonly by: number
  readonly answer: Answer
}

/** read at one moment */
const isWhole = ({ answer }: Given): boolean => answer.meta.ahead.length === 0
const generationOf = ({ answer }: Given): string | undefined => answer.meta.generation?.id
const distinct = <T>(given: readonly Given[], of: (one: Given) => T): number => new Set(given.map(of)).size

export class CountedAnswers {
  readonly #answers: Given[] = []

  /** Asks these processes in parallel until the signal. @throws when one does not answer with 200 */
  async ask(processes: readonly PlatformProcess[], signal: AbortSignal): Promise<void> {
    const addresses = await Promise.all(processes.map(({ address }) => address))
    while (!signal.aborted) {
      await Promise.all(
        addresses.map(async (address, by) => {
          const reply = await fetch(`${address}${QUERY}`)
          const answer = (await reply.json()) as Answer
          expect(reply.status, JSON.stringify(answer)).toBe(200)
          this.#answers.push({ by, answer })
        }),
      )
      await sleep(ASK_EVERY_MS)
    }
  }

  /** answers so far that check() will compare, and from how many generations they are */
  get collected(): { readonly answers: number; readonly generations: number } {
    const whole = this.#answers.filter(isWhole)
    return { answers: whole.length, generations: distinct(whole, generationOf) }
  }

  /** Holds each answer that was read at one moment against a count of the log's records. Returns what was compared. */
  async check(
    log: EventLog,
  ): Promise<{ readonly compared: number; readonly generations: number; readonly by: number }> {
    const running = await Promise.all(
      Array.from({ length: log.partitions }, (_, partition) => runningOf(log, partition)),
    )
    const whole = this.#answers.filter(isWhole)
    for (const { by, answer } of whole) {
      const { position } = answer.meta
      const sum = (of: (counts: Running) => number[]): number =>
        position.reduce((total, offset, partition) => total + of(running[partition]!)[offset]!, 0)
      const counted = answer.data[0] ?? { events: 0, total: 0 }
      const at = `process ${by} at ${JSON.stringify(answer.meta)}`
      expect(counted.events, at).toBe(sum(({ events }) => events))
      if (counted.events > 0) expect(Number(counted.total), at).toBe(sum(({ total }) => total))
    }
    return { compared: whole.length, generations: distinct(whole, generationOf), by: distinct(whole, ({ by }) => by) }
  }
}

/** By plain counting: an event with a time is usable. */
async function runningOf(log: EventLog, partition: number): Promise<Running> {
  const running: Running = { events: [0], total: [0] }
  const { start, end } = await log.range(partition)
  for (let from = start; from < end; ) {
    const batch = (await log.read(partition, from, { recordsMax: 10_000, bytesMax: 16 * 1024 * 1024 }))!
    expect(batch.end - batch.start, 'a log without holes').toBe(batch.count)
    for (const line of batch.lines.toString('utf8').split('\n').slice(0, -1)) {
      const { at, amount } = JSON.parse(line) as { at: number | string; amount: number }
      const usable = typeof at === 'number'
      running.events.push(running.events.at(-1)! + (usable ? 1 : 0))
      running.total.push(running.total.at(-1)! + (usable ? amount : 0))
    }
    from = batch.end
  }
  return running
}
