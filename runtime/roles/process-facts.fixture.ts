/** A role that works, and when it is stopped tells what its process is like. */
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { getPriority } from 'node:os'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { runRole } from './role-thread.ts'

export interface ProcessFacts {
  /** of the process before the role ran */
  readonly firstPriority: number
  /** of each thread at last */
  readonly priorities: readonly number[]
  /** of Node */
  readonly flags: readonly string[]
  /** arguments and environment, as whoever lists processes sees them */
  readonly shown: readonly string[]
}

const firstPriority = getPriority()

const processFacts = (): ProcessFacts => ({
  firstPriority,
  priorities: readdirSync('/proc/self/task').map((thread) => getPriority(Number(thread))),
  flags: process.execArgv,
  shown: ['cmdline', 'environ'].map((file) => readFileSync(`/proc/self/${file}`, 'utf8')),
})

/** An engine's own threads and the pool's. */
async function work(): Promise<void> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 3 })
  const connection = await engine.connect()
  await connection.rows('SELECT count(*) AS n FROM range(1000000)')
  await readFile(import.meta.filename)
}

await runRole(async (_, emit) => {
  await work()
  return {
    parts: () => [],
    async stop() {
      await work()
      emit({ name: 'facts', level: 'info', message: JSON.stringify(processFacts()) })
    },
  }
})
