/** For tests: the real embedded parts over one definition, in a folder and with an engine of their own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { type GeneratedPlatform, type GeneratedPlatformOptions, openGenerated } from './generated-platform.ts'

export interface OwnPlatform extends GeneratedPlatform {
  /** what the engine may use */
  readonly ground: string
  readonly engine: DuckDbEngine
  /** Appends events. @returns the position that counts them, as `atLeast` takes it */
  take(events: readonly string[]): Promise<string>
}

export interface OwnPlatformOptions
  extends Pick<GeneratedPlatformOptions, 'definition' | 'segmentRecordsMax' | 'serveLimits'> {
  /** default: a lake in a folder. @param ground what the engine may use */
  readonly openLake?: (ground: string, dataset: string) => Promise<Lake>
}

/** Resident answers, as `start` gives them; `close` removes everything. */
export async function openOwn({ openLake, ...options }: OwnPlatformOptions): Promise<OwnPlatform> {
  const ground = mkdtempSync(join(tmpdir(), 'watershed-own-'))
  const engine = await DuckDbEngine.open({ folders: [ground], threads: 1 })
  const platform = await openGenerated({
    ...{ ...options, folder: ground, engine, resident: true },
    ...(openLake && { openLake: (dataset) => openLake(ground, dataset) }),
  })
  return {
    ...platform,
    ground,
    engine,
    take: async (events) => {
      const { appended } = await platform.intake.offer(events)
      return appended.map(({ partition, end }) => `${partition}:${end}`).join(',')
    },
    close: async () => {
      await platform.close()
      engine.close()
      rmSync(ground, { recursive: true })
    },
  }
}
