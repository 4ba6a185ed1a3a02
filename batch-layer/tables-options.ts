/** What open tables are written from, and what each of their versions says of itself. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { RunPlan } from './plan-run.ts'
import { READERS_GRACE_MS } from './retention.ts'

export interface TablesOptions {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly connection: EngineConnection
  /** the current one */
  readonly generation: GenerationManifest
  /** of the run that has just published it; null: it was there */
  readonly plan: Pick<RunPlan, 'base' | 'mode' | 'views'> | null
  readonly emit: Emit
  readonly clock: () => number
  readonly readersGraceMs?: number
  readonly signal?: AbortSignal
}

type Grace = Pick<TablesOptions, 'readersGraceMs'>

/** How long a file stays after it left a table, ms. */
export function graceOf({ readersGraceMs = READERS_GRACE_MS }: Grace): number {
  return readersGraceMs
}

/** No reader uses what left a table before this, epoch ms. */
export function graceBegan(options: Grace & Pick<TablesOptions, 'clock'>): number {
  return options.clock() - graceOf(options)
}

export const LOG_PROPERTY = 'watershed.log'
const BOUNDARY = 'watershed.boundary'

/** Properties of a table whose version presents the generation. */
export function propertiesOf({ id, log, boundary }: GenerationManifest): Readonly<Record<string, string>> {
  return {
    'watershed.generation': id,
    [LOG_PROPERTY]: log,
    [BOUNDARY]: JSON.stringify(boundary),
  }
}

/** By partition, before which offset a table has the events; nothing of a table that does not say so. */
export function boundaryIn(properties: Readonly<Record<string, string>>): readonly Offset[] {
  const text = properties[BOUNDARY]
  return text === undefined ? [] : (JSON.parse(text) as readonly Offset[])
}
