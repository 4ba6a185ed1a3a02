/**
 * Events from the log to lake and speed store with all RSVP views, against a bare single-thread JSON.parse of the same
 * bytes in the same run. Ratios: rate (wall) and CPU time per event (whole process).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import rsvps from '#datasets/meetup-rsvps.ts'
import { RsvpGenerator } from '#datasets/rsvp-generator.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'

const EVENTS = Number(process.env.BENCH_EVENTS ?? 400_000)
const PARTITIONS = 4
const BATCH = 2_000

interface Spent {
  readonly wallUs: number
  readonly cpuUs: number
}

async function spent(work: () => Promise<void> | void): Promise<Spent> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  await work()
  const used = process.cpuUsage(cpu)
  return { wallUs: ((performance.now() - wall) * 1_000) / EVENTS, cpuUs: (used.user + used.system) / EVENTS }
}

/** @returns µs per event of both sides and their ratios */
export async function streamRate(): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const engine = await DuckDbEngine.open({
    folders: [folder],
    threads: 1,
    memoryLimit: '2GB',
    statementsAtOnce: availableParallelism(),
  })
  try {
    const dataset = await compileDataset(rsvps, await engine.connect())
    const log = await SqliteLog.open({
      file: join(folder, 'log.sqlite'),
      dataset: dataset.name,
      partitions: PARTITIONS,
    })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: dataset.name })
    const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: dataset.name })
    const generator = new RsvpGenerator({
      seed: 1,
      startMs: 1_700_000_000_000,
      eventsPerSecond: 1_000,
      malformedShare: 0,
    })
    const all: Buffer[] = []
    const append = await spent(async () => {
      for (let at = 0; at < EVENTS; at += BATCH) {
        const lines = Buffer.from(Array.from({ length: BATCH }, () => `${generator.next()}\n`).join(''))
        all.push(lines)
        await log.append([{ partition: (at / BATCH) % PARTITIONS, lines, count: BATCH }])
      }
    })
    const parse = (): void => {
      for (const lines of all) for (const line of lines.toString('utf8').split('\n')) if (line !== '') JSON.parse(line)
    }
    parse()
    const before = await spent(parse)
    const role = new StreamRole({
      dataset,
      log,
      lake,
      store,
      engine,
      scratchFolder: join(folder, 'scratch'),
      emit: silent,
    })
    const stream = await spent(async () => {
      const done = Promise.withResolvers<void>()
      const timer = setInterval(() => {
        if (role.status().reduce((sum, { position }) => sum + position, 0) >= EVENTS) done.resolve()
      }, 20)
      await role.start()
      await done.promise
      clearInterval(timer)
      await role.stop()
    })
    const after = await spent(parse)
    await log.close()
    await store.close()
    const parseWall = (before.wallUs + after.wallUs) / 2
    const parseCpu = (before.cpuUs + after.cpuUs) / 2
    return {
      events: EVENTS,
      generateAndAppendUsPerEvent: append.wallUs,
      parseUsPerEvent: parseWall,
      streamUsPerEvent: stream.wallUs,
      streamCpuUsPerEvent: stream.cpuUs,
      rateAgainstParse: parseWall / stream.wallUs,
      cpuAgainstParse: stream.cpuUs / parseCpu,
    }
  } finally {
    engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
