/**
 * Where an export is computed and written: an engine of bounded memory and threads, and a folder, both for one export only. So short queries
 * keep the memory of the engine that answers them, an export gives everything back when it ends, and what does not fit is spilled.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { RowsPlace } from '../answers/every-row.ts'

export interface ExportPlaceOptions {
  /** the engine that answers short queries; it may use the folder, too */
  readonly beside: DuckDbEngine
  readonly scratchFolder: string
  readonly exportMemoryMb: number
  readonly exportThreads: number
}

/** Runs the work in a new place, of which nothing is left afterwards, whatever happens. */
export async function inExportPlace<T>(
  { beside, scratchFolder, exportMemoryMb, exportThreads }: ExportPlaceOptions,
  work: (place: RowsPlace) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(scratchFolder, 'export-'))
  try {
    const engine = await beside.openBeside({
      threads: exportThreads,
      memoryLimit: `${exportMemoryMb}MB`,
      limitNames: `exportMemoryMb = ${exportMemoryMb}, spillMb`,
      spillFolder: folder,
      returnMemory: true,
    })
    try {
      return await work({ engine, folder })
    } finally {
      engine.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
