/**
 * CPU time of an idle platform by its number of partitions: `start` on embedded parts, and a stream worker on Kafka and Elasticsearch
 * with what the broker and the server need for it. What no event comes through should cost nearly nothing, however many there are.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { startElasticsearch } from '#tests/servers/elasticsearch-server.ts'
import { KafkaSite } from './kafka-site.ts'
import { withFolder } from './serving/prepared-folder.ts'
import { cpuSeconds, usageByRole } from './serving/process-usage.ts'
import { ServerProcess } from './serving/server-process.ts'

const EMBEDDED = [4, 256]
const ON_SERVICES = [4, 128]
const SETTLE_MS = 20_000
const MEASURE_MS = 30_000
const DATASET = 'meetup_rsvps'
const MAIN = join(import.meta.dirname, '../runtime/main.ts')

/** @returns ms of CPU time per second, and how many times those of few partitions those of many are */
export async function idle(): Promise<Record<string, number>> {
  const figures: Record<string, number> = {}
  for (const partitions of EMBEDDED) Object.assign(figures, named(`embedded:${partitions}`, await embedded(partitions)))
  Object.assign(figures, await onServices())
  const [few, many] = [`embedded:${EMBEDDED[0]}:all`, `embedded:${EMBEDDED[1]}:all`]
  figures['embedded:manyAgainstFew'] = figures[many]! / figures[few]!
  const [fewOn, manyOn] = ON_SERVICES.map((partitions) => `services:${partitions}:worker`)
  figures['services:manyAgainstFew'] = figures[manyOn!]! / figures[fewOn!]!
  return figures
}

function named(prefix: string, own: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [`${prefix}:${name}`, value]))
}

function embedded(partitions: number): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    const server = await ServerProcess.start({ folder, settings: { partitions } })
    try {
      await sleep(SETTLE_MS)
      const before = usageByRole(server.pid)
      await sleep(MEASURE_MS)
      const after = [...usageByRole(server.pid)].map(([role, cpu]) => [role, perSecond(cpu - (before.get(role) ?? 0))])
      const roles = Object.fromEntries(after) as Record<string, number>
      return { ...roles, all: Object.values(roles).reduce((sum, each) => sum + each, 0) }
    } finally {
      await server.stop()
    }
  })
}

async function onServices(): Promise<Record<string, number>> {
  const [site, elasticsearch] = await Promise.all([KafkaSite.start(), startElasticsearch({ compileFully: true })])
  try {
    const figures: Record<string, number> = {}
    for (const partitions of ON_SERVICES) {
      const pids = { broker: site.kafka.pid, elasticsearch: elasticsearch.pid }
      const own = await worker(site, elasticsearch.node, partitions, pids)
      Object.assign(figures, named(`services:${partitions}`, own))
    }
    return figures
  } finally {
    await Promise.all([site.kafka.stop(), elasticsearch.stop()])
  }
}

async function worker(
  site: KafkaSite,
  elasticsearch: string,
  partitions: number,
  servers: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const topic = await site.topic(partitions)
  const child = spawn(process.execPath, [MAIN, 'stream'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env.PATH,
      WATERSHED_DATA: folder,
      WATERSHED_DATASETS: DATASET,
      WATERSHED_LOG: 'kafka',
      WATERSHED_KAFKA_BROKERS: site.brokers.join(','),
      WATERSHED_KAFKA_TOPICS: `${DATASET}=${topic}`,
      WATERSHED_KAFKA_GROUP_PREFIX: `${folder.slice(-6)}-`,
      WATERSHED_SPEED_STORE: 'elasticsearch',
      WATERSHED_ELASTICSEARCH_NODE: elasticsearch,
      WATERSHED_ELASTICSEARCH_INDEX_PREFIX: `idle${partitions}-`,
      WATERSHED_PORT: '0',
      WATERSHED_LOG_FORMAT: 'json',
    },
  })
  const said: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
  try {
    await sleep(2 * SETTLE_MS)
    if (child.exitCode !== null) throw new Error(`the worker ended: ${said.at(-1)}`)
    const pids = { worker: child.pid!, ...servers }
    const used = (): number[] => Object.values(pids).map(cpuSeconds)
    const before = used()
    await sleep(MEASURE_MS)
    const after = used()
    return Object.fromEntries(Object.keys(pids).map((name, at) => [name, perSecond(after[at]! - before[at]!)]))
  } finally {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    rmSync(folder, { recursive: true, force: true })
  }
}

function perSecond(cpu: number): number {
  return (cpu * 1_000) / (MEASURE_MS / 1_000)
}
