/**
 * A stream worker as a process of its own: the log and the shared partitions on Kafka, lake and speed store in a folder. Its
 * settings come as JSON in its first argument; it prints one JSON object per event of interest. SIGTERM ends it cleanly.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import { crashStep } from '#runtime/crash-step.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { KafkaGroup } from '#storage/log/kafka/kafka-group.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import clicks from './clicks.ts'

export interface WorkerSettings {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly folder: string
  readonly sessionMsMax: number
  readonly segmentRecordsMax: number
}

export interface WorkerLine {
  readonly name: string
  readonly message?: string
  readonly fields?: Readonly<Record<string, unknown>>
  /** epoch ms */
  readonly atMs: number
}

const settings = JSON.parse(process.argv[2]!) as WorkerSettings
const { brokers, topic, folder, sessionMsMax, segmentRecordsMax } = settings
const print = (line: Omit<WorkerLine, 'atMs'>): void =>
  void process.stdout.write(`${JSON.stringify({ ...line, atMs: Date.now() })}\n`)
const notice = (message: string): void => print({ name: 'kafka-notice', message })

const scratchFolder = mkdtempSync(join(folder, 'scratch-'))
const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
const dataset = await compileDataset(clicks, await engine.connect())
const log = await KafkaLog.open({ brokers, topic, dataset: dataset.name, topicEveryMs: 500, notice })
const store = await SqliteSpeedStore.open({
  file: join(folder, 'speed.sqlite'),
  dataset: dataset.name,
  log: log.identity,
})
const role = new StreamRole({
  dataset,
  log,
  store,
  engine,
  scratchFolder,
  lake: await LocalLake.open({ folder: join(folder, 'lake'), dataset: dataset.name }),
  assignment: new KafkaGroup({ brokers, topic, groupId: `${topic}-stream`, sessionMsMax, topicEveryMs: 500, notice }),
  limits: { pollEveryMs: 10, flushEveryMs: 100, segmentRecordsMax, segmentAgeMsMax: 2_000, retryMsMax: 500 },
  step: crashStep(process.env),
  emit: print,
})
process.once('SIGTERM', async () => {
  await role.stop()
  await log.close()
  await store.close()
  engine.close()
  process.exit(0)
})
await role.start()
print({ name: 'started', fields: { partitions: role.status().map(({ partition }) => partition) } })
