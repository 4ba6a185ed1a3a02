/**
 * A full recompute of all RSVP views by Trino against DuckDB, over the same files on the same cores: seconds, CPU time per million events, and the
 * largest resident sets. Both publish the same state files. Rounds in turns; medians. The first round of each is left out: Trino compiles then.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runBatch } from '#batch-layer/run-batch.ts'
import { TrinoEngine } from '#batch-layer/trino-engine.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { TrinoClient } from '#storage/trino/trino-client.ts'
import { folderCatalog } from '#tests/servers/trino-catalog.ts'
import { startTrino } from '#tests/servers/trino-server.ts'
import { median, PARTITIONS, RsvpPlatform } from './rsvp-platform.ts'

const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000)
const ROUNDS = 3
const HEAP_MB = 3_000
/** of /proc/<pid>/stat, on every common Linux */
const TICKS_PER_SECOND = 100

interface Cost {
  readonly seconds: number
  /** of this process and of Trino's */
  readonly ownCpuSeconds: number
  readonly trinoCpuSeconds: number
}

/** @returns seconds, ratios and MB */
export async function trino(): Promise<Record<string, number>> {
  const platform = await RsvpPlatform.open()
  const engine = await DuckDbEngine.open({ folders: [platform.folder], threads: 2, memoryLimit: '2GB' })
  const dictionary = await SqliteDictionary.open({ file: join(platform.folder, 'dictionary.sqlite') })
  const server = await startTrino({ heapMb: HEAP_MB, compileFully: true, recoversTasks: false })
  try {
    const { lake, log, dataset, folder } = platform
    await platform.append(EVENTS)
    await platform.catchUp(true)
    const { name: catalog, lakeUri } = await folderCatalog(server.url, join(folder, 'lake'))
    const connection = await engine.connect()
    const client = new TrinoClient({ url: server.url })
    const place = { catalog, schema: 'watershed', lakeUri }
    const recountEngine = await TrinoEngine.of({ ...place, client, dataset }, connection)
    const shared = { dataset, lake, dictionary, engine, partitions: PARTITIONS, logIdentity: log.identity }
    const run = async (more: object): Promise<Cost & { readonly made: GenerationManifest }> => {
      const before = [process.cpuUsage(), cpuSecondsOf(server.pid), performance.now()] as const
      const made = await runBatch({ ...shared, mode: 'full', ...more })
      const { user, system } = process.cpuUsage(before[0])
      return {
        made: made!,
        seconds: (performance.now() - before[2]) / 1_000,
        ownCpuSeconds: (user + system) / 1e6,
        trinoCpuSeconds: cpuSecondsOf(server.pid) - before[1],
      }
    }
    const [own, there]: [Cost[], Cost[]] = [[], []]
    let isSame = true
    for (let round = 0; round <= ROUNDS; round++) {
      const a = await run({})
      const b = await run({ recountEngine })
      isSame &&= JSON.stringify(a.made.views) === JSON.stringify(b.made.views)
      if (round > 0) {
        own.push(a)
        there.push(b)
      }
    }
    const of = (costs: readonly Cost[], value: (cost: Cost) => number): number => median(costs.map(value))
    const millions = EVENTS / 1e6
    const trinoCpu = of(there, ({ ownCpuSeconds, trinoCpuSeconds }) => ownCpuSeconds + trinoCpuSeconds)
    const duckDbCpu = of(own, ({ ownCpuSeconds }) => ownCpuSeconds)
    return {
      events: EVENTS,
      sameFiles: Number(isSame),
      duckDbSeconds: of(own, ({ seconds }) => seconds),
      trinoSeconds: of(there, ({ seconds }) => seconds),
      trinoAgainstDuckDb: median(there.map(({ seconds }, round) => seconds / own[round]!.seconds)),
      duckDbCpuSecondsPerMillion: duckDbCpu / millions,
      trinoCpuSecondsPerMillion: trinoCpu / millions,
      trinoCpuAgainstDuckDb: trinoCpu / duckDbCpu,
      ownCpuSecondsPerMillionWithTrino: of(there, ({ ownCpuSeconds }) => ownCpuSeconds) / millions,
      ownPeakMb: peakMbOf(process.pid),
      trinoPeakMb: peakMbOf(server.pid),
    }
  } finally {
    await server.stop()
    await dictionary.close()
    engine.close()
    await platform.close()
  }
}

function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function peakMbOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024
}
