/** A worker for groups of a recount of RSVPs, with one thread: node worker-process.ts <url of Redis> <folder of the lake>. It says 'ready'. */

import { RecountWorker } from '#batch-layer/recount-queue.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'

const [url, folder] = process.argv.slice(2) as [string, string]
const engine = await DuckDbEngine.open({ folders: [folder], threads: 1, memoryLimit: '2GB' })
const dataset = await compileDataset(rsvps, await engine.connect())
const lake = await LocalLake.open({ folder, dataset: dataset.name })
const worker = new RecountWorker({ dataset, lake, engine, url })
process.once('SIGTERM', () => {
  void worker.stop().then(() => process.exit(0))
})
process.stdout.write('ready\n')
