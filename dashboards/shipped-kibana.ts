/** What the shipped file for Kibana is made of: the dashboard of meetup_rsvps. */
import { compileDataset } from '#core/compile-dataset.ts'
import definition from '#datasets/meetup-rsvps/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { type KibanaContent, kibanaDashboards } from './kibana-panels.ts'

export const DATASET = definition.name

export async function shippedKibana(): Promise<KibanaContent> {
  const engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  try {
    return kibanaDashboards(await compileDataset(definition, await engine.connect()))
  } finally {
    engine.close()
  }
}
