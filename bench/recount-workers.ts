/**
 * A full recompute of all RSVP views in groups, by the run alone, and with one and two further DuckDB workers that share the groups through Redis.
 * The run and each worker have one thread. With workers the run only hands groups out and merges their states; two workers have a core each, which
 * the merging shares. Rounds in turns; medians. All publish the same states.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { RecountQueue } from '#batch-layer/recount-queue.ts'
import { runBatch } from '#batch-layer/run-batch.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { startRedis } from '#tests/servers/redis-server.ts'
import { median, PARTITIONS, RsvpPlatform } from './rsvp-platform.ts'

const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000)
const GROUPS = 8
const ROUNDS = 3
const WORKERS_MAX = 2

/** @returns seconds and ratios */
export async function recountWorkers(): Promise<Record<string, number>> {
  const platform = await RsvpPlatform.open()
  const engine = await DuckDbEngine.open({ folders: [platform.folder], threads: 1, memoryLimit: '2GB' })
  const dictionary = await SqliteDictionary.open({ file: join(platform.folder, 'dictionary.sqlite') })
  const redis = await startRedis()
  const queue = new RecountQueue({ dataset: platform.dataset, lake: platform.lake, url: redis.url })
  try {
    const { lake, log, dataset } = platform
    await platform.append(EVENTS)
    await platform.catchUp(true)
    const shared = { dataset, lake, dictionary, engine, partitions: PARTITIONS, logIdentity: log.identity }
    const groupRows = Math.ceil(EVENTS / GROUPS)
    const made: GenerationManifest[] = []
    const run = async (workers: number): Promise<number> => {
      const children = await startWorkers(workers, redis.url, join(platform.folder, 'lake'))
      try {
        const began = performance.now()
        const recount = { groupRows, ...(workers > 0 && { workers: queue }) }
        made.push((await runBatch({ ...shared, mode: 'full', recount }))!)
        return (performance.now() - began) / 1_000
      } finally {
        await stopWorkers(children)
      }
    }
    const seconds: number[][] = Array.from({ length: WORKERS_MAX + 1 }, () => [])
    for (let round = 0; round < ROUNDS; round++)
      for (let workers = 0; workers <= WORKERS_MAX; workers++) seconds[workers]!.push(await run(workers))
    const [alone, one, two] = seconds as [number[], number[], number[]]
    const against = (these: readonly number[], those: readonly number[]): number =>
      median(these.map((each, round) => those[round]! / each))
    return {
      events: EVENTS,
      groups: GROUPS,
      sameRows: Number(new Set(made.map(rowsOf)).size === 1),
      aloneSeconds: median(alone),
      oneWorkerSeconds: median(one),
      twoWorkersSeconds: median(two),
      twoAgainstOne: against(two, one),
      twoAgainstAlone: against(two, alone),
    }
  } finally {
    await queue.close()
    await redis.stop()
    await dictionary.close()
    engine.close()
    await platform.close()
  }
}

/** The number of states of each view: their order in the files depends on who was first. */
function rowsOf({ views }: GenerationManifest): string {
  const rows = Object.entries(views).map(([name, { files }]) => [name, files.reduce((sum, file) => sum + file.rows, 0)])
  return JSON.stringify(rows)
}

async function startWorkers(count: number, url: string, folder: string): Promise<ChildProcess[]> {
  const file = join(import.meta.dirname, 'recount/worker-process.ts')
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, [file, url, folder], { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  await Promise.all(children.map((child) => once(createInterface({ input: child.stdout! }), 'line')))
  return children
}

async function stopWorkers(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }
}
