/** Data folders that are as full as a row needs them: events in the log, closed segments, a generation. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { recomputeFully, type ServerOptions, ServerProcess } from './server-process.ts'

export const PARTITIONS = 4
/** records in one append, of one partition */
const APPEND = 500
const OPEN_FOR_MS = 200_000
export const TRENDING = '/v1/datasets/meetup_rsvps/views/trending_topics?at=latest'

/** Segments stay open for as long as a row takes, and however many events there are. */
export const STAY_OPEN = { segmentAgeMsMax: 86_400_000, segmentRecordsMax: 10_000_000 }

/** Makes a folder, and removes it when the work is over, also when the benchmark is stopped. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    return await work(folder)
  } finally {
    process.off('exit', remove)
    remove()
  }
}

export interface Lines {
  readonly dataset: string
  readonly count: number
  readonly next: () => string
}

/** Puts events into the log of a folder that no platform uses at the moment. */
export async function appendLines(folder: string, { dataset, count, next }: Lines): Promise<void> {
  mkdirSync(join(folder, 'log'), { recursive: true })
  const log = await SqliteLog.open({ file: join(folder, 'log', `${dataset}.sqlite`), dataset, partitions: PARTITIONS })
  for (let at = 0; at < count; at += APPEND) {
    const own = Math.min(APPEND, count - at)
    const lines = Buffer.from(Array.from({ length: own }, () => `${next()}\n`).join(''))
    await log.append([{ partition: (at / APPEND) % PARTITIONS, lines, count: own }])
  }
  await log.close()
}

/** RSVPs whose event times are spread evenly over a range of time, epoch ms. */
export function appendRsvps(folder: string, events: number, fromMs: number, toMs: number): Promise<void> {
  const eventsPerSecond = events / ((toMs - fromMs) / 1_000)
  const generator = new RsvpGenerator({ seed: 1, startMs: fromMs, eventsPerSecond, malformedShare: 0 })
  return appendLines(folder, { dataset: 'meetup_rsvps', count: events, next: () => generator.next() })
}

/** Lands everything in the log in closed segments and makes a generation of it. @param path of any answer */
export async function closeAndRecompute(
  options: ServerOptions,
  path = '/v1/datasets/meetup_rsvps/views/responses_by_country?dimensions=&measures=responses',
): Promise<void> {
  const server = await ServerProcess.start({ ...options, settings: { segmentAgeMsMax: 1_500, ...options.settings } })
  await server.until(path, ({ behind, rows }) => behind === 0 && rows.open === 0)
  await server.stop()
  await recomputeFully(options)
}

export interface Past {
  /** events that a generation has counted */
  readonly closed: number
  /** the time over which they are spread; default: what is left of the last five minutes */
  readonly closedForMs?: number
  /** events of the last 200 seconds, in the log behind them */
  readonly open: number
}

/** Fills a folder with a generation and, behind it, events that no segment has yet. */
export async function fillPast(folder: string, { closed, closedForMs = 100_000, open }: Past): Promise<void> {
  const closedToMs = Date.now() - OPEN_FOR_MS
  await appendRsvps(folder, closed, closedToMs - closedForMs, closedToMs)
  await closeAndRecompute({ folder })
  await appendRsvps(folder, open, Date.now() - OPEN_FOR_MS, Date.now())
}
