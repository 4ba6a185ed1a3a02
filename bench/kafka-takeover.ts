/** A worker is killed with -9: how long until another one has flushed every partition, for two session timeouts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { clickLine } from '#tests/cluster/clicks.ts'
import { WorkerProcess } from '#tests/cluster/worker-process.ts'
import { KafkaSite, median, PARTITIONS } from './kafka-site.ts'

const SESSIONS_MS = [2_000, 10_000]
const ROUNDS = Number(process.env.BENCH_KAFKA_TAKEOVERS ?? 3)
const WAIT_MS_MAX = 60_000

/** @returns ms from the kill to the first flush of the last of the dead worker's partitions, per session timeout */
export async function kafkaTakeover(): Promise<Record<string, number>> {
  const site = await KafkaSite.start()
  try {
    const figures: Record<string, number> = { rounds: ROUNDS, partitions: PARTITIONS }
    for (const sessionMsMax of SESSIONS_MS) {
      const times: number[] = []
      for (let round = 0; round < ROUNDS; round++) times.push(await takeover(site, sessionMsMax))
      figures[`session${sessionMsMax}MsFirstFlushMs`] = median(times)
      figures[`session${sessionMsMax}MsSlowestMs`] = Math.max(...times)
    }
    return figures
  } finally {
    await site.kafka.stop()
  }
}

async function takeover(site: KafkaSite, sessionMsMax: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const topic = await site.topic()
  const log = await KafkaLog.open({ brokers: site.brokers, dataset: 'clicks', topic })
  const settings = { brokers: site.brokers, topic, folder, sessionMsMax, segmentRecordsMax: 5_000 }
  const [dying, heir] = [new WorkerProcess(settings), new WorkerProcess(settings)]
  let [next, going] = [0, true]
  const source = (async () => {
    while (going) {
      const lines = Buffer.from(`${clickLine(next)}\n`)
      await log.append([{ partition: next++ % PARTITIONS, lines, count: 1 }])
      await sleep(5)
    }
  })()
  try {
    const both = (): boolean =>
      dying.flushed(Date.now() - 1_000).length + heir.flushed(Date.now() - 1_000).length >= PARTITIONS
    await until(() => both() && dying.flushed(Date.now() - 1_000).length > 0)
    const theirs = dying.flushed(Date.now() - 1_000)
    const killedAtMs = Date.now()
    await dying.end('SIGKILL')
    await until(() => theirs.every((partition) => heir.flushed(killedAtMs).includes(partition)))
    const first = theirs.map(
      (partition) =>
        heir.lines.find(
          ({ name, fields, atMs }) => name === 'flush-written' && fields?.partition === partition && atMs >= killedAtMs,
        )!.atMs,
    )
    return Math.max(...first) - killedAtMs
  } finally {
    going = false
    await source
    for (const worker of [dying, heir]) await worker.end('SIGKILL')
    await log.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`a worker did not come so far in ${WAIT_MS_MAX} ms`)
    await sleep(10)
  }
}
