/** Each kind of source, from the socket into the embedded log, against the bare client of the same protocol, in turns. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventCheck } from '#core/check-event.ts'
import meetup from '#datasets/meetup-rsvps/definition.ts'
import { Intake } from '#ingest/intake.ts'
import type { EventSource } from '#ingest/sources/event-source.ts'
import { HttpStreamSource } from '#ingest/sources/http-stream-source.ts'
import { PollingSource } from '#ingest/sources/polling-source.ts'
import { ServerSentEventsSource } from '#ingest/sources/server-sent-events-source.ts'
import { SourceRunner } from '#ingest/sources/source-runner.ts'
import { WebSocketSource } from '#ingest/sources/websocket-source.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { until } from '#tests/until.ts'
import { BARE } from './sources/bare-clients.ts'
import { EVENTS } from './sources/events.ts'

const ROUNDS = 3
const RESUME = { parameter: 'since_mtime', from: '$.mtime', overlap: 1_000 }

const SOURCES: Readonly<Record<string, (address: string) => EventSource>> = {
  'http-stream': (address) => new HttpStreamSource({ ...common(`${address}/lines`), resume: RESUME }),
  'server-sent-events': (address) => new ServerSentEventsSource(common(`${address}/events`)),
  websocket: (address) => new WebSocketSource({ ...common(`${address.replace('http', 'ws')}/socket`), resume: RESUME }),
  polling: (address) =>
    new PollingSource({
      ...common(`${address}/poll`),
      everyMs: 60_000,
      records: '$.data',
      page: { parameter: 'next_token', from: '$.meta.next_token' },
    }),
}

function common(url: string) {
  return { target: { url: new URL(url), headers: {}, hasCredentials: false }, silenceMsMax: 60_000 }
}

/** @returns per kind: events per second and CPU time of this process per event, and their ratios to the bare client that parses each record, and to one that only counts them */
export async function sourceRate(): Promise<Record<string, number>> {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'sources/serving-process.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [address] = (await once(createInterface({ input: server.stdout }), 'line')) as [string]
    const figures: Record<string, number> = { events: EVENTS }
    for (const kind of Object.keys(SOURCES)) Object.assign(figures, await ratesOf(kind, address))
    return figures
  } finally {
    server.kill()
  }
}

interface Measured {
  readonly perSecond: number
  /** CPU time per event */
  readonly cpuUs: number
}

async function ratesOf(kind: string, address: string): Promise<Record<string, number>> {
  const rounds: { source: Measured; parsing: Measured; counting: Measured }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const counting = await measured(() => readBare(kind, address, () => {}))
    const parsing = await measured(() => readBare(kind, address, (record) => JSON.parse(String(record))))
    const source = await readSource(kind, address)
    rounds.push({ source, parsing, counting })
  }
  const of = (value: (round: (typeof rounds)[number]) => number): number =>
    rounds.map(value).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
  return {
    [`${kind}:eventsPerSecond`]: of(({ source }) => source.perSecond),
    [`${kind}:cpuUsPerEvent`]: of(({ source }) => source.cpuUs),
    [`${kind}:bareEventsPerSecond`]: of(({ parsing }) => parsing.perSecond),
    [`${kind}:bareCpuUsPerEvent`]: of(({ parsing }) => parsing.cpuUs),
    [`${kind}:againstBare`]: of(({ source, parsing }) => source.perSecond / parsing.perSecond),
    [`${kind}:againstBareThatCounts`]: of(({ source, counting }) => source.perSecond / counting.perSecond),
  }
}

async function measured(read: () => Promise<void>): Promise<Measured> {
  const began = performance.now()
  const cpu = process.cpuUsage()
  await read()
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: EVENTS / ((performance.now() - began) / 1_000), cpuUs: (user + system) / EVENTS }
}

async function readBare(kind: string, address: string, take: (record: string | Buffer) => void): Promise<void> {
  let count = 0
  await BARE[kind]!(address, (record) => {
    count++
    take(record)
  })
  if (count !== EVENTS) throw new Error(`the bare client of ${kind} read ${count} events, not ${EVENTS}`)
}

/** Into a log of its own, with the checks of the RSVP dataset. */
async function readSource(kind: string, address: string): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'meetup_rsvps', partitions: 4 })
  const dataset = { name: 'meetup_rsvps', deciding: null, ...eventCheck(meetup) }
  const runner = new SourceRunner({
    ...{ dataset: dataset.name, name: 'live', kind, source: SOURCES[kind]!(address), ledger: log.sources },
    intake: new Intake({ dataset, log }),
    tryLock: async () => ({ release: async () => {} }),
    emit: () => {},
  })
  try {
    return await measured(async () => {
      runner.start()
      await until('all is in the log', () => runner.status().events >= EVENTS, { everyMs: 2 })
    })
  } finally {
    await runner.stop()
    await log.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
