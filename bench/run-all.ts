/** Runs every benchmark and writes bench/results/<name>.json with the machine's description. Ratios within one run count; absolute times do not. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { appendRate } from './append-rate.ts'
import { batchRun } from './batch-run.ts'
import { elasticsearchBulk } from './elasticsearch-bulk.ts'
import { fileRate } from './file-rate.ts'
import { hostile } from './hostile.ts'
import { idle } from './idle.ts'
import { intakeRate } from './intake-rate.ts'
import { kafkaClients } from './kafka-clients.ts'
import { kafkaStream } from './kafka-stream.ts'
import { kafkaTakeover } from './kafka-takeover.ts'
import { kafkaWorkers } from './kafka-workers.ts'
import { keptPanes } from './kept-panes.ts'
import { lakeYear } from './lake-year.ts'
import { eventToAnswer, memorySlope } from './live-platform.ts'
import { memoryAtPace } from './memory-at-pace.ts'
import { page } from './page.ts'
import { recountWorkers } from './recount-workers.ts'
import { serving } from './serving/rows.ts'
import { sustained } from './serving/sustained.ts'
import { sourceRate } from './source-rate.ts'
import { streamRate } from './stream-rate.ts'
import { trino } from './trino.ts'

const BENCHES = {
  'append-rate': appendRate,
  'intake-rate': intakeRate,
  'file-rate': fileRate,
  'source-rate': sourceRate,
  'stream-rate': streamRate,
  'batch-run': batchRun,
  trino,
  'recount-workers': recountWorkers,
  'lake-year': lakeYear,
  'kept-panes': keptPanes,
  'event-to-answer': eventToAnswer,
  memory: memorySlope,
  'memory-at-pace': memoryAtPace,
  hostile,
  idle,
  serving,
  sustained,
  page,
  'kafka-clients': kafkaClients,
  'kafka-stream': kafkaStream,
  'kafka-takeover': kafkaTakeover,
  'kafka-workers': kafkaWorkers,
  'elasticsearch-bulk': elasticsearchBulk,
}

const wanted = process.argv.slice(2)
const machine = {
  cpus: cpus().length,
  model: cpus()[0]?.model,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
}
const folder = join(import.meta.dirname, 'results')
mkdirSync(folder, { recursive: true })
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  process.stderr.write(`${name} …\n`)
  const figures = Object.fromEntries(
    Object.entries(await bench()).map(([key, value]) => [key, Number(value.toPrecision(4))]),
  )
  writeFileSync(
    join(folder, `${name}.json`),
    `${JSON.stringify({ name, date: new Date().toISOString().slice(0, 10), machine, figures }, null, 2)}\n`,
  )
  process.stdout.write(`${JSON.stringify({ name, ...figures })}\n`)
}
