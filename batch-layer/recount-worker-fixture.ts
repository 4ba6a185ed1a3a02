/**
 * A worker for groups in a separate process, to be killed: node recount-worker-fixture.ts <options as JSON>. It says 'ready', then 'began'
 * with each group that it takes.
 */
import { compileDataset } from '#core/compile-dataset.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { definition } from './batch-fixture.ts'
import { RecountWorker } from './recount-queue.ts'

export interface RecountWorkerFixture {
  readonly url: string
  readonly folder: string
  readonly workerSilentMsMax: number
  /** it never returns a group that it has taken */
  readonly hangs: boolean
}

const { url, folder, workerSilentMsMax, hangs } = JSON.parse(process.argv[2]!) as RecountWorkerFixture
const engine = await DuckDbEngine.open({ folders: [folder] })
const dataset = await compileDataset(definition, await engine.connect())
const lake = await LocalLake.open({ folder, dataset: dataset.name })
const check = lake.check.bind(lake)
lake.check = async (files) => {
  process.stdout.write('began\n')
  if (hangs) await new Promise(() => {})
  return check(files)
}
const worker = new RecountWorker({ dataset, lake, engine, url, workerSilentMsMax })
process.once('SIGTERM', () => {
  void worker.stop().then(() => process.exit(0))
})
process.stdout.write('ready\n')
