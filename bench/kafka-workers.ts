/**
 * One `watershed stream` process against two that share the partitions of one topic, all RSVP views, from Kafka into one lake.
 * Each process is held to one core: a worker would use all of them, and then two have nothing to gain on the machine that they
 * share. The broker runs beside them on the same cores, so what is missing to twice the rate is its part and the noise; the
 * processes' CPU time says how the work was split.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { KafkaSite, median, PARTITIONS, rsvpBatches } from './kafka-site.ts'

/** so many that what the first worker read alone, before the second one had joined, counts little */
const EVENTS = Number(process.env.BENCH_KAFKA_WORKERS_EVENTS ?? 1_200_000)
const ROUNDS = Number(process.env.BENCH_KAFKA_WORKERS_ROUNDS ?? 3)
const DATASET = 'meetup_rsvps'
const SEGMENT_RECORDS = 25_000
const WAIT_MS_MAX = 120_000
/** of /proc/<pid>/stat; the same on every Linux that Node runs on */
const TICKS_PER_SECOND = 100

interface Run {
  readonly perSecond: number
  /** seconds, per worker */
  readonly cpu: readonly number[]
  readonly brokerCpu: number
}

/** @returns events per second of one and of two workers, their ratio, and shares of CPU time in the runs with two */
export async function kafkaWorkers(): Promise<Record<string, number>> {
  if (availableParallelism() < 2) throw new Error('two workers need two cores')
  const site = await KafkaSite.start()
  try {
    const topic = await filledTopic(site)
    const [ones, twos]: [Run[], Run[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      ones.push(await run(site, topic, 1))
      twos.push(await run(site, topic, 2))
    }
    const share = (of: (run: Run) => number): number =>
      median(twos.map((each) => of(each) / (each.brokerCpu + each.cpu.reduce((sum, one) => sum + one, 0))))
    return {
      events: EVENTS,
      rounds: ROUNDS,
      oneWorkerPerSecond: median(ones.map(({ perSecond }) => perSecond)),
      twoWorkersPerSecond: median(twos.map(({ perSecond }) => perSecond)),
      twoAgainstOne: median(twos.map(({ perSecond }, round) => perSecond / ones[round]!.perSecond)),
      cpuShareOfBusierWorker: share(({ cpu }) => Math.max(...cpu)),
      cpuShareOfOtherWorker: share(({ cpu }) => Math.min(...cpu)),
      cpuShareOfBroker: share(({ brokerCpu }) => brokerCpu),
    }
  } finally {
    await site.kafka.stop()
  }
}

async function filledTopic(site: KafkaSite): Promise<string> {
  const topic = await site.topic()
  const log = await KafkaLog.open({ brokers: site.brokers, dataset: DATASET, topic })
  for (const [index, events] of rsvpBatches(EVENTS).entries()) {
    const lines = Buffer.from(`${events.join('\n')}\n`)
    await log.append([{ partition: index % PARTITIONS, lines, count: events.length }])
  }
  await log.close()
  return topic
}

async function run(site: KafkaSite, topic: string, count: number): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: DATASET })
  const landed = async (): Promise<number> => (await lake.chains(PARTITIONS)).reduce((sum, { end }) => sum + end, 0)
  const workers = Array.from({ length: count }, (_, core) => startWorker(site, topic, folder, core))
  const pids = workers.map(({ process }) => process.pid!)
  try {
    // From when every worker has closed a segment: starting and joining the group are no part of the pace.
    await until(async () => workers.every(({ hasClosed }) => hasClosed()))
    const [from, began] = [await landed(), performance.now()]
    const [cpu, brokerCpu] = [pids.map(cpuSeconds), cpuSeconds(site.kafka.pid)]
    await until(async () => (await landed()) >= EVENTS)
    return {
      perSecond: (EVENTS - from) / ((performance.now() - began) / 1_000),
      cpu: pids.map((pid, index) => cpuSeconds(pid) - cpu[index]!),
      brokerCpu: cpuSeconds(site.kafka.pid) - brokerCpu,
    }
  } finally {
    for (const { process: worker } of workers) {
      worker.kill('SIGKILL')
      if (worker.exitCode === null && worker.signalCode === null) await once(worker, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Worker {
  readonly process: ChildProcess
  hasClosed(): boolean
}

function startWorker(site: KafkaSite, topic: string, folder: string, core: number): Worker {
  const main = join(import.meta.dirname, '../runtime/main.ts')
  const worker = spawn('taskset', ['--cpu-list', String(core), process.execPath, main, 'stream'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env.PATH,
      WATERSHED_DATA: folder,
      WATERSHED_SCRATCH: join(folder, `scratch-${core}`),
      WATERSHED_DATASETS: DATASET,
      WATERSHED_LOG: 'kafka',
      WATERSHED_KAFKA_BROKERS: site.brokers.join(','),
      WATERSHED_KAFKA_TOPICS: `${DATASET}=${topic}`,
      WATERSHED_KAFKA_GROUP_PREFIX: `${folder.slice(-6)}-`,
      WATERSHED_SEGMENT_RECORDS_MAX: String(SEGMENT_RECORDS),
      WATERSHED_PORT: '0',
      WATERSHED_LOG_FORMAT: 'json',
    },
  })
  let closed = false
  createInterface({ input: worker.stderr! }).on('line', (line) => {
    closed ||= line.includes('"event":"segment-closed"')
  })
  return { process: worker, hasClosed: () => closed }
}

/** User and system time of a process. */
function cpuSeconds(pid: number): number {
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`the workers did not come so far in ${WAIT_MS_MAX} ms`)
    await sleep(20)
  }
}
