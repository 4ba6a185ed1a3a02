/** How questions are asked, and what is measured of the answers. Times are in milliseconds. */
import { CLIENT_CORE, runScript } from './pinned-process.ts'

export interface Asking {
  readonly url: string
  /** asked one after the other, again from the first on */
  readonly paths: readonly string[]
  /**
   * closed: each connection asks again as soon as it has its answer. open: questions are due on a fixed schedule, whether or not
   * earlier ones were answered, and their latency counts from that moment
   */
  readonly load:
    | { readonly kind: 'closed'; readonly connections: number }
    | { readonly kind: 'open'; readonly perSecond: number }
  /** asked before, and not measured */
  readonly warmMs?: number
  readonly forMs: number
  /** process whose CPU time is measured over the same time */
  readonly server?: number
}

/** A question that failed counts in the latencies as if it had waited until the run was over. */
export interface Asked {
  readonly answers: number
  /** questions without status 200, or without an answer when the run had been over for a while */
  readonly failed: number
  readonly answersPerSecond: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly bytesPerAnswer: number
  /** of the server's process, whatever else it did meanwhile */
  readonly serverCpuSeconds: number
  readonly seconds: number
  /** cores that were busy with neither the server nor the questions: the feed of events, and whatever else the machine does; negative: none */
  readonly othersCores: number
  /** how many positions of the log answers have shown */
  readonly positions: number
}

/** Asks from a process of its own. @param core which it is held to; null: none @param signal ends it before its time; it rejects then */
export function ask(asking: Asking, core: number | null = CLIENT_CORE, signal?: AbortSignal): Promise<Asked> {
  return runScript<Asked>('ask-process.ts', asking, core ?? undefined, signal)
}

/** The value below which a share of the sorted list lies. */
export function quantileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** CPU time of the server for each answer, microseconds, with all that it did beside. */
export function cpuUsPerAnswer({ serverCpuSeconds, answers }: Asked): number {
  return (serverCpuSeconds / Math.max(1, answers)) * 1e6
}

/** Figures of questions at a steady rate. */
export function steadily(name: string, asked: Asked): Record<string, number> {
  return {
    [`${name}P50Ms`]: asked.p50Ms,
    [`${name}P99Ms`]: asked.p99Ms,
    [`${name}MaxMs`]: asked.maxMs,
    [`${name}Failed`]: asked.failed,
    [`${name}CpuShare`]: asked.serverCpuSeconds / asked.seconds,
  }
}
