/** An engine for one role, within the role's share of threads and memory, and within the data folder. */
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'
import { engineLakeFolder } from './open-lake.ts'

export type EngineRole = 'serve' | 'stream' | 'batch' | 'present'

export async function openEngine(
  role: EngineRole,
  configuration: Configuration,
  folder: DataFolder,
  scratchFolder: string,
): Promise<DuckDbEngine> {
  const spillFolder = join(scratchFolder, 'spill')
  mkdirSync(spillFolder, { recursive: true })
  const { [`${role}MemoryMb` as const]: memoryMb, spillMb } = configuration
  return DuckDbEngine.open({
    threads: configuration[`${role}Threads`] ?? threadsOfOneQuery(),
    memoryLimit: `${memoryMb}MB`,
    spillLimit: `${spillMb}MB`,
    limitNames: `${role}MemoryMb = ${memoryMb}, spillMb = ${spillMb}`,
    folders: [engineLakeFolder(configuration, folder), scratchFolder, folder.pagesFolder],
    spillFolder,
    returnMemory: role === 'batch',
    // Rows of the log's tail are there for seconds, and every question waits for what is written.
    packTables: role !== 'serve',
    ...(role === 'stream' ? { statementsAtOnce: availableParallelism() } : {}),
  })
}

/** Queries run beside one another; a second thread on processors that are all busy costs a query a third more of their time. */
function threadsOfOneQuery(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2))
}
