/**
 * The stream role from a log on Kafka against the same role from the embedded log: the same events, all RSVP views, in
 * turns. CPU is of our process; the broker has its own and shares the machine's cores with us.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { BATCH, KafkaSite, median, PARTITIONS, rsvpGenerator } from './kafka-site.ts'

const EVENTS = Number(process.env.BENCH_KAFKA_STREAM_EVENTS ?? 400_000)
const ROUNDS = Number(process.env.BENCH_KAFKA_STREAM_ROUNDS ?? 3)

interface Spent {
  readonly wallUs: number
  readonly cpuUs: number
}

/** @returns µs per event from both logs, and the ratio of rates */
export async function kafkaStream(): Promise<Record<string, number>> {
  const site = await KafkaSite.start()
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  try {
    const kafka = await KafkaLog.open({ brokers: site.brokers, dataset: 'meetup_rsvps', topic: await site.topic() })
    const embedded = await SqliteLog.open({
      file: join(folder, 'log.sqlite'),
      dataset: 'meetup_rsvps',
      partitions: PARTITIONS,
    })
    await fill([kafka, embedded])
    const runs: Record<'kafka' | 'embedded', Spent[]> = { kafka: [], embedded: [] }
    for (let round = 0; round <= ROUNDS; round++) {
      const [fromEmbedded, fromKafka] = [await stream(embedded, folder), await stream(kafka, folder)]
      if (round === 0) continue
      runs.embedded.push(fromEmbedded)
      runs.kafka.push(fromKafka)
    }
    await Promise.all([kafka.close(), embedded.close()])
    return {
      events: EVENTS,
      rounds: ROUNDS,
      kafkaUsPerEvent: median(runs.kafka.map(({ wallUs }) => wallUs)),
      embeddedUsPerEvent: median(runs.embedded.map(({ wallUs }) => wallUs)),
      kafkaCpuUsPerEvent: median(runs.kafka.map(({ cpuUs }) => cpuUs)),
      embeddedCpuUsPerEvent: median(runs.embedded.map(({ cpuUs }) => cpuUs)),
      rateAgainstEmbedded: median(runs.kafka.map(({ wallUs }, round) => runs.embedded[round]!.wallUs / wallUs)),
    }
  } finally {
    await site.kafka.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A batch at a time: a heap full of events would cost the measured process its collector's time. */
async function fill(logs: readonly EventLog[]): Promise<void> {
  const generator = rsvpGenerator()
  for (let index = 0; index < EVENTS / BATCH; index++) {
    const lines = Buffer.from(Array.from({ length: BATCH }, () => `${generator.next()}\n`).join(''))
    for (const log of logs) await log.append([{ partition: index % PARTITIONS, lines, count: BATCH }])
  }
}

async function stream(log: EventLog, parent: string): Promise<Spent> {
  const folder = mkdtempSync(join(parent, 'run-'))
  const engine = await DuckDbEngine.open({
    folders: [folder],
    threads: 1,
    memoryLimit: '2GB',
    statementsAtOnce: availableParallelism(),
  })
  const dataset = await compileDataset(rsvps, await engine.connect())
  const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: dataset.name })
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: dataset.name })
  const role = new StreamRole({
    dataset,
    log,
    lake,
    store,
    engine,
    scratchFolder: join(folder, 'scratch'),
    emit: silent,
  })
  const done = Promise.withResolvers<void>()
  const timer = setInterval(() => {
    if (role.status().reduce((sum, { position }) => sum + position, 0) >= EVENTS) done.resolve()
  }, 20)
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  await role.start()
  await done.promise
  await role.stop()
  const used = process.cpuUsage(cpu)
  const spent = { wallUs: ((performance.now() - wall) * 1_000) / EVENTS, cpuUs: (used.user + used.system) / EVENTS }
  clearInterval(timer)
  await store.close()
  engine.close()
  rmSync(folder, { recursive: true, force: true })
  return spent
}
