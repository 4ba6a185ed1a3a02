/** Writes the rows of listed-uses.ts with DuckDB alone, as stdin says (BareExport, JSON); writes what it took (BareTook, JSON) to stdout. */
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { BareExport, BareTook } from './exports.ts'

const { folder, select, copyOptions, memoryMb, threads } = (await json(process.stdin)) as BareExport
const engine = await DuckDbEngine.open({
  folders: [folder],
  threads,
  memoryLimit: `${memoryMb}MB`,
  spillFolder: join(folder, 'spill'),
})
const connection = await engine.connect()
const [before, beganMs] = [process.cpuUsage(), performance.now()]
await connection.run(`COPY (${select}) TO ${quoteText(join(folder, 'bare'))} (${copyOptions})`)
const { user, system } = process.cpuUsage(before)
const took: BareTook = { seconds: (performance.now() - beganMs) / 1_000, cpuSeconds: (user + system) / 1e6 }
process.stdout.write(JSON.stringify(took), () => process.exit(0))
