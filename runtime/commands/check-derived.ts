/** What a definition's derived columns make of sampled events: the engine decodes them, as it will after they are ingested. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CompiledDataset } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { Sample } from '#ingest/inference/sample.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'

/** Of one derived column. */
export interface DerivedCount {
  readonly column: string
  readonly values: number
  /** rows whose derivation failed */
  readonly failed: number
}

export interface DecodedSample {
  readonly counts: readonly DerivedCount[]
  /** of each event that is unusable */
  readonly reasons: readonly string[]
}

type SampledEvents = Pick<Sample, 'events' | 'texts'>

/** The reason for each rejected event. @param decoded for datasets with derived columns, which only the engine can compute */
export function rejectedBy(
  dataset: CompiledDataset,
  { events, texts }: SampledEvents,
  decoded: DecodedSample | null,
): readonly string[] {
  if (decoded !== null) return decoded.reasons
  return events.flatMap((event, at) => {
    const verdict = dataset.check(event, texts[at]!, Date.now())
    return verdict.ok ? [] : [verdict.reason]
  })
}

/** Decodes the events; null: the dataset has no derived columns. */
export async function decodeSample(dataset: CompiledDataset, { texts }: SampledEvents): Promise<DecodedSample | null> {
  if (dataset.columns.every(({ as }) => as === null)) return null
  const folder = await mkdtemp(join(tmpdir(), 'watershed-check-'))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  try {
    return await decodeIn(await engine.connect(), dataset, texts, folder)
  } finally {
    engine.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function decodeIn(
  connection: EngineConnection,
  dataset: CompiledDataset,
  texts: readonly string[],
  scratchFolder: string,
): Promise<DecodedSample> {
  await createRowsTable(connection, dataset, 'sampled')
  const count = texts.length
  const lines = Buffer.from(texts.map((text) => `${text}\n`).join(''))
  const arrivals = [{ count, atMs: Date.now() }]
  const batch = { partition: 0, start: 0, end: count, count, offsets: null, arrivals, lines }
  const { dead, unconverted } = await decodeBatch(connection, dataset, batch, { table: 'sampled', scratchFolder })
  const derived = dataset.columns.filter(({ as }) => as !== null).map(({ name }) => name)
  const [row] = await connection.rows<Record<string, number>>(
    `SELECT ${derived.map((name) => `count(${quoteName(name)}) AS ${quoteName(name)}`).join(', ')} FROM sampled`,
  )
  return {
    counts: derived.map((column) => ({ column, values: row![column]!, failed: unconverted[column] ?? 0 })),
    reasons: dead.map(({ reason }) => reason),
  }
}
