/** Opens an engine, lowers the priority of its threads, and writes name and priority of each thread of this process to stdout. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { yieldEngines } from './yield-processors.ts'

const engine = await DuckDbEngine.open({ folders: [], threads: 3 })
const refused = yieldEngines(3)
if (refused !== null) throw refused
const names = readdirSync('/proc/self/task').map((thread) => {
  const name = readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim()
  return { name, isMain: Number(thread) === process.pid, priority: getPriority(Number(thread)) }
})
await engine.close()
console.log(JSON.stringify(names))
